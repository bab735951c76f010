"""What a saccade gene asks of the genome around it. Convolution is what it allows everywhere."""

from __future__ import annotations

from typing import NoReturn

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene


def classes(genome: Genome, saccade: SaccadeGene) -> int:
    """How many classes a cell can have beside none: the most motifs of a sheet of the eye."""
    return max(len(sheet.motifs) for sheet in genome.sheets[: saccade.depth])


def stride(genome: Genome, saccade: SaccadeGene) -> int:
    """Pixels, along each side, to one position of what the eye makes."""
    return int(2 ** sum(sheet.reduction != "none" for sheet in genome.sheets[: saccade.depth]))


def rounds(fixations: int) -> int:
    """How often in turn a network looks: all at once, without fixations, is once."""
    return max(1, fixations)


def elements(genome: Genome, saccade: SaccadeGene) -> range:
    """The sheets of a set's positions, one at a time; none without a set."""
    return range(saccade.depth, len(genome.sheets) if saccade.form == "set" else saccade.depth)


def check_saccade(genome: Genome, saccade: SaccadeGene) -> None:
    """Raises GenomeError, with the path of the gene, unless `genome` can be computed cell by cell.

    Whether cells and budgets fit an image is `evonet.plan.expand`'s to say.
    """
    if saccade.depth > len(genome.sheets):
        _refuse("saccade.depth", saccade.depth, f"1..{len(genome.sheets)}, the number of sheets")
    if saccade.downsampling > saccade.cell:
        _refuse("saccade.downsampling", saccade.downsampling, f"at most a cell's side, {saccade.cell}")
    for k, sheet in enumerate(genome.sheets[: saccade.depth]):
        _check_eye(f"sheets[{k}]", sheet, tied=saccade.tie)
    if saccade.cell % stride(genome, saccade):
        raise GenomeError(
            f"saccade.cell = {saccade.cell} with an eye of {saccade.depth} sheets that reduces "
            f"{stride(genome, saccade)} pixels to one, expected a multiple of it: use larger cells or fewer reductions."
        )
    _check_budgets(genome, saccade)
    _check_path(genome, saccade)
    for k in range(saccade.depth, len(genome.sheets)):
        _check_later(genome, saccade, k)
    if saccade.form == "set" and (genome.readout.grid != 1 or genome.readout.kind == "direct"):
        raise GenomeError(
            f"readout.grid = {genome.readout.grid}, kind = {genome.readout.kind!r} with saccade.form = 'set': "
            "a set has no grid. Use grid = 1 and kind 'linear' or 'hadamard'."
        )


def _check_eye(path: str, sheet: SheetGene, *, tied: bool) -> None:
    """Each position must depend on the source around it alone, whatever lies elsewhere."""
    if sheet.reduction == "all":
        _refuse(f"{path}.reduction", "all", "none, stride, max or mean in a sheet of the eye")
    if sheet.norm == "instance":
        _refuse(f"{path}.norm", "instance", "none or rms in a sheet of the eye, which is not computed everywhere")
    if sheet.residual:
        _refuse(f"{path}.residual", True, "false in a sheet of the eye")
    if sheet.join == "concat":
        _refuse(f"{path}.join", "concat", "add in a sheet of the eye: a cell has one of its motifs")
    for m, motif in enumerate(sheet.motifs):
        _check_eye_motif(f"{path}.motifs[{m}]", motif, tied=tied)


def _check_eye_motif(path: str, motif: MotifGene, *, tied: bool) -> None:
    if motif.source != 1:
        _refuse(f"{path}.source", motif.source, "1 in a sheet of the eye, the sheet before it")
    if motif.boundary != "zero":
        _refuse(f"{path}.boundary", motif.boundary, "zero in a sheet of the eye")
    if motif.sharing != "sheet":
        _refuse(f"{path}.sharing", motif.sharing, "sheet in a sheet of the eye")
    if tied and (motif.mixing != "full" or motif.symmetry != "none" or motif.weights_from):
        raise GenomeError(
            f"{path} has mixing {motif.mixing!r}, symmetry {motif.symmetry!r} and weights_from = {motif.weights_from}, "
            "expected 'full', 'none' and 0 with saccade.tie = true, which cuts its weights out of a larger motif."
        )


