"""The nearest genome that asks for nothing beyond its sources: reach and edits, sheet by sheet, for one input shape."""

from msgspec.structs import replace

from evonet.errors import GenomeError
from evonet.genome.check import check, long_taps
from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.looking import rounds, stride
from evonet.genome.table import BUDGETS, SACCADE_FIELDS
from evonet.genome.taps import Window, select_taps
from evonet.plan.cutting import ordered
from evonet.plan.frames import frame, grids
from evonet.plan.kernels import Size, covering_window, longest, window, within
from evonet.plan.types import INPUT, Shape


def fit(genome: Genome, *, input: Shape) -> Genome:
    """`genome` with the reach of long taps lowered to the longest offset on their source, and edits beyond it dropped.

    Where no long tap would be left, `long_share` is 0. A motif that crops (boundary 'valid') is lowered until its
    kernel leaves something of its source. What lies within its source stays as it is, so a fitted genome is its own
    fit. Cells larger than the image get smaller; budgets beyond the grid are lowered, the largest first, and then the
    number of fixations. Other reasons why `evonet.plan.expand` may refuse a genome remain.

    Raises GenomeError: a shape that reduces to nothing, a motif of which nothing is left.
    """
    sizes: dict[int, Size] = {INPUT: input[1:]}
    sheets = []
    gene = genome.saccade
    for index, sheet in enumerate(genome.sheets):
        sheets.append(_fitted_sheet(sheet, index, sizes))
        sizes[index] = grids(sheets[-1], index, sizes).final
        if gene is not None and index == gene.depth - 1:
            gene = _fitted_saccade(gene, genome, input[1:], sizes[index])
            if gene.form == "set":
                sizes[index] = 1, 1  # positions are seen one at a time
    fitted = replace(genome, sheets=tuple(sheets), saccade=gene)
    if fitted != genome:
        check(fitted)
    return fitted


def _fitted_saccade(gene: SaccadeGene, genome: Genome, image: Size, last: Size) -> SaccadeGene:
    """`last`: height and width of the eye's last sheet."""
    positions = stride(genome, gene)
    cells = [c for c in SACCADE_FIELDS["cell"].values if isinstance(c, int) and c <= min(gene.cell, *image)]
    cells = [c for c in cells if c % positions == 0] or [gene.cell]
    gene = replace(gene, cell=cells[-1], downsampling=min(gene.downsampling, cells[-1]))
    if gene.route == "every":
        return gene
    rows, columns = (-(-side // (gene.cell // positions)) for side in last)
    budgets, fixations = list(gene.budgets), gene.fixations
    while sum(budgets) * rounds(fixations) > rows * columns:
        most = max(budgets)
        if sum(budgets) == 1:
            fixations -= 1
            continue
        kind = len(budgets) - 1 - budgets[::-1].index(most)  # of equals the last
        budgets[kind] = BUDGETS[BUDGETS.index(most) - 1]
    a, b, c, d = budgets
    return replace(gene, budgets=(a, b, c, d), fixations=fixations, halting=gene.halting if fixations else 0)


def _fitted_sheet(sheet: SheetGene, index: int, sizes: dict[int, Size]) -> SheetGene:
    """Fits the first motif before the others: it makes the grid on which they all are computed."""
    place, first = ordered(sheet)[0]
    if sheet.reduction != "all":
        source = sizes[max(index - first.source, INPUT)]
        sheet = _with_motif(sheet, place, _fitted(first, source, source))
    on, final = grids(sheet, index, sizes)
    for place, motif in ordered(sheet):
        if motif.source == 0:
            fitted = _fitted(motif, final, final)
        elif sheet.reduction == "all":
            fitted = _without_far_edits(motif, covering_window(sizes[max(index - motif.source, INPUT)]))
        else:
            fitted = _fitted(motif, sizes[max(index - motif.source, INPUT)], on)
        sheet = _with_motif(sheet, place, fitted)
    return sheet


def _with_motif(sheet: SheetGene, place: int, motif: MotifGene) -> SheetGene:
    return replace(sheet, motifs=(*sheet.motifs[:place], motif, *sheet.motifs[place + 1 :]))


def _fitted(motif: MotifGene, source: Size, grid: Size) -> MotifGene:
    among = window(motif, source, grid)
    motif = _without_far_edits(motif, among)
    if not long_taps(motif) or (_expands(motif, source, among) and select_taps(motif, among)):
        return motif
    for reach in range(min(motif.reach, longest(among)), motif.radius, -1):
        lower = replace(motif, reach=reach)
        if not _has_long(lower, among):
            break  # and so at every smaller reach
        if _expands(lower, source, among):
            return lower
    return replace(motif, long_share=0)


def _without_far_edits(motif: MotifGene, among: Window) -> MotifGene:
    return replace(motif, edits=tuple(edit for edit in motif.edits if within(edit, among)))


def _has_long(motif: MotifGene, among: Window) -> bool:
    taps = select_taps(replace(motif, edits=()), among)
    return any(max(abs(dy), abs(dx)) > motif.radius for dy, dx in taps)


def _expands(motif: MotifGene, source: Size, among: Window) -> bool:
    """Whether the reach lies within the source, and the kernel of a motif that crops as well."""
    try:
        frame(motif, source, "")
    except GenomeError:
        return False
    return motif.reach <= longest(among)
