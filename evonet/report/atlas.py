"""The atlas of a run as text: rows of sizes, columns of long shares, in every cell its best individual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from evonet.evolution.cells import LONG_CELLS, Cell, atlas, byte_range, long_range
from evonet.report.tables import Row

_WIDTH = 13


class AtlasCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that has anybody; sizes from and to are in it, long shares from are and to are not (but 1 is)."""

    long_from: float
    long_to: float
    bytes_from: int
    bytes_to: int
    id: int
    score: float
    accuracy: float
    long_share: float
    bytes: int


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    score: float
    accuracy: float
    long_share: float
    bytes: int


def cells_of(rows: Iterable[Row]) -> list[AtlasCell]:
    """The best scored individual of every cell, large ones first, and from local to long; of equals the earlier."""
    found = atlas(_scored(rows))
    order = sorted(found, key=lambda cell: (-cell[1], cell[0]))
    return [_cell(place, found[place]) for place in order]


def draw(cells: Iterable[AtlasCell]) -> list[str]:
    """Lines of text: accuracy and number of the best of each cell, a dot where there is nobody."""
    places: Mapping[tuple[int, float], AtlasCell] = {(cell.bytes_from, cell.long_from): cell for cell in cells}
    if not places:
        return ["no scored individual yet"]
    columns = [long_range((k, 0)) for k in range(LONG_CELLS)]
    sizes = sorted({(cell.bytes_from, cell.bytes_to) for cell in places.values()}, reverse=True)
    head = "".join(f"{f'{100 * low:g}-{100 * high:g} %':>{_WIDTH}}" for low, high in columns)
    lines = [f"{'bytes':>13}{head}   long share of weights"]
    for k, (least, most) in enumerate(sizes):
        if k and most + 1 < sizes[k - 1][0]:
            gap = f"{most + 1:,}-{sizes[k - 1][0] - 1:,}"
            lines.append(f"{gap:>13}" + f"{_shown(None):>{_WIDTH}}" * len(columns))
        shown = "".join(f"{_shown(places.get((least, low))):>{_WIDTH}}" for low, _ in columns)
        lines.append(f"{f'{least:,}-{most:,}':>13}{shown}")
    return lines


def _shown(cell: AtlasCell | None) -> str:
    return "." if cell is None else f"{100 * cell.accuracy:.1f} #{cell.id}"


def _scored(rows: Iterable[Row]) -> Iterable[_Found]:
    for r in sorted(rows, key=lambda r: r.id):
        if r.score is not None and r.accuracy is not None and r.long_share is not None and r.bytes is not None:
            yield _Found(id=r.id, score=r.score, accuracy=r.accuracy, long_share=r.long_share, bytes=r.bytes)


def _cell(place: Cell, best: _Found) -> AtlasCell:
    (low, high), (least, most) = long_range(place), byte_range(place)
    return AtlasCell(
        long_from=low,
        long_to=high,
        bytes_from=least,
        bytes_to=most,
        id=best.id,
        score=best.score,
        accuracy=best.accuracy,
        long_share=best.long_share,
        bytes=best.bytes,
    )
