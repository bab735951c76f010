"""What DEAP sees of an entry, and the fence around it; docs/deap.md has the traps that it keeps out.

DEAP's fitness compares lexicographically, lets a NaN win, and draws from the global generators of `random` and numpy.
So here every value is greater is better with weight 1, non-finite values are refused, ties end at the individual's
number, and the global state is borrowed for the one call that draws. Individuals are plain cards: no `creator`, no
clone, nothing pickled.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import deap.base
import deap.tools
import numpy as np

from evonet.evolution.bands import NUMBER, Entry

tools: Any = deap.tools  # DEAP is untyped


def check_finite(values: tuple[float, ...]) -> tuple[float, ...]:
    """`values`; raises ValueError if one of them is no finite number."""
    if not all(map(math.isfinite, values)):
        bad = [value for value in values if not math.isfinite(value)]
        raise ValueError(f"fitness {bad}: expected finite numbers; a NaN would win every comparison in DEAP")
    return values


class Fitness(deap.base.Fitness):
    """Values compared in order, each greater is better."""

    weights: tuple[float, ...] = (1.0,)  # type: ignore[assignment]  # DEAP's None means abstract

    def __init__(self, values: tuple[float, ...]) -> None:
        check_finite(values)
        self.weights = (1.0,) * len(values)
        super().__init__(values)  # type: ignore[no-untyped-call]


class Card:
    """What DEAP sees of an entry, to sort by dominance or case by case."""

    __slots__ = ("entry", "fitness")

    def __init__(self, entry: Entry, *values: float) -> None:
        self.entry = entry
        self.fitness = Fitness(values)


class Place:
    """What DEAP sees of an entry, to draw: `selTournament` only compares fitnesses, and a tuple compares as a
    `Fitness` of weights 1 does, twenty times as fast.
    """

    __slots__ = ("entry", "fitness")

    def __init__(self, entry: Entry, *values: float) -> None:
        self.entry = entry
        self.fitness = values


@contextmanager
def borrowed_global_random(seed: int) -> Iterator[None]:
    """The global generators of `random` and of numpy (NSGA-III shuffles with it), seeded inside, left as found."""
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


def by_number(entries: Iterable[Entry]) -> list[Entry]:
    """In order of individuals, so that no tie is broken by the order given."""
    return sorted(entries, key=NUMBER)


def scaled(entries: Sequence[Entry]) -> list[Card]:
    """Cards whose every objective goes from -1, the worst here, to 0, the best.

    SPEA2's distances would otherwise be those of the objective in the largest unit; and the best at 0 is where DEAP's
    NSGA-III, which takes the ideal point off its intercepts twice, is right (docs/deap.md).
    """
    ends = [(max(column), min(column)) for column in zip(*(e.objectives for e in entries), strict=True)]
    return [
        Card(
            e,
            *(
                (v - best) / (best - worst) if best > worst else 0.0
                for v, (best, worst) in zip(e.objectives, ends, strict=True)
            ),
        )
        for e in entries
    ]


def ranked(group: Sequence[Entry]) -> list[Entry]:
    """Best to worst: by score, or with several objectives in the order of NSGA-II (Deb et al. 2002, III-B).

    Of equals the earlier individual goes first: `selBest` is a stable sort.
    """
    if len(group[0].objectives) == 1:
        check_finite(tuple(e.objectives[0] for e in group))
        best: list[Entry] = tools.selBest(by_number(group), len(group), fit_attr="objectives")
        return best
    return list(_pareto_ranked(group))


def _pareto_ranked(group: Sequence[Entry]) -> Iterator[Entry]:
    """Front by front, within a front the least crowded first. `selNSGA2` would sort only the front that it has
    to cut.
    """
    cards = [Card(e, *e.objectives) for e in group]
    for front in tools.sortNondominated(cards, len(cards)):
        tools.emo.assignCrowdingDist(front)
        yield from (c.entry for c in sorted(front, key=lambda c: (-c.fitness.crowding_dist, c.entry.individual)))
