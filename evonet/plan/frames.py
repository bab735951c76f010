"""The grids of positions on which sheets and their motifs are computed."""

from collections.abc import Mapping
from typing import NamedTuple

from evonet.errors import GenomeError
from evonet.genome.genes import MotifGene, SheetGene
from evonet.plan.cutting import ordered
from evonet.plan.kernels import Size, extent
from evonet.plan.types import INPUT


class Grids(NamedTuple):
    """Heights and widths of a sheet."""

    incoming: Size  # on which the motifs from other sheets are computed
    final: Size  # after the reduction; that of the self motifs, too


def grids(gene: SheetGene, index: int, sizes: Mapping[int, Size]) -> Grids:
    """The grids of sheet `index`; `sizes`: those of the sheets before it, and of the INPUT.

    Why floor: source position is floor(y * Hs / Ht) + dy; with Ht = floor(Hs / 2) that is 2y for even and odd Hs
    alike, so a stride-2 sheet, a conv2d of stride 2 and a 2x2 pooling all agree on the grid. A side of 1 stays 1.
    """
    if gene.reduction == "all":
        return Grids((1, 1), (1, 1))
    place, first = ordered(gene)[0]
    full = frame(first, sizes[max(index - first.source, INPUT)], f"sheets[{index}].motifs[{place}]")
    if gene.reduction == "none":
        return Grids(full, full)
    half = max(1, full[0] // 2), max(1, full[1] // 2)
    if half == full:
        raise GenomeError(
            f"sheets[{index}].reduction = {gene.reduction!r} halves a sheet of {full[0]}x{full[1]} to nothing, "
            "expected two positions at least: use 'none' or fewer reductions"
        )
    return Grids(half if gene.reduction == "stride" else full, half)


def frame(motif: MotifGene, source: Size, where: str) -> Size:
    """The grid on which `motif` is computed before any reduction: its source's, or with `valid` what is whole of it."""
    if motif.boundary != "valid":
        return source
    top, bottom, left, right = extent(motif, source, where)
    size = source[0] - (bottom - top), source[1] - (right - left)
    if min(size) < 1:
        raise GenomeError(
            f"{where}.boundary = 'valid': taps of {bottom - top + 1}x{right - left + 1} leave nothing of a source of "
            f"{source[0]}x{source[1]}: use 'zero' or 'wrap', or a smaller radius"
        )
    return size


def mapping(motif: MotifGene, source: Size, where: str) -> tuple[Size, Size]:
    """`Stage.span` and `Stage.shift`: the rows and columns of the source at which the kernel may lie, and the first."""
    if motif.boundary != "valid":
        return source, (0, 0)
    top, _, left, _ = extent(motif, source, where)
    return frame(motif, source, where), (-top, -left)


def tiles(motif: MotifGene, grid: Size) -> Size:
    """`Stage.tiles`: never more than positions."""
    if motif.mixing == "identity" or motif.sharing == "sheet":
        return 1, 1
    if motif.sharing == "position":
        return grid
    return min(motif.tile, grid[0]), min(motif.tile, grid[1])
