"""Structural mutations: sheets and motifs come, go and are copied.

New genes have no id yet. Growth is shaped so that zero weights keep the function: what is new is residual, on a sheet
of the same shape, under an activation that passes zero on and lets gradients through zero.
"""

from __future__ import annotations

from msgspec.structs import replace

from evonet.genome.genes import Activation, Genome, Mixing, MotifGene, SheetGene
from evonet.genome.limits import Limits
from evonet.genome.steps import choose_motif, put_motif, put_sheet, self_motif
from evonet.seeds import Stream

_GROWING: tuple[Activation, ...] = ("tanh", "gelu", "leaky_relu")  # f(0) = 0 and f'(0) > 0
_LEARNING: dict[Mixing, float] = {"separable": 3, "depthwise": 2, "full": 1}
_CHEAP: dict[Mixing, float] = {"separable": 3, "depthwise": 3}


def insert_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A residual sheet after one of the sheets, of its shape."""
    activations = [a for a in _GROWING if a in limits.activations]
    if len(genome.sheets) >= limits.sheets[1] or not activations or "none" not in limits.norms:
        return None
    k = stream.below(len(genome.sheets))
    new = SheetGene(
        channels=genome.sheets[k].channels,
        activation=stream.choice(activations),
        residual=True,
        motifs=(_small_motif(stream, limits, source=1, prior=_LEARNING),),
    )
    return _inserted(genome, k + 1, new)


def delete_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without one of the sheets; the next one reads the one before."""
    if len(genome.sheets) <= limits.sheets[0]:
        return None
    k = stream.below(len(genome.sheets))
    return replace(genome, sheets=genome.sheets[:k] + genome.sheets[k + 1 :])


def duplicate_sheet(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A second copy of one of the sheets after it, as a gene of its own; it does not reduce once more."""
    if len(genome.sheets) >= limits.sheets[1]:
        return None
    k = stream.below(len(genome.sheets))
    sheet = genome.sheets[k]
    motifs = tuple(replace(motif, id=None) for motif in sheet.motifs)
    return _inserted(genome, k + 1, replace(sheet, id=None, reduction="none", motifs=motifs))


def add_self_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A motif from one of the sheets to itself, residual, with a bias of its own for every application.

    Only where that keeps the function: not where the sheet would become residual over its source as well.
    """
    places = [k for k, sheet in enumerate(genome.sheets) if self_motif(sheet) is None and _residual_is_free(genome, k)]
    if not places:
        return None
    k = stream.choice(places)
    sheet = genome.sheets[k]
    new = _small_motif(stream, limits, source=0, prior=_CHEAP)
    repeats = min(1 + stream.below(2), limits.repeats_max)
    bias = "repeat" if sheet.bias == "channel" else sheet.bias
    grown = replace(sheet, motifs=(*sheet.motifs, new), repeats=repeats, residual=True, bias=bias)
    return put_sheet(genome, k, grown)


def remove_self_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without the motif from one of the sheets to itself."""
    places = [k for k, sheet in enumerate(genome.sheets) if self_motif(sheet) is not None]
    if not places:
        return None
    k = stream.choice(places)
    sheet = genome.sheets[k]
    motifs = tuple(motif for motif in sheet.motifs if motif.source != 0)
    return put_sheet(genome, k, replace(sheet, motifs=motifs, repeats=1))


def copy_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif takes over the fields of another, on the place it had.

    It keeps its own id and so its own weights at the taps that both share.
    """
    target = choose_motif(genome, stream, lambda _: True)
    source = choose_motif(genome, stream, lambda _: True)
    if target is None or source is None:
        return None
    k, m, old = target
    return put_motif(genome, k, m, replace(source[2], source=old.source, id=old.id))


def _residual_is_free(genome: Genome, k: int) -> bool:
    """Whether sheet `k` is residual already, or its source has another shape for sure."""
    sheet = genome.sheets[k]
    fits = k > 0 and genome.sheets[k - 1].channels == sheet.channels and sheet.reduction == "none"
    return sheet.residual or not fits


def _small_motif(stream: Stream, limits: Limits, *, source: int, prior: dict[Mixing, float]) -> MotifGene:
    """The plain window, or as much of it as the limits leave."""
    options = [m for m in prior if m in limits.mixings] or [m for m in _LEARNING if m in limits.mixings]
    radius = min(1, limits.radius_max)
    mixing = stream.weighted(options, [prior.get(m, 1.0) for m in options])
    return MotifGene(source=source, radius=radius, taps=min((2 * radius + 1) ** 2, limits.taps_max), mixing=mixing)


def _inserted(genome: Genome, k: int, sheet: SheetGene) -> Genome:
    return replace(genome, sheets=(*genome.sheets[:k], sheet, *genome.sheets[k:]))