def _check_budgets(genome: Genome, saccade: SaccadeGene) -> None:
    count = classes(genome, saccade)
    for k, budget in enumerate(saccade.budgets):
        if budget and k >= count:
            raise GenomeError(
                f"saccade.budgets[{k}] = {budget}, but no sheet of the eye has {k + 1} motifs: expected 0, or another "
                "motif for that class."
            )
    if saccade.route != "every" and not any(saccade.budgets):
        _refuse("saccade.budgets", saccade.budgets, "at least one cell")
    if saccade.route == "every" and count > 1:
        raise GenomeError(
            f"saccade.route = 'every' gives all cells class 1, but the eye has motifs for {count} classes: "
            "expected one motif in each of its sheets."
        )


def _check_path(genome: Genome, saccade: SaccadeGene) -> None:
    if saccade.fixations and (saccade.form != "set" or saccade.route == "every"):
        raise GenomeError(
            f"saccade.fixations = {saccade.fixations} with form {saccade.form!r} and route {saccade.route!r}, expected "
            "form 'set' and route 'budget' or 'threshold': a grid or all cells at once leave nowhere to look next."
        )
    if saccade.halting and not saccade.fixations:
        _refuse("saccade.halting", saccade.halting, "0 without fixations: there is nothing to halt")
    if saccade.fill != "zero" and (saccade.form != "conv" or saccade.route == "every"):
        _refuse("saccade.fill", saccade.fill, "zero where no cell is left empty: in sets, and with route 'every'")


def _check_later(genome: Genome, saccade: SaccadeGene, index: int) -> None:
    """Behind the eye: what is read must exist; in a set, a position sees itself alone."""
    sheet, path = genome.sheets[index], f"sheets[{index}]"
    for m, motif in enumerate(sheet.motifs):
        source = index - motif.source
        if source < saccade.depth - 1 and (source >= 0 or saccade.form == "set"):
            what = f"sheets[{source}], inside the eye" if source >= 0 else "the images"
            _refuse(f"{path}.motifs[{m}].source", motif.source, f"a sheet that is computed everywhere, not {what}")
    if saccade.form == "conv":
        return
    if sheet.reduction != "none" or sheet.norm == "instance":
        raise GenomeError(
            f"{path} has reduction {sheet.reduction!r} and norm {sheet.norm!r}, expected 'none', and no 'instance': "
            "it sees one position of a set at a time."
        )
    last = saccade.fixations and index == len(genome.sheets) - 1
    if last and (sheet.repeats > 1 or sheet.bias == "repeat" or sheet.residual):
        raise GenomeError(
            f"{path} has repeats = {sheet.repeats}, bias {sheet.bias!r} and residual {str(sheet.residual).lower()}, "
            "expected 1, another bias and false: with fixations, its self motif acts from one to the next."
        )
    for m, motif in enumerate(sheet.motifs):
        if not _pointwise(motif):
            raise GenomeError(
                f"{path}.motifs[{m}] has taps = {motif.taps}, long_share = {motif.long_share}, "
                f"{len(motif.edits)} edits, boundary {motif.boundary!r} and sharing {motif.sharing!r}, expected "
                "taps = 1, 0, none, 'zero' and 'sheet': a position of a set has no neighbours."
            )


def _pointwise(motif: MotifGene) -> bool:
    alone = motif.taps == 1 and not motif.long_share and not motif.edits
    return alone and motif.boundary == "zero" and motif.sharing == "sheet" and motif.symmetry == "none"


def _refuse(path: str, came: object, wanted: str) -> NoReturn:
    raise GenomeError(f"{path} = {str(came).lower() if isinstance(came, bool) else came}, expected {wanted}.")
