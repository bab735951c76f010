"""What a choice of survivors and a choice of parents is."""

from collections.abc import Iterable
from typing import Protocol

from evonet.evolution.bands import Entry


class Survival(Protocol):
    """At most `count` >= 1 of the entries, which hold an individual once at most.

    `brief`: training examples of the first rung, the unit of bands. The order of entries plays no part.
    """

    def __call__(self, entries: Iterable[Entry], count: int, *, brief: int, seed: int) -> tuple[Entry, ...]: ...


class Mating(Protocol):
    """`length` entries of the pool, repeats allowed; of an empty pool nobody. The order of the pool plays no part."""

    def __call__(self, pool: Iterable[Entry], length: int, *, brief: int, seed: int) -> tuple[Entry, ...]: ...
