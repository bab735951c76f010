"""What reads what, and whose weights a motif has: by distance in a genome, by name while genes come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.genome.table import MOTIF_FIELDS

INPUT = -1  # as a source: the images
_FURTHEST = max(v for v in MOTIF_FIELDS["source"].values if isinstance(v, int))  # of sources and of loans


class Placed(NamedTuple):
    """A motif, its place in its sheet, and the channels between which it lies."""

    sheet: int
    place: int
    motif: MotifGene
    source: int  # index of the sheet that it reads, or INPUT; below INPUT it does not exist
    inputs: int | None  # channels of the source; those of the images are not known
    outputs: int  # channels of the sheet, or with `concat` the part that the motif fills


def ordered(sheet: SheetGene) -> tuple[tuple[int, MotifGene], ...]:
    """(place in the gene, motif) in the order in which motifs are computed: self motifs after the others."""
    return tuple(sorted(enumerate(sheet.motifs), key=lambda placed: placed[1].source == 0))


def joins(sheet: SheetGene) -> bool:
    """Whether it matters how the sheet joins its motifs: there are several from other sheets, or from itself."""
    own = sum(motif.source == 0 for motif in sheet.motifs)
    return max(own, len(sheet.motifs) - own) > 1


def placed(genome: Genome) -> list[Placed]:
    """All motifs in the order in which they are computed; `weights_from` counts back in this order."""
    found = []
    for k, sheet in enumerate(genome.sheets):
        order = ordered(sheet)
        own = sum(motif.source == 0 for motif in sheet.motifs)
        for i, (m, motif) in enumerate(order):
            at, parts = (i - (len(order) - own), own) if motif.source == 0 else (i, len(order) - own)
            source = k - motif.source
            inputs = genome.sheets[source].channels if source > INPUT else None
            found.append(Placed(k, m, motif, source, inputs, _part(sheet, at, parts)))
    return found


def _part(sheet: SheetGene, at: int, parts: int) -> int:
    if sheet.join == "add":
        return sheet.channels
    return sheet.channels * (at + 1) // parts - sheet.channels * at // parts


def unread_sheets(genome: Genome) -> set[int]:
    """The sheets that neither another sheet nor the readout reads."""
    read = {p.source for p in placed(genome) if p.source != p.sheet}
    return set(range(len(genome.sheets) - 1)) - read


def lenders(genome: Genome) -> set[tuple[int, int]]:
    """(sheet, place) of the motifs whose weights others have too."""
    order = placed(genome)
    lent = [order[i - p.motif.weights_from] for i, p in enumerate(order) if p.motif.weights_from]
    return {(p.sheet, p.place) for p in lent}


@dataclass(eq=False)
class LooseMotif:
    """A motif that names what it reads (None: the images) and whose weights it has (None: its own)."""

    gene: MotifGene
    source: LooseSheet | None
    lender: LooseMotif | None = None


@dataclass(eq=False)
class LooseSheet:
    gene: SheetGene
    motifs: list[LooseMotif]

    @property
    def first(self) -> LooseMotif:
        """The motif whose source gives the sheet its grid."""
        return next(motif for motif in self.motifs if motif.source is not self)


def loosened(genome: Genome) -> list[LooseSheet]:
    """The sheets of a genome that passes `check`, free to be moved, removed and joined by others."""
    sheets = [LooseSheet(gene, []) for gene in genome.sheets]
    for k, sheet in enumerate(sheets):
        for gene in sheet.gene.motifs:
            sheet.motifs.append(LooseMotif(gene, sheets[k - gene.source] if gene.source <= k else None))
    order = [sheets[p.sheet].motifs[p.place] for p in placed(genome)]
    for i, motif in enumerate(order):
        motif.lender = order[i - motif.gene.weights_from] if motif.gene.weights_from else None
    return sheets


def redirect(sheets: Sequence[LooseSheet], old: LooseSheet, new: LooseSheet | None) -> None:
    """What other sheets read of `old`, they read of `new` from now on."""
    for sheet in sheets:
        for motif in sheet.motifs:
            if motif.source is old and sheet is not old:
                motif.source = new


def disown(sheets: Sequence[LooseSheet], gone: Sequence[LooseMotif]) -> None:
    """Motifs with weights from one that goes turn to that one's lender, or to weights of their own."""
    for sheet in sheets:
        for motif in sheet.motifs:
            while motif.lender in gone:
                motif.lender = motif.lender.lender if motif.lender else None


def tightened(genome: Genome, sheets: Sequence[LooseSheet]) -> Genome | None:
    """`genome` with these sheets, distances counted anew. None where something is read that lies too far or behind.

    Weights of a motif too far or behind become the motif's own.
    """
    index = {id(sheet): k for k, sheet in enumerate(sheets)}
    genes = []
    for k, sheet in enumerate(sheets):
        distances = [k - index.get(id(m.source), k + 1) if m.source else k + 1 for m in sheet.motifs]
        if not all(0 <= d <= _FURTHEST for d in distances):
            return None
        motifs = tuple(replace(m.gene, source=d) for d, m in zip(distances, sheet.motifs, strict=True))
        genes.append(replace(sheet.gene, motifs=motifs))
    return _with_loans(replace(genome, sheets=tuple(genes)), sheets)


def _with_loans(genome: Genome, sheets: Sequence[LooseSheet]) -> Genome:
    order = placed(genome)
    place = {id(sheets[p.sheet].motifs[p.place]): i for i, p in enumerate(order)}
    loans = {}
    for i, p in enumerate(order):
        lender = place.get(id(sheets[p.sheet].motifs[p.place].lender), i)
        loans[p.sheet, p.place] = i - lender if 0 < i - lender <= _FURTHEST else 0
    return replace(
        genome,
        sheets=tuple(
            replace(s, motifs=tuple(replace(m, weights_from=loans[k, j]) for j, m in enumerate(s.motifs)))
            for k, s in enumerate(genome.sheets)
        ),
    )
