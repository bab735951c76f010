"""The pools as a fold over blocks. Only `Search` decides when a block may enter.

With one island, pool 0 is empty and pool i + 1 comes of pool i and block i. With more, blocks take turns
(`SearchSettings.island`) and each is folded into its island's pool alone. After every `migrate_every` rounds of blocks
the best of each pool are copied to the next in a ring, all at once. This too is part of a fold: what decision n sees is
still a function of the blocks that are complete at n - lag.
"""

from collections.abc import Iterable, Sequence

from evonet import seeds
from evonet.evolution.bands import Entry
from evonet.evolution.rungs import Ladder
from evonet.evolution.selection import mating, survival
from evonet.evolution.settings import SearchSettings


class Island:
    """One pool and who breeds in it."""

    def __init__(self) -> None:
        self.pool: tuple[Entry, ...] = ()
        self.mating: tuple[Entry, ...] = ()  # drawn once a block


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

    @property
    def pool(self) -> tuple[Entry, ...]:
        """Of all islands, in their order; a migrant may be on several."""
        return tuple(entry for island in self._islands for entry in island.pool)

    def mating(self, n: int) -> tuple[Entry, ...]:
        """Who may breed in decision n."""
        return self._islands[self._settings.island(n)].mating

    def promote(self, n: int) -> Entry | None:
        """Who is promoted in decision n, if anybody; asked once, since the answer counts as done."""
        return self._ladder.promote(self._islands[self._settings.island(n)].pool)

    def fold(self, scored: Sequence[Entry]) -> None:
        """Take in the next block, in order of decision. An individual counts with its newest evaluation."""
        island = self._islands[self.blocks % len(self._islands)]
        self._ladder.add(scored)
        self._settle(island, scored)
        self._check_stop(max((entry.score for entry in scored), default=float("-inf")))
        self.blocks += 1
        self._pair(island)
        if len(self._islands) > 1 and self._migrates():
            self._migrate()
        self._ladder.keep({entry.individual for entry in self.pool})

    def _settle(self, island: Island, coming: Iterable[Entry], *name: str | int) -> None:
        """The island's next pool."""
        together = sorted((*island.pool, *coming), key=lambda entry: entry.decision)
        newest = {entry.individual: entry for entry in together}
        island.pool = self._stay(newest.values(), self._size, *name)

    def _stay(self, entries: Iterable[Entry], count: int, *name: str | int) -> tuple[Entry, ...]:
        seed = seeds.key(self._seed, "survival", self.blocks, *name)
        return self._survival(entries, count, brief=self._brief, seed=seed)

    def _pair(self, island: Island, *name: str | int) -> None:
        seed = seeds.key(self._seed, "mating", self.blocks, *name)
        island.mating = self._mating(island.pool, self._size, brief=self._brief, seed=seed)

    def _migrates(self) -> bool:
        every = self._settings.migrate_every * len(self._islands)
        return bool(every) and self.blocks % every == 0

    def _migrate(self) -> None:
        best = [self._stay(island.pool, self._settings.migrants, "best", i) for i, island in enumerate(self._islands)]
        for i, island in enumerate(self._islands):
            self._settle(island, best[i - 1], "settle", i)  # the first island's come from the last
            self._pair(island, i)

    def _check_stop(self, best: float) -> None:
        target, patience = self._settings.target, self._settings.patience
        if best > self._best:
            self._best, self._since = best, self.blocks
        if target is not None and self._best >= target:
            self.halt = f"the target of {target:g} is reached: {self._best:g}"
        elif patience and self.blocks - self._since >= patience:
            self.halt = f"no better score in {patience} blocks of {self._settings.block}"
