"""Who stays and who breeds; the only module that imports DEAP.

DEAP's fitness compares lexicographically, lets a NaN win, and draws from the global `random`. So here every value is
greater is better with weight 1, non-finite values are refused, ties end at the individual's number, and the global
state is borrowed for the one call that draws. Individuals are plain cards: no `creator`, no clone, nothing pickled.
"""

import math
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import deap.base
import deap.tools

from evonet.evolution.bands import Entry, by_band

TOURNAMENT = 3
tools: Any = deap.tools  # DEAP is untyped


def check_finite(values: tuple[float, ...]) -> tuple[float, ...]:
    """`values`; raises ValueError if one of them is no finite number."""
    if not all(map(math.isfinite, values)):
        raise ValueError(f"fitness {values}: expected finite numbers; a NaN would win every comparison in DEAP")
    return values


class Fitness(deap.base.Fitness):
    """Values compared in order, each greater is better."""

    weights: tuple[float, ...] = (1.0,)  # type: ignore[assignment]  # DEAP's None means abstract

    def __init__(self, values: tuple[float, ...]) -> None:
        check_finite(values)
        self.weights = (1.0,) * len(values)
        super().__init__(values)  # type: ignore[no-untyped-call]


class Card:
    """What DEAP sees of an entry, to sort or to draw: `selBest` and `selTournament` only compare fitnesses,
    and a tuple compares as a `Fitness` of weights 1 does, twenty times as fast.
    """

    __slots__ = ("entry", "fitness")

    def __init__(self, entry: Entry, *values: float) -> None:
        self.entry = entry
        self.fitness = values


class ParetoCard:
    """What DEAP sees of an entry, to sort by dominance."""

    __slots__ = ("entry", "fitness")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.fitness = Fitness(entry.objectives)


def survivors(entries: Iterable[Entry], count: int, *, brief: int) -> tuple[Entry, ...]:
    """The `count` entries that stay, best rank within its band first.

    Bands take turns: all firsts, then all seconds, and so on; at equal rank the older band goes first, since more was
    invested in it, then the earlier individual. A band smaller than its turn leaves its places to the others. One
    entry per individual.
    """
    cards = [
        Card(entry, -rank, age, -entry.individual)
        for age, group in by_band(entries, brief).items()
        for rank, entry in enumerate(_ranked(group))
    ]
    return tuple(card.entry for card in tools.selBest(cards, count))


def mating_list(pool: Iterable[Entry], length: int, *, brief: int, seed: int) -> tuple[Entry, ...]:
    """`length` parents by tournaments on the rank share within the band, so that bands breed in proportion to their
    members.

    The share is taken at mid-rank: who is alone in a band is neither best nor worst. Nobody comes of an empty pool.
    """
    cards = [
        Card(entry, -(rank + 0.5) / len(group), -entry.individual)
        for group in by_band(pool, brief).values()
        for rank, entry in enumerate(_ranked(group))
    ]
    if not cards:
        return ()
    with borrowed_global_random(seed):
        return tuple(card.entry for card in tools.selTournament(cards, length, tournsize=TOURNAMENT))


@contextmanager
def borrowed_global_random(seed: int) -> Iterator[None]:
    """The global `random` module, seeded inside and left as it was found."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _ranked(group: list[Entry]) -> list[Entry]:
    """One band from best to worst: by score, or with several objectives in the order of NSGA-II (Deb et al.
    2002, III-B).
    """
    if len(group[0].objectives) == 1:
        cards = [Card(e, *check_finite(e.objectives), -e.individual) for e in group]
        return [card.entry for card in tools.selBest(cards, len(cards))]
    return list(_pareto_ranked(group))


def _pareto_ranked(group: list[Entry]) -> Iterator[Entry]:
    """Front by front, within a front the least crowded first. `selNSGA2` would sort only the front that it has
    to cut.
    """
    cards = [ParetoCard(e) for e in group]
    for front in tools.sortNondominated(cards, len(cards)):
        tools.emo.assignCrowdingDist(front)
        yield from (c.entry for c in sorted(front, key=lambda c: (-c.fitness.crowding_dist, c.entry.individual)))
