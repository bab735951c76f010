"""The pools as a fold over blocks. Only `Search` decides when a block may enter.

With one island, pool 0 is empty and pool i + 1 comes of pool i and block i. With more, blocks take turns
(`SearchSettings.island`) and each is folded into its island's pool alone. After every `migrate_every` rounds of blocks
the best of each pool are copied to the next in a ring, all at once. This too is part of a fold: what decision n sees is
still a function of the blocks that are complete at n - lag.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter

from evonet import seeds
from evonet.evolution.bands import Entry
from evonet.evolution.rungs import Ladder, Rated
from evonet.evolution.selection import mating, survival
from evonet.evolution.settings import SearchSettings

_DECISION = attrgetter("decision")
Draw = Callable[[tuple[Entry, ...]], tuple[Entry, ...]]


class Island:
    """One pool and who breeds in it."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}  # the pool by individual
        self.total = 0.0  # of their scores
        self._mating: tuple[Entry, ...] | Draw = ()

    @property
    def pool(self) -> tuple[Entry, ...]:
        return tuple(self.entries.values())

    @property
    def mating(self) -> tuple[Entry, ...]:
        """Parents, drawn once a block and when first asked for: a run that is gone on with asks for few of them."""
        if not isinstance(self._mating, tuple):
            self._mating = self._mating(self.pool)
        return self._mating

    def settle(self, pool: Iterable[Entry]) -> None:
        self.entries = {entry.individual: entry for entry in pool}
        self.total = sum(entry.score for entry in self.entries.values())

    def pair(self, draw: Draw) -> None:
        """From now on `draw` says who breeds."""
        self._mating = draw

    def each(self, change: Callable[[tuple[Entry, ...]], Iterable[Entry]]) -> None:
        """Change the pool and the mating list, which is drawn before."""
        self._mating = tuple(change(self.mating))
        self.settle(change(self.pool))


