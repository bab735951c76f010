"""The pool as a fold: pool 0 is empty, pool i + 1 comes of pool i and block i. Only `Search` decides when a
block may enter.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property

from evonet import seeds
from evonet.evolution.bands import Entry
from evonet.evolution.selection import mating_list, survivors
from evonet.evolution.settings import SearchSettings


class Pools:
    """The newest pool, and of the blocks behind it what promotion and the stop rules need: scores, no entries."""

    def __init__(self, settings: SearchSettings, *, seed: int, brief: int) -> None:
        self.blocks = 0
        self._pool: tuple[Entry, ...] = ()
        self._mating: tuple[Entry, ...] | None = ()
        self.halt: str | None = None  # the stop rule that a block met
        self._settings, self._seed, self._brief = settings, seed, brief
        self._sorted: list[list[float]] = [[] for _ in settings.rungs]
        self._arrived: list[tuple[int, float]] = []  # rung and score of what is not sorted in yet
        self._best, self._since = float("-inf"), -1  # the best score and its block

    def fold(self, scored: Sequence[Entry]) -> None:
        """Take in the next block, in order of decision. An individual counts with its newest evaluation."""
        for entry in scored:
            self._arrived.append((entry.rung, entry.score))
        newest = {entry.individual: entry for entry in (*self.pool, *scored)}
        population, brief = self._settings.population, self._brief
        self.pool = survivors(newest.values(), population, brief=brief)
        self._check_stop(max((entry.score for entry in scored), default=float("-inf")), self.blocks)
        self.blocks += 1
        self._mating = None

    @property
    def pool(self) -> tuple[Entry, ...]:
        return self._pool

    @pool.setter
    def pool(self, entries: tuple[Entry, ...]) -> None:
        self._pool = entries
        self.__dict__.pop("entries", None)

    @cached_property
    def entries(self) -> dict[int, Entry]:
        """The pool by individual."""
        return {entry.individual: entry for entry in self.pool}

    @property
    def mating(self) -> tuple[Entry, ...]:
        """Parents, drawn once a block and when first asked for: a run that is gone on with asks for few of them."""
        if self._mating is None:
            draw = seeds.key(self._seed, "mating", self.blocks)
            self._mating = mating_list(self.pool, self._settings.population, brief=self._brief, seed=draw)
        return self._mating

    def drop(self, individuals: Collection[int]) -> None:
        """Let `individuals` leave the pool; the next block may fill their places."""
        self._mating = tuple(entry for entry in self.mating if entry.individual not in individuals)
        self.pool = tuple(entry for entry in self.pool if entry.individual not in individuals)

    def adopt(self, settings: SearchSettings, *, seed: int, brief: int) -> None:
        """Go on by other settings, of as many rungs; the pool and its mating list stay until the next block."""
        self._mating = self.mating  # drawn by the old terms
        self._settings, self._seed, self._brief = settings, seed, brief
        self.halt = None
        self._check_stop(float("-inf"), self.blocks - 1)

    def score_again(self, again: Callable[[Entry], Entry], history: Iterable[tuple[int, int, float]]) -> None:
        """Make all scores anew. `history`: block, rung and new score of all scored evaluations so far, in order."""
        self.pool, self._mating = tuple(map(again, self.pool)), tuple(map(again, self.mating))
        self._sorted = [[] for _ in self._sorted]
        self._arrived = []
        self._best, self._since = float("-inf"), -1
        for block, rung, score in history:
            self._arrived.append((rung, score))
            if score > self._best:
                self._best, self._since = score, block
        self.halt = None
        self._check_stop(float("-inf"), self.blocks - 1)

    @property
    def _rungs(self) -> list[list[float]]:
        """Scores seen at each rung, ascending; sorted when asked for: a run that is gone on with asks at its end."""
        few = len(self._arrived) <= self._settings.population
        for rung, score in self._arrived:
            insort(self._sorted[rung], score) if few else self._sorted[rung].append(score)
        if not few:
            for scores in self._sorted:
                scores.sort()
        self._arrived = []
        return self._sorted

    def promotable(self, promoted: Collection[tuple[int, int]]) -> Entry | None:
        """The best entry of the pool within the top `promote` of its rung, highest rung first, not `promoted` from
        there yet.

        As in ASHA (Li et al. 2020, "A system for massively parallel hyperparameter tuning"), without a barrier at the
        rung.
        """
        rungs = self._rungs
        for rung in reversed(range(len(rungs) - 1)):
            scores = rungs[rung]
            places = self._settings.promote * len(scores)
            good = [
                e
                for e in self.pool
                if e.rung == rung
                and (e.individual, rung) not in promoted
                and len(scores) - bisect_right(scores, e.score) < places
            ]
            if good:
                return min(good, key=lambda e: (-e.score, e.individual))
        return None

    def _check_stop(self, best: float, block: int) -> None:
        target, patience = self._settings.target, self._settings.patience
        if best > self._best:
            self._best, self._since = best, block
        if target is not None and self._best >= target:
            self.halt = f"the target of {target:g} is reached: {self._best:g}"
        elif patience and block - self._since >= patience:
            self.halt = f"no better score in {patience} blocks of {self._settings.block}"
