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
    """The place of the sheet's motif on itself."""
    return next((m for m, motif in enumerate(sheet.motifs) if motif.source == 0), None)


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
        return None if value is None else put_motif(genome, k, m, replace(motif, **{name: value}))

    return apply


def step_readout(name: str) -> Apply:
    """Move field `name` of the readout."""

    def apply(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
        value = neighbour(READOUT_FIELDS[name], getattr(genome.readout, name), stream, limits)
        return None if value is None else replace(genome, readout=replace(genome.readout, **{name: value}))

    return apply


def step_long_share(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Move the long share of one motif by a sixteenth. The first long taps of a motif draw their pattern."""
    found = choose_motif(genome, stream, lambda motif: motif.taps > 1)
    if found is None:
        return None
    k, m, motif = found
    share = neighbour(MOTIF_FIELDS["long_share"], motif.long_share, stream, limits)
    if share is None:
        return None
    if motif.long_share == 0:  # pattern and reach were idle until now, so they may lie outside the limits
        pattern = stream.choice(limits.patterns)
        motif = replace(motif, pattern=pattern, reach=min(motif.reach, limits.reach_max))
    return put_motif(genome, k, m, replace(motif, long_share=share))


def step_basis(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Move one number of one lattice vector by one."""
    found = choose_motif(genome, stream, lambda motif: long_taps(motif) > 0 and motif.pattern == "lattice")
    if found is None:
        return None
    k, m, motif = found
    i = stream.below(4)
    moved = neighbour(MOTIF_FIELDS["basis"], motif.basis[i], stream, limits)
    y0, x0, y1, x1 = (moved if j == i else v for j, v in enumerate(motif.basis))
    return put_motif(genome, k, m, replace(motif, basis=(y0, x0, y1, x1)))


def choose_motif(
    genome: Genome, stream: Stream, applies: Callable[[MotifGene], bool]
) -> tuple[int, int, MotifGene] | None:
    places = [
        (k, m, motif) for k, sheet in enumerate(genome.sheets) for m, motif in enumerate(sheet.motifs) if applies(motif)
    ]
    return stream.choice(places) if places else None


def reads_long(motif: MotifGene) -> bool:
    """Whether reach and pattern matter."""
    return long_taps(motif) > 0


def reads_seed(motif: MotifGene) -> bool:
    """Whether taps are drawn by key: those far away, or a window that is not filled."""
    return reads_long(motif) or 1 < motif.taps < (2 * motif.radius + 1) ** 2
