"""Who may train on: successive halving without a barrier at the rung.

ASHA (Li et al. 2020, "A system for massively parallel hyperparameter tuning") promotes from the top share of what a
rung has seen so far. The top share is by score; where there are several objectives it is by how many of those seen at
the rung dominate an evaluation, the rank of Fonseca & Fleming 1993 ("Genetic algorithms for multiobjective
optimization") less one. Of one objective this is the number of better scores, so both are one rule.

Why dominators are counted and fronts are not peeled: a new evaluation adds at most 1 to each count, in one pass of
numpy over what was seen (0.3 ms at 100,000), while it can shift whole fronts. And why all that was seen counts and not
a recent window: so it does for scores, and a window would be one more thing to tune.

Among equal counts, whoever lies farthest from those promoted lately goes first, so that promotions spread along the
front; Schmucker et al. 2021 ("Multi-objective asynchronous successive halving") found such a choice, there by an
epsilon-net, better than scalars.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from evonet.evolution.bands import Entry

_LATELY = 32  # promotions that the next one keeps its distance from
_FEW = 256  # scores that are sorted in one by one


class Rated(NamedTuple):
    """What a rung remembers of an evaluation."""

    individual: int
    rung: int
    score: float
    objectives: tuple[float, ...]

    @classmethod
    def of(cls, entry: Entry) -> Rated:
        return cls(entry.individual, entry.rung, entry.score, entry.objectives)


class Seen(Protocol):
    """What was evaluated at one rung."""

    count: int

    def add(self, entry: Rated) -> None: ...

    def better(self, entry: Entry) -> int:
        """How many of those seen rank above `entry`, which was seen and kept."""
        ...

    def first(self, good: Sequence[Entry]) -> Entry:
        """The one of `good`, of which there is one at least, to promote."""
        ...

    def promoted(self, entry: Rated) -> None:
        """This one was."""
        ...

    def keep(self, individuals: Collection[int]) -> None:
        """Nobody will ask about others any more."""
        ...


class Scores:
    """One score: its place among all seen."""

    def __init__(self) -> None:
        self.count = 0
        self._sorted: list[float] = []  # ascending
        self._arrived: list[float] = []  # not sorted in yet

    def add(self, entry: Rated) -> None:
        self._arrived.append(entry.score)
        self.count += 1

    def better(self, entry: Entry) -> int:
        if self._arrived:
            self._sort()
        return self.count - bisect_right(self._sorted, entry.score)

    def _sort(self) -> None:
        """When asked for: a run that is gone on with asks at its end, and then all are sorted at once."""
        if len(self._arrived) <= _FEW:
            for score in self._arrived:
                insort(self._sorted, score)
        else:
            self._sorted.extend(self._arrived)
            self._sorted.sort()
        self._arrived = []

    def first(self, good: Sequence[Entry]) -> Entry:
        return min(good, key=lambda e: (-e.score, e.individual))

    def promoted(self, entry: Rated) -> None:
        del entry

    def keep(self, individuals: Collection[int]) -> None:
        del individuals


class Dominance:
    """Several objectives, each greater is better: 8 bytes an objective and 8 more for each evaluation seen."""

    def __init__(self) -> None:
        self.count = 0
        self._values = np.empty((0, 0))  # (objectives, room), columns in order of arrival
        self._dominators = np.empty(0, np.int64)  # (room,): by how many of the others each is dominated
        self._column: dict[int, int] = {}  # of individuals that may be asked for
        self._fewer: np.ndarray | None = None  # [d]: how many have fewer than d dominators; None: to be counted
        self._lately: deque[tuple[float, ...]] = deque(maxlen=_LATELY)

    def add(self, entry: Rated) -> None:
        self._make_room(len(entry.objectives))
        n, new = self.count, np.array(entry.objectives)[:, None]
        old = self._values[:, :n]
        at_least, at_most = np.logical_and.reduce(old >= new), np.logical_and.reduce(old <= new)
        self._dominators[:n] += at_most & ~at_least
        self._dominators[n] = np.count_nonzero(at_least & ~at_most)
        self._values[:, n : n + 1] = new
        self._column[entry.individual] = n
        self.count, self._fewer = n + 1, None

    def dominators(self, entry: Entry) -> int:
        return int(self._dominators[self._column[entry.individual]])

    def better(self, entry: Entry) -> int:
        if self._fewer is None:
            self._fewer = np.concatenate([[0], np.cumsum(np.bincount(self._dominators[: self.count]))])
        return int(self._fewer[self.dominators(entry)])

    def first(self, good: Sequence[Entry]) -> Entry:
        least = min(map(self.dominators, good))
        among = sorted((e for e in good if self.dominators(e) == least), key=lambda e: e.individual)
        return among[int(np.argmax(self._distances(among)))]  # of equals the first

    def promoted(self, entry: Rated) -> None:
        self._lately.append(entry.objectives)

    def keep(self, individuals: Collection[int]) -> None:
        self._column = {i: column for i, column in self._column.items() if i in individuals}

    def _distances(self, among: Sequence[Entry]) -> np.ndarray:
        """(len(among),): Chebyshev distance to the nearest promoted lately, in units of the range that all span."""
        ours = np.array([e.objectives for e in among])
        if not self._lately:
            return np.zeros(len(among))
        theirs = np.array(self._lately)
        span = np.ptp(np.concatenate([ours, theirs]), axis=0)
        span[span == 0] = 1
        distances: np.ndarray = np.abs((ours[:, None] - theirs) / span).max(axis=2).min(axis=1)
        return distances

    def _make_room(self, objectives: int) -> None:
        room = self._dominators.size
        if self.count == room:
            more = max(64, room // 2)
            self._values = np.concatenate(
                [self._values.reshape(objectives, room), np.empty((objectives, more))], axis=1
            )
            self._dominators = np.concatenate([self._dominators, np.zeros(more, np.int64)])


class Ladder:
    """What was seen at each rung but the top one, and who was promoted from it."""

    def __init__(self, rungs: int, *, promote: float, pareto: bool) -> None:
        self.share = promote
        self._seen: list[Seen] = [Dominance() if pareto else Scores() for _ in range(rungs - 1)]
        self._promoted: set[tuple[int, int]] = set()  # (individual, rung it was promoted from)

    def again(self, past: Iterable[Rated], *, pareto: bool) -> Ladder:
        """A ladder that has seen `past`, which is this one's under other scores; promotions stay what they were."""
        fresh = Ladder(len(self._seen) + 1, promote=self.share, pareto=pareto)
        fresh._promoted = self._promoted
        fresh.add(past)
        return fresh

    def add(self, scored: Iterable[Rated]) -> None:
        for entry in scored:
            if entry.rung < len(self._seen):
                self._seen[entry.rung].add(entry)

    def keep(self, individuals: Collection[int]) -> None:
        for seen in self._seen:
            seen.keep(individuals)

    def eligible(self, pool: Sequence[Entry]) -> list[list[Entry]]:
        """For each rung but the top one, highest first: who of the pool lies within its top `share`.

        The pool holds what was added and kept. True until something is added or the share changes.
        """
        return [
            [e for e in pool if e.rung == rung and seen.better(e) < self.share * seen.count]
            for rung, seen in reversed(list(enumerate(self._seen)))
        ]

    def choose(self, eligible: list[list[Entry]]) -> Entry | None:
        """The best of the highest rung that has somebody who was not promoted from there yet.

        Who was leaves the lists, so that nobody is looked at again.
        """
        for good in eligible:
            good[:] = [e for e in good if (e.individual, e.rung) not in self._promoted]
            if good:
                return self._seen[good[0].rung].first(good)
        return None

    def promoted(self, entry: Rated) -> None:
        """Remember that `entry` was promoted from its rung."""
        self._promoted.add((entry.individual, entry.rung))
        self._seen[entry.rung].promoted(entry)
