"""The nearest genome that can be computed cell by cell: what a saccade gene needs of the genes around it, made so.

Operators and crossover know sheets and motifs; what they give is settled afterwards. A genome without a saccade gene
is never changed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.looking import classes, stride
from evonet.genome.table import SACCADE_FIELDS
from evonet.genome.taps import select_taps
from evonet.genome.wiring import LooseMotif, LooseSheet, disown, loosened, tightened

_CELLS: tuple[int, ...] = tuple(int(v) for v in SACCADE_FIELDS["cell"].values)


def adapted(child: Genome, parent: Genome) -> Genome | None:
    """What an operator made of `parent`, settled. The eye is made of the sheets that it was made of.

    None where settling would undo what the child is for: a sheet that only as a residual keeps the function, where none
    can be (in the eye; right behind it, without the coordinates; last, with fixations), and a class that no budget
    names, which would be dead weight.
    """
    if child.saccade is None or parent.saccade is None:
        return settled(child)
    about_sheets = child.saccade == parent.saccade
    child = followed(child, parent)
    if about_sheets and _in_vain(child, parent):
        return None
    found = settled(child)
    if found is None or found.saccade is None:
        return found
    count = classes(found, found.saccade)
    unnamed = count > classes(parent, parent.saccade) and not found.saccade.budgets[count - 1]
    return None if unnamed else found


def _in_vain(child: Genome, parent: Genome) -> bool:
    """Whether a sheet that is residual to keep the function cannot be so where it is."""
    gene = child.saccade
    if gene is None:
        return False
    if any(sheet.residual for sheet in child.sheets[: gene.depth]):
        return True
    places = {gene.depth} if gene.form == "set" and gene.coordinates != "none" else set()
    places |= {len(child.sheets) - 1} if gene.fixations else set()
    known = {sheet.id for sheet in parent.sheets}
    return any(sheet.residual and sheet.id not in known for k, sheet in enumerate(child.sheets) if k in places)


def followed(child: Genome, parent: Genome) -> Genome:
    """`child` with its eye as deep as the last of the sheets, known by their ids, of which that of `parent` is made.

    A gene that has another depth than the parent's was meant so, and stays.
    """
    if child.saccade is None or parent.saccade is None or child.saccade.depth != parent.saccade.depth:
        return child
    eye = {sheet.id for sheet in parent.sheets[: parent.saccade.depth]} - {None}
    places = [k for k, sheet in enumerate(child.sheets) if sheet.id in eye]
    return replace(child, saccade=replace(child.saccade, depth=places[-1] + 1)) if places else child


def settled(genome: Genome) -> Genome | None:
    """`genome` as its saccade gene needs it; itself where nothing has to change. None where nothing near will do.

    Motifs of the eye that read anything but the sheet before them go, later ones that read what is not computed
    everywhere read the eye's last sheet, sheets of a set see one position. Of the gene's fields those give way that
    say least: fixations, halting and fill before form and route.
    """
    gene = genome.saccade
    if gene is None:
        return genome
    gene = replace(gene, depth=min(gene.depth, len(genome.sheets)))
    sheets = loosened(genome)
    for k in range(gene.depth):
        _settle_eye(sheets, k, gene)
    for k in range(gene.depth, len(sheets)):
        _settle_later(sheets, k, gene)
    _settle_loans(sheets, gene)
    found = tightened(replace(genome, saccade=gene), sheets)
    return None if found is None else _with_fields(found, gene)


def _settle_eye(sheets: list[LooseSheet], k: int, gene: SaccadeGene) -> None:
    sheet, before = sheets[k], sheets[k - 1] if k else None
    kept = [motif for motif in sheet.motifs if motif.source is before]
    if not kept:
        kept = [sheet.first]
        kept[0].source = before
    disown(sheets, [motif for motif in sheet.motifs if motif not in kept])
    sheet.motifs = kept
    for motif in kept:
        motif.gene = replace(motif.gene, boundary="zero", sharing="sheet")
        if gene.tie:
            motif.gene, motif.lender = replace(motif.gene, mixing="full", symmetry="none"), None
    one = sheet.gene
    sheet.gene = replace(
        one,
        reduction="none" if one.reduction == "all" else one.reduction,
        norm="none" if one.norm == "instance" else one.norm,
        bias="channel" if one.bias == "repeat" else one.bias,
        join="add",
        residual=False,
        repeats=1,
    )


def _settle_later(sheets: list[LooseSheet], k: int, gene: SaccadeGene) -> None:
    sheet, last = sheets[k], sheets[gene.depth - 1]
    inside = sheets[: gene.depth - 1]
    for motif in sheet.motifs:
        if motif.source in inside or (motif.source is None and gene.form == "set"):
            motif.source = last
        if gene.form == "set":
            apart = motif.source is last and gene.coordinates != "none"  # they lie beside its channels, in no group
            motif.gene = _pointwise(motif.gene, grouped=not apart)
    if gene.form == "set":
        sheet.gene = _of_positions(sheet.gene, last=k == len(sheets) - 1 and gene.fixations > 0)


def _pointwise(motif: MotifGene, *, grouped: bool) -> MotifGene:
    mixing = "full" if motif.mixing == "grouped" and not grouped else motif.mixing
    alone = replace(motif, mixing=mixing, sharing="sheet", symmetry="none", boundary="zero")
    if motif.taps == 1 and not motif.long_share and not motif.edits:
        return alone
    return replace(alone, radius=0, taps=1, long_share=0, edits=())


def _of_positions(sheet: SheetGene, *, last: bool) -> SheetGene:
    """`last`: its self motif acts from one fixation to the next."""
    norm = "none" if sheet.norm == "instance" else sheet.norm
    sheet = replace(sheet, reduction="none", norm=norm)
    if not last:
        return sheet
    return replace(sheet, repeats=1, residual=False, bias="channel" if sheet.bias == "repeat" else sheet.bias)


def _settle_loans(sheets: Sequence[LooseSheet], gene: SaccadeGene) -> None:
    """Weights between motifs that no longer have one form become their own."""
    home = {id(motif): k for k, sheet in enumerate(sheets) for motif in sheet.motifs}
    for k, sheet in enumerate(sheets):
        for motif in sheet.motifs:
            if motif.lender is None:
                continue
            apart = gene.form == "set" and (k < gene.depth) != (home.get(id(motif.lender), -1) < gene.depth)
            if apart or _form(motif) != _form(motif.lender):
                motif.lender = None


def _form(motif: LooseMotif) -> tuple[object, ...]:
    gene = motif.gene
    return gene.mixing, gene.symmetry, gene.sharing, len(select_taps(gene))


def _with_fields(genome: Genome, gene: SaccadeGene) -> Genome | None:
    count, positions = classes(genome, gene), stride(genome, gene)
    cells = [cell for cell in _CELLS if cell >= gene.cell and cell % positions == 0]
    if not cells or (gene.route == "every" and count > 1):
        return None
    a, b, c, d = (n if k < count else 0 for k, n in enumerate(gene.budgets))
    fixations = gene.fixations if gene.form == "set" and gene.route != "every" else 0
    gene = replace(
        gene,
        cell=cells[0],
        downsampling=min(gene.downsampling, cells[0]),
        budgets=(a, b, c, d) if a or b or c or d else (1, 0, 0, 0),
        fixations=fixations,
        halting=gene.halting if fixations else 0,
        fill=gene.fill if gene.form == "conv" and gene.route != "every" else "zero",
    )
    readout = genome.readout
    if gene.form == "set":
        readout = replace(readout, grid=1, kind="linear" if readout.kind == "direct" else readout.kind)
    return replace(genome, saccade=gene, readout=readout)
