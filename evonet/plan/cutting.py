"""Which sheets may lose channels: those where a channel is its own weights and one input of others, and no more."""

from collections.abc import Iterator
from typing import NamedTuple

from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.plan.symmetry import ORBITS
from evonet.plan.types import INPUT


class Placed(NamedTuple):
    """A motif, the index of its sheet, and of the sheet that it reads."""

    sheet: int
    source: int
    motif: MotifGene


def ordered(sheet: SheetGene) -> tuple[tuple[int, MotifGene], ...]:
    """(place in the gene, motif) in the order in which motifs are computed: self motifs after the others."""
    return tuple(sorted(enumerate(sheet.motifs), key=lambda placed: placed[1].source == 0))


def placed(genome: Genome) -> list[Placed]:
    """All motifs in the order in which they are computed; `weights_from` counts back in this order."""
    return [Placed(k, max(k - m.source, INPUT), m) for k, sheet in enumerate(genome.sheets) for _, m in ordered(sheet)]


def cuttable(genome: Genome) -> tuple[bool, ...]:
    """Per sheet: a channel whose outgoing weights are all zero can be switched off, and no logit changes.

    Not where channels are counted (norm over channels), told apart by number (direct and Hadamard readouts; depthwise,
    grouped and identity motifs; orbits; residuals; joins side by side), or bound to another motif's weights.
    """
    motifs = placed(genome)
    fixed = {k for k, sheet in enumerate(genome.sheets) if _counted(sheet)}
    for place, (sheet, source, motif) in enumerate(motifs):
        if motif.mixing == "grouped" or motif.symmetry in ORBITS:
            fixed |= {sheet, source}
        if motif.mixing in ("depthwise", "identity") and source != sheet:
            fixed.add(source)
        if motif.weights_from:
            lender = motifs[place - motif.weights_from]
            fixed |= {sheet, source, lender.sheet, lender.source}
    for sheet, source in _residuals(genome):
        fixed |= {sheet, source}
    if genome.readout.kind != "linear":
        fixed.add(len(genome.sheets) - 1)
    if genome.saccade is not None:
        fixed |= _fixed_eye(genome, genome.saccade)
    return tuple(k not in fixed for k in range(len(genome.sheets)))


def _fixed_eye(genome: Genome, saccade: SaccadeGene) -> set[int]:
    """Sheets whose channels others count on: with coordinates beside them, a fill in their place, weights in common."""
    fixed = set()
    if saccade.fill == "cheap" or (saccade.form == "set" and saccade.coordinates != "none"):
        fixed.add(saccade.depth - 1)
    for k, sheet in enumerate(genome.sheets[: saccade.depth]):
        if saccade.tie and len(sheet.motifs) > 1:
            fixed |= {k, k - 1}
    return fixed


def _counted(sheet: SheetGene) -> bool:
    return sheet.norm == "rms" or (sheet.join == "concat" and len(sheet.motifs) > 1)


def _residuals(genome: Genome) -> Iterator[tuple[int, int]]:
    """(sheet, source) of the residuals that may be added for some input shape."""
    for k, sheet in enumerate(genome.sheets):
        source = k - ordered(sheet)[0][1].source
        fits = source == INPUT or genome.sheets[source].channels == sheet.channels
        if sheet.residual and sheet.reduction in ("none", "all") and fits:  # `all` of a 1x1 source keeps its shape
            yield k, source