class Pools:
    """The newest pools, and of the blocks behind them what promotion and the stop rules need."""

    def __init__(self, settings: SearchSettings, *, seed: int, brief: int, pareto: bool) -> None:
        self.blocks = 0
        self.halt: str | None = None  # the stop rule that a block met
        self._settings, self._seed, self._brief = settings, seed, brief
        self._islands = [Island() for _ in range(settings.islands)]
        self._size = settings.population // settings.islands
        self._survival, self._mating = survival(settings.survival), mating(settings.mating)
        self._ladder = Ladder(len(settings.rungs), promote=settings.promote, pareto=pareto)
        self._best, self._since = float("-inf"), -1  # the best score and its block
        self._eligible: dict[int, list[list[Entry]]] = {}  # by island, for promotion: as of the newest block

    @property
    def pool(self) -> tuple[Entry, ...]:
        """Of all islands, in their order; a migrant may be on several."""
        return tuple(entry for island in self._islands for entry in island.pool)

    @property
    def mean(self) -> float | None:
        """The mean score of the pool, None of an empty one; for display only."""
        size = sum(len(island.entries) for island in self._islands)
        return sum(island.total for island in self._islands) / size if size else None

    def mating(self, n: int) -> tuple[Entry, ...]:
        """Who may breed in decision n."""
        return self._islands[self._settings.island(n)].mating

    def promotable(self, n: int) -> Entry | None:
        """Who may be promoted in decision n, if anybody."""
        at = self._settings.island(n)
        if at not in self._eligible:
            self._eligible[at] = self._ladder.eligible(self._islands[at].pool)
        return self._ladder.choose(self._eligible[at])

    def promoted(self, n: int, individual: int) -> None:
        """Decision n promotes `individual`, which is in its pool."""
        self._ladder.promoted(Rated.of(self.entries(n)[individual]))

    def entries(self, n: int) -> dict[int, Entry]:
        """The pool of decision n, by individual."""
        return self._islands[self._settings.island(n)].entries

    def fold(self, scored: Sequence[Entry], *, gone: Collection[int] = ()) -> None:
        """Take in the next block, in order of decision. An individual counts with its newest evaluation.

        `gone` are seen, by rungs and stop rules, but come into no pool.
        """
        island = self._islands[self.blocks % len(self._islands)]
        self._ladder.add(map(Rated.of, scored))
        self._settle(island, (entry for entry in scored if entry.individual not in gone))
        self._check_stop(max((entry.score for entry in scored), default=float("-inf")), self.blocks)
        self.blocks += 1
        self._pair(island)
        if len(self._islands) > 1 and self._migrates():
            self._migrate()
        self._ladder.keep({entry.individual for entry in self.pool})
        self._eligible = {}

    def drop(self, individuals: Collection[int]) -> None:
        """Let `individuals` leave the pools; the next blocks may fill their places."""
        for island in self._islands:
            island.each(lambda entries: (entry for entry in entries if entry.individual not in individuals))
        self._eligible = {}

    def adopt(self, settings: SearchSettings, *, seed: int, brief: int) -> None:
        """Go on by other settings, of as many rungs and islands; pools and mating lists stay until the next block."""
        for island in self._islands:
            island.each(lambda entries: entries)  # parents are drawn by the old terms
        self._settings, self._seed, self._brief = settings, seed, brief
        self._survival, self._mating = survival(settings.survival), mating(settings.mating)
        self._ladder.share = settings.promote
        self._eligible = {}
        self.halt = None
        self._check_stop(float("-inf"), self.blocks - 1)

    def score_again(
        self, again: Callable[[Entry], Entry], history: Iterable[tuple[int, Rated]], *, pareto: bool
    ) -> None:
        """Make all scores anew. `history`: the block and the new scores of all scored evaluations so far, in order."""
        for island in self._islands:
            island.each(lambda entries: map(again, entries))
        self._best, self._since = float("-inf"), -1
        past = list(history)
        for block, rated in past:
            if rated.score > self._best:
                self._best, self._since = rated.score, block
        self._ladder = self._ladder.again((rated for _, rated in past), pareto=pareto)
        self._ladder.keep({entry.individual for entry in self.pool})
        self._eligible = {}
        self.halt = None
        self._check_stop(float("-inf"), self.blocks - 1)

    def _settle(self, island: Island, coming: Iterable[Entry], *name: str | int) -> None:
        """The island's next pool."""
        together = sorted((*island.pool, *coming), key=_DECISION)
        newest = {entry.individual: entry for entry in together}
        island.settle(self._stay(newest.values(), self._size, *name))

    def _stay(self, entries: Iterable[Entry], count: int, *name: str | int) -> tuple[Entry, ...]:
        seed = seeds.key(self._seed, "survival", self.blocks, *name)
        return self._survival(entries, count, brief=self._brief, seed=seed)

    def _pair(self, island: Island, *name: str | int) -> None:
        choose, size, brief = self._mating, self._size, self._brief
        seed = seeds.key(self._seed, "mating", self.blocks, *name)
        island.pair(lambda pool: choose(pool, size, brief=brief, seed=seed))

    def _migrates(self) -> bool:
        every = self._settings.migrate_every * len(self._islands)
        return bool(every) and self.blocks % every == 0

    def _migrate(self) -> None:
        best = [self._stay(island.pool, self._settings.migrants, "best", i) for i, island in enumerate(self._islands)]
        for i, island in enumerate(self._islands):
            self._settle(island, best[i - 1], "settle", i)  # the first island's come from the last
            self._pair(island, i)

    def _check_stop(self, best: float, block: int) -> None:
        target, patience = self._settings.target, self._settings.patience
        if best > self._best:
            self._best, self._since = best, block
        if target is not None and self._best >= target:
            self.halt = f"the target of {target:g} is reached: {self._best:g}"
        elif patience and block - self._since >= patience:
            self.halt = f"no better score in {patience} blocks of {self._settings.block}"
