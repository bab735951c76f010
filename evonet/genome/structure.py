"""Sheets come, go and grow; every motif goes on reading what it read, however far back that is now.

New genes have no id yet. Growth is shaped so that zero weights keep the function: what is new is residual, on a sheet
of the same shape, under an activation that passes zero on and lets gradients through zero.
"""

from __future__ import annotations

from msgspec.structs import replace

from evonet.genome.genes import Activation, Genome, Mixing, MotifGene, SheetGene
from evonet.genome.limits import Limits
from evonet.genome.steps import put_sheet
from evonet.genome.table import SHEET_FIELDS
from evonet.genome.wiring import (
    INPUT,
    LooseMotif,
    LooseSheet,
    Placed,
    disown,
    lenders,
    loosened,
    placed,
    redirect,
    tightened,
    unread_sheets,
)
from evonet.seeds import Stream

GROWING: tuple[Activation, ...] = ("tanh", "gelu", "leaky_relu")  # f(0) = 0 and f'(0) > 0
_LEARNING: dict[Mixing, float] = {"separable": 3, "depthwise": 2, "full": 1}


def insert_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A residual sheet between one of the sheets and all that read it, of its shape."""
    activations = [a for a in GROWING if a in limits.activations]
    motif = small_motif(stream, limits, _LEARNING)
    if len(genome.sheets) >= limits.sheets[1] or not activations or "none" not in limits.norms or motif is None:
        return None
    idle, sheets = unread_sheets(genome), loosened(genome)
    k = stream.choice([k for k in range(len(sheets)) if k not in idle])
    gene = SheetGene(channels=genome.sheets[k].channels, activation=stream.choice(activations), residual=True)
    new = LooseSheet(gene, [LooseMotif(motif, sheets[k])])
    redirect(sheets, sheets[k], new)
    return tightened(genome, [*sheets[: k + 1], new, *sheets[k + 1 :]])


def delete_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without one of the sheets; what read it reads what its first motif read."""
    if len(genome.sheets) <= max(1, limits.sheets[0]):
        return None
    sheets = loosened(genome)
    gone = sheets.pop(stream.below(len(sheets)))
    redirect(sheets, gone, gone.first.source)
    disown(sheets, gone.motifs)
    return tightened(genome, sheets)


def duplicate_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A second copy of one of the sheets between it and all that read it, as a gene of its own.

    It reads the first copy where that reads its first source, and does not reduce once more.
    """
    if len(genome.sheets) >= limits.sheets[1]:
        return None
    sheets = loosened(genome)
    k = stream.below(len(sheets))
    old = sheets[k]
    new = LooseSheet(replace(old.gene, id=None, reduction="none"), [])
    sources = {id(old): new, id(old.first.source): old}
    for motif in old.motifs:
        source = sources.get(id(motif.source), motif.source)
        new.motifs.append(LooseMotif(replace(motif.gene, id=None), source, motif.lender))
    redirect(sheets, old, new)
    return tightened(genome, [*sheets[: k + 1], new, *sheets[k + 1 :]])


def widen(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One step more channels for a sheet where that keeps the function.

    That is where every channel stands for itself: no norm over them, no residual, no groups, orbits or parts, every
    motif that reads the sheet mixes all channels, and the readout is linear.
    """
    places = [k for k in range(len(genome.sheets)) if _widens(genome, k)]
    if not places:
        return None
    k = stream.choice(places)
    wider = [int(v) for v in limits.allowed(SHEET_FIELDS["channels"]) if int(v) > genome.sheets[k].channels]
    return put_sheet(genome, k, replace(genome.sheets[k], channels=wider[0])) if wider else None


def _widens(genome: Genome, k: int) -> bool:
    sheet, motifs, lent = genome.sheets[k], placed(genome), lenders(genome)
    if sheet.norm == "rms" or sheet.residual or (sheet.join == "concat" and len(sheet.motifs) > 1):
        return False
    if k == len(genome.sheets) - 1 and genome.readout.kind != "linear":
        return False
    touched = [p for p in motifs if k in (p.sheet, p.source)]
    bound = any(p.motif.weights_from or (p.sheet, p.place) in lent for p in touched)
    told_apart = any(p.motif.mixing == "grouped" or p.motif.symmetry in ("orbit4", "orbit8") for p in touched)
    return not bound and not told_apart and all(p.sheet == k or _takes_more(genome, p) for p in touched)


def _takes_more(genome: Genome, reader: Placed) -> bool:
    """Whether more channels of its source leave the reader's function as it is, at zero weights."""
    # A residual compares shapes: one that came to fit would be added, one that no longer fits would not.
    return reader.motif.mixing in ("full", "separable") and not genome.sheets[reader.sheet].residual


def small_motif(stream: Stream, limits: Limits, prior: dict[Mixing, float]) -> MotifGene | None:
    """The plain window, or as much of it as the limits leave. None where they allow cropping alone."""
    options = [m for m in prior if m in limits.mixings] or [m for m in _LEARNING if m in limits.mixings]
    boundaries = [b for b in limits.boundaries if b != "valid"]
    if not boundaries:
        return None
    radius, sharing = min(1, limits.radius_max), limits.sharings[0]
    return MotifGene(
        radius=radius,
        taps=min((2 * radius + 1) ** 2, limits.taps_max),
        mixing=stream.weighted(options, [prior.get(m, 1.0) for m in options]),
        sharing=sharing,
        tile=min(2, limits.tile_max) if sharing == "tile" else 2,
        boundary=boundaries[0],
    )


def residual_is_free(genome: Genome, k: int) -> bool:
    """Whether sheet `k` is residual already, or its source surely has another shape, so that residual adds nothing.

    Images are taken to have at most four channels.
    """
    sheet = genome.sheets[k]
    source = next(p for p in placed(genome) if p.sheet == k).source
    channels = genome.sheets[source].channels if source > INPUT else None
    fits = sheet.channels <= 4 if channels is None else channels == sheet.channels
    return sheet.residual or not fits or sheet.reduction in ("stride", "max", "mean")
