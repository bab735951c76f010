"""Is this genome one that evonet can compute? Ranges first, then what this version computes, then fields together."""

from __future__ import annotations

from collections.abc import Sequence

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.genome.table import EDITS_MAX, MOTIFS, SHEETS, Field, Value, records

_HINTS = {
    "taps": "A motif without taps connects nothing: delete it.",
    "channels": "A sheet without channels holds no neuron: delete it.",
}


def check(genome: Genome) -> None:
    """Raises GenomeError, with the path of the gene, unless this version can compute `genome` for some input shape.

    Whether it fits one input shape and its budget is `evonet.plan.expand`'s to say.
    """
    check_ranges(genome)
    _check_computed(genome)
    for k, sheet in enumerate(genome.sheets):
        _check_sheet(f"sheets[{k}]", sheet)
    _check_readout(genome)


def check_ranges(genome: Genome) -> None:
    """Raises GenomeError unless every count and field is one that format 1 can write."""
    _check_count("sheets", len(genome.sheets), SHEETS)
    for k, sheet in enumerate(genome.sheets):
        _check_count(f"sheets[{k}].motifs", len(sheet.motifs), MOTIFS)
    for path, fields, gene in records(genome):
        for field in fields:
            _check_field(f"{path}.{field.name}", field, getattr(gene, field.name))


def valid(genome: Genome) -> bool:
    """`check` as a question."""
    try:
        check(genome)
    except GenomeError:
        return False
    return True


def long_taps(motif: MotifGene) -> int:
    """How many of the motif's taps are meant to lie outside its radius: the share, rounded half up."""
    return (motif.taps * motif.long_share + 8) // 16


def named(values: Sequence[Value]) -> str:
    """`1..128` for a range, else the options."""
    if isinstance(values, range):
        return f"{values[0]}..{values[-1]}"
    return f"one of {', '.join(_shown(v) for v in values)}"


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_count(path: str, count: int, allowed: range) -> None:
    if count not in allowed:
        raise GenomeError(f"{path} has {count} entries, expected {named(allowed)}.")


def _within(value: object, values: Sequence[Value]) -> bool:
    return type(value) is type(values[0]) and value in values  # True is no tap count, 3.0 no radius


def _check_field(path: str, field: Field, value: object) -> None:
    if field.form == "offsets":
        _check_offsets(path, field, value)
    elif field.form == "vector":
        length = len(field.default)
        if not (isinstance(value, tuple) and len(value) == length and all(_within(v, field.values) for v in value)):
            raise GenomeError(f"{path} = {value!r}, expected {length} integers within {named(field.values)}.")
    elif not _within(value, field.values):
        hint = f" {_HINTS[field.name]}" if field.name in _HINTS and value == 0 else ""
        raise GenomeError(f"{path} = {value!r}, expected {named(field.values)}.{hint}")


def _check_offsets(path: str, field: Field, value: object) -> None:
    offsets = value if isinstance(value, tuple) else None
    if offsets is None or len(offsets) > EDITS_MAX:
        raise GenomeError(f"{path} = {value!r}, expected at most {EDITS_MAX} offsets (dy, dx).")
    for offset in offsets:
        if not (isinstance(offset, tuple) and len(offset) == 2 and all(_within(v, field.values) for v in offset)):
            raise GenomeError(f"{path} holds {offset!r}, expected (dy, dx), each within {named(field.values)}.")
    if list(offsets) != sorted(set(offsets)):
        raise GenomeError(
            f"{path} = {offsets!r}, expected distinct offsets sorted by (dy, dx): sort them, name each once."
        )


def _check_computed(genome: Genome) -> None:
    if genome.saccade is not None:
        raise GenomeError("saccade is not computed yet by this version: delete the saccade gene.")
    for path, fields, gene in records(genome):
        for field in fields:
            value = getattr(gene, field.name)
            if field.form == "one" and value not in field.computed:
                raise GenomeError(
                    f"{path}.{field.name} = {value!r} is not computed yet by this version: use {named(field.computed)}."
                )
            if field.form == "offsets" and value:
                raise GenomeError(f"{path}.{field.name} is not computed yet by this version: leave it empty.")


def _check_sheet(path: str, sheet: SheetGene) -> None:
    sources = [motif.source for motif in sheet.motifs]
    if sources.count(1) != 1 or sources.count(0) > 1:
        raise GenomeError(
            f"{path}.motifs have sources {sources}; joins are not computed yet by this version: "
            "use one motif with source 1 and at most one with source 0 (the sheet itself)."
        )
    if sheet.repeats > 1 and 0 not in sources:
        raise GenomeError(
            f"{path}.repeats = {sheet.repeats}, but no motif has source 0: only a motif from the "
            "sheet to itself repeats. Add one, or set repeats = 1."
        )
    for m, motif in enumerate(sheet.motifs):
        _check_wiring(f"{path}.motifs[{m}]", motif)


def _check_wiring(path: str, motif: MotifGene) -> None:
    y0, x0, y1, x1 = motif.basis
    determinant = y0 * x1 - x0 * y1
    if motif.pattern == "lattice" and determinant == 0:
        raise GenomeError(
            f"{path}.basis = {motif.basis} spans a line or a point, expected two independent vectors (dy, dx, dy, dx)."
        )
    only_long = long_taps(motif) == motif.taps
    if only_long and not _has_long_offset(motif, determinant):
        raise GenomeError(
            f"{path} has no tap at all: all its taps are long (long_share = {motif.long_share}), and no offset of "
            f"its pattern lies outside radius {motif.radius} and within reach {motif.reach}. "
            "Lower long_share or raise reach."
        )


def _has_long_offset(motif: MotifGene, determinant: int) -> bool:
    if motif.pattern != "lattice":
        return motif.reach > motif.radius
    y0, x0, y1, x1 = motif.basis
    span = range(-motif.reach, motif.reach + 1)
    return any(  # Cramer's rule: (dy, dx) is on the lattice when both of its coordinates are whole
        (dy * x1 - dx * y1) % determinant == 0 and (dx * y0 - dy * x0) % determinant == 0
        for dy in span
        for dx in span
        if max(abs(dy), abs(dx)) > motif.radius
    )


def _check_readout(genome: Genome) -> None:
    readout = genome.readout
    if readout.kind == "direct" and (readout.grid != 1 or readout.pooling == "both"):
        raise GenomeError(
            f"readout.kind = 'direct' with grid = {readout.grid}, pooling = {readout.pooling!r}: a channel is a "
            "class only after pooling mean or max on grid = 1. Use those, or kind = 'linear'."
        )
