"""The drift control: the same search, in which scores say nothing. What it finds, selection has not made."""

from collections.abc import Sequence

from msgspec.structs import replace

from evonet.evolution.bands import Entry
from evonet.seeds import Stream


def shuffled(entries: Sequence[Entry], stream: Stream) -> list[Entry]:
    """The entries in their order, with each other's scores; choice scores change hands among those that have one."""
    order = stream.permutation(len(entries))
    chosen = [i for i, entry in enumerate(entries) if entry.choice is not None]
    choices = dict(zip(chosen, (entries[chosen[i]].choice for i in stream.permutation(len(chosen))), strict=True))
    return [
        replace(entry, score=entries[j].score, objectives=entries[j].objectives, choice=choices.get(i))
        for i, (entry, j) in enumerate(zip(entries, order, strict=True))
    ]
