"""Like is compared with like: entries of a pool are ranked among those whose lineages have seen about as much data.

An old lineage beats a young one by training, not by wiring. Bands of `seen` (DESIGN section 8, inheritance rule 1)
keep the two apart, and every band keeps its best, so that new ideas are not drowned before they have learned. The
layering is that of Hornby 2006, "ALPS: the age-layered population structure", with training examples for age.
"""

from collections.abc import Iterable
from operator import attrgetter

import msgspec

from evonet.genome.genes import GeneId


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the search remembers of one scored evaluation: some hundred bytes, no weights."""

    decision: int
    individual: int
    rung: int
    genome: bytes  # canonical code
    ids: tuple[GeneId, ...]
    seen: int  # examples of the lineage, this evaluation included
    score: float
    choice: float | None
    long_share: float  # functional, in [0, 1]
    bytes: int  # of the package
    objectives: tuple[float, ...]  # each greater is better


NUMBER = attrgetter("individual")


def band(seen: int, brief: int) -> int:
    """floor(log2(seen / brief)), at least 0: [1, 2), [2, 4), [4, 8)... times the `brief` examples of the first rung."""
    return max(0, (seen // brief).bit_length() - 1)  # exact; floor(log2(x)) = floor(log2(floor(x))) for x >= 1


def by_band(entries: Iterable[Entry], brief: int) -> dict[int, list[Entry]]:
    """Entries of each band, in order of individuals whatever the order given, so that no tie is broken by it."""
    bands: dict[int, list[Entry]] = {}
    for entry in sorted(entries, key=NUMBER):
        bands.setdefault(band(entry.seen, brief), []).append(entry)
    return bands
