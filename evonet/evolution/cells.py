"""The atlas: a grid of how far networks reach x how large they are, and the best of every cell.

MAP-Elites (Mouret & Clune 2015, "Illuminating search spaces by mapping elites") over the functional long share, in
linear cells, and the bytes of the package, in cells that grow by the root of two. pyribs has such archives, but it
keeps one fixed grid with the first of equals in order of arrival, wants numpy arrays of solutions, and its archive is
state that a resumed run would have to bring back. Here the archive is the pool itself, and a pool is a fold.
"""

from collections.abc import Iterable
from math import isqrt
from typing import Protocol, TypeVar

LONG_CELLS = 8
Cell = tuple[int, int]  # (long share, bytes)


class Placed(Protocol):
    @property
    def long_share(self) -> float: ...
    @property
    def bytes(self) -> int: ...
    @property
    def score(self) -> float: ...


P = TypeVar("P", bound=Placed)


def cell(long_share: float, size: int) -> Cell:
    """Where a network of this long share, 0..1, and of `size` >= 1 bytes belongs."""
    return (
        min(int(long_share * LONG_CELLS), LONG_CELLS - 1),
        (size * size).bit_length() - 1,  # floor(2 log2(size)), exactly
    )


def long_range(cell: Cell) -> tuple[float, float]:
    """The long shares of the cell: from, below; the last cell holds 1 too."""
    return cell[0] / LONG_CELLS, (cell[0] + 1) / LONG_CELLS


def byte_range(cell: Cell) -> tuple[int, int]:
    """The sizes of the cell: from, to, both included."""
    return _least(cell[1]), _least(cell[1] + 1) - 1


def atlas(items: Iterable[P]) -> dict[Cell, P]:
    """The item of the greatest score in every cell that has any; of equals the first given."""
    best: dict[Cell, P] = {}
    for item in items:
        place = cell(item.long_share, item.bytes)
        if place not in best or item.score > best[place].score:
            best[place] = item
    return best


def _least(half_octave: int) -> int:
    """The least whole number whose square is at least 2 ** half_octave."""
    return isqrt((1 << half_octave) - 1) + 1
