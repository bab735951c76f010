"""Field steps: mutations that move one field of one gene, driven by the field table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from evonet.genome.check import long_taps
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.genome.limits import Limits
from evonet.genome.table import MOTIF_FIELDS, READOUT_FIELDS, SHEET_FIELDS, Field
from evonet.seeds import Stream

# None: the operator does not apply here. Whether the child passes `check` and `limits` is asked by `vary`, for all.
Apply = Callable[[Genome, Stream, Limits], Genome | None]


def put_sheet(genome: Genome, k: int, sheet: SheetGene) -> Genome:
    return replace(genome, sheets=(*genome.sheets[:k], sheet, *genome.sheets[k + 1 :]))


def put_motif(genome: Genome, k: int, m: int, motif: MotifGene) -> Genome:
    sheet = genome.sheets[k]
    return put_sheet(genome, k, replace(sheet, motifs=(*sheet.motifs[:m], motif, *sheet.motifs[m + 1 :])))


def self_motif(sheet: SheetGene) -> int | None:
    """The place of the sheet's first motif on itself."""
    return next((m for m, motif in enumerate(sheet.motifs) if motif.source == 0), None)


def incoming(sheet: SheetGene) -> list[int]:
    """The places of the sheet's motifs that read others."""
    return [m for m, motif in enumerate(sheet.motifs) if motif.source != 0]


def choose_motif(
    genome: Genome, stream: Stream, applies: Callable[[MotifGene], bool]
) -> tuple[int, int, MotifGene] | None:
    """(sheet, place, motif) of one of the motifs to which it `applies`."""
    places = [
        (k, m, motif) for k, sheet in enumerate(genome.sheets) for m, motif in enumerate(sheet.motifs) if applies(motif)
    ]
    return stream.choice(places) if places else None


def neighbour(field: Field, value: Any, stream: Stream, limits: Limits) -> Any | None:
    """Another allowed value: at most `field.step` places off where values are ordered. None if there is none."""
    allowed: list[Any] = [v for v in limits.allowed(field) if v != value]
    if field.step:
        below = [v for v in allowed if v < value]
        above = [v for v in allowed if v > value]
        allowed = below[-field.step :] + above[: field.step]
    return stream.choice(allowed) if allowed else None


def step_sheet(name: str, applies: Callable[[SheetGene], bool] = lambda _: True) -> Apply:
    """Move field `name` of one of the sheets to which it `applies`."""

    def apply(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
        places = [k for k, sheet in enumerate(genome.sheets) if applies(sheet)]
        if not places:
            return None
        k = stream.choice(places)
        value = neighbour(SHEET_FIELDS[name], getattr(genome.sheets[k], name), stream, limits)
        return None if value is None else put_sheet(genome, k, replace(genome.sheets[k], **{name: value}))

    return apply


def step_motif(name: str, applies: Callable[[MotifGene], bool] = lambda _: True) -> Apply:
    """Move field `name` of one of the motifs to which it `applies`."""

    def apply(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
        found = choose_motif(genome, stream, applies)
        if found is None:
            return None
        k, m, motif = found
        value = neighbour(MOTIF_FIELDS[name], getattr(motif, name), stream, limits)
        if value is None:
            return None
        return put_motif(genome, k, m, replace(motif, **{name: value}))

    return apply


def step_mixing(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Another mixing of one motif. The number of groups, idle until now, comes within the limits."""
    k, m, motif = _any_motif(genome, stream)
    mixing = neighbour(MOTIF_FIELDS["mixing"], motif.mixing, stream, limits)
    if mixing is None:
        return None
    groups = min(motif.groups, limits.groups_max) if mixing == "grouped" else motif.groups
    return put_motif(genome, k, m, replace(motif, mixing=mixing, groups=groups))


def step_sharing(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Weights of one motif for the whole sheet, for every tile, or for every position."""
    k, m, motif = _any_motif(genome, stream)
    sharing = neighbour(MOTIF_FIELDS["sharing"], motif.sharing, stream, limits)
    if sharing is None or motif.mixing == "identity":
        return None
    tile = min(motif.tile, limits.tile_max) if sharing == "tile" else motif.tile
    return put_motif(genome, k, m, replace(motif, sharing=sharing, tile=tile))


def _any_motif(genome: Genome, stream: Stream) -> tuple[int, int, MotifGene]:
    places = [(k, m, motif) for k, sheet in enumerate(genome.sheets) for m, motif in enumerate(sheet.motifs)]
    return stream.choice(places)


def step_readout(name: str) -> Apply:
    """Move field `name` of the readout."""

    def apply(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
        value = neighbour(READOUT_FIELDS[name], getattr(genome.readout, name), stream, limits)
        return None if value is None else replace(genome, readout=replace(genome.readout, **{name: value}))

    return apply


def step_kind(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Another kind of readout; a direct one pools all of the sheet, in one way."""
    readout = genome.readout
    kind = neighbour(READOUT_FIELDS["kind"], readout.kind, stream, limits)
    if kind is None:
        return None
    if kind == "direct":
        readout = replace(readout, grid=1, pooling="max" if readout.pooling == "max" else "mean")
    return replace(genome, readout=replace(readout, kind=kind))


def step_source(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif that reads another sheet, or the images, reads another of those before it."""
    places = [(k, m) for k, sheet in enumerate(genome.sheets) for m in incoming(sheet)]
    k, m = stream.choice(places)
    motif = genome.sheets[k].motifs[m]
    others = [s for s in range(1, min(k + 1, limits.skip_max) + 1) if s != motif.source]
    return put_motif(genome, k, m, replace(motif, source=stream.choice(others))) if others else None


def reads_long(motif: MotifGene) -> bool:
    """Whether reach and pattern matter."""
    return long_taps(motif) > 0


def reads_seed(motif: MotifGene) -> bool:
    """Whether taps are drawn by key: those far away, or a window that is not filled."""
    return reads_long(motif) or 1 < motif.taps < (2 * motif.radius + 1) ** 2
