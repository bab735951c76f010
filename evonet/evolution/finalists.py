"""Who is trained on at the end, and who wins: by the choice split, which breeding never looked at."""

from collections.abc import Callable, Collection, Iterable

from evonet.evolution.bands import Entry


class Finalists:
    """The best few of everything considered; an individual's newer evaluation takes the place of its older one."""

    def __init__(self, keep: int, *, top_rung: int) -> None:
        self._keep = max(1, keep)  # without finishing there is still a winner
        self._top_rung = top_rung
        self._chosen: list[Entry] = []  # of the top rung, by choice score
        self._leaders: list[Entry] = []  # of all, by validation score

    @property
    def held(self) -> list[Entry]:
        return [*self._chosen, *self._leaders]

    def reconsider(self, pool: Iterable[Entry], *, keep: int) -> None:
        """Keep another number, or judge by other scores. Of what was let go, those in the pool have another chance."""
        self._keep = max(1, keep)
        for entry in sorted(pool, key=lambda e: e.decision):
            self.consider(entry)

    def drop(self, individuals: Collection[int]) -> None:
        self._chosen = [entry for entry in self._chosen if entry.individual not in individuals]
        self._leaders = [entry for entry in self._leaders if entry.individual not in individuals]

    def score_again(self, again: Callable[[Entry], Entry]) -> None:
        """New scores for what is kept."""
        self._chosen = by_choice(map(again, self._chosen))
        self._leaders = sorted(map(again, self._leaders), key=lambda e: (-e.score, e.individual))

    def consider(self, entry: Entry) -> None:
        others = [e for e in self._leaders if e.individual != entry.individual]
        self._leaders = sorted([*others, entry], key=lambda e: (-e.score, e.individual))[: self._keep]
        if entry.rung == self._top_rung and entry.choice is not None:
            others = [e for e in self._chosen if e.individual != entry.individual]
            self._chosen = by_choice([*others, entry])[: self._keep]

    def best(self) -> list[Entry]:
        """Those of the top rung; where they are too few, the leaders on validation after them."""
        chosen = {entry.individual for entry in self._chosen}
        return [*self._chosen, *(e for e in self._leaders if e.individual not in chosen)][: self._keep]


def by_choice(entries: Iterable[Entry]) -> list[Entry]:
    """Best first; where the choice split was not measured the validation score stands in."""
    return sorted(entries, key=lambda e: (-(e.score if e.choice is None else e.choice), e.individual))
