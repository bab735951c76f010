"""Is this genome one that evonet can compute for some input shape? Ranges first, then what fields say together."""

from __future__ import annotations

from collections.abc import Sequence

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SheetGene, Symmetry
from evonet.genome.looking import check_saccade
from evonet.genome.table import EDITS_MAX, MOTIFS, SHEETS, Field, Value, records
from evonet.genome.wiring import Placed, placed

_HINTS = {
    "taps": "A motif without taps connects nothing: delete it.",
    "channels": "A sheet without channels holds no neuron: delete it.",
}

_ORBIT: dict[Symmetry, int] = {"orbit4": 4, "orbit8": 8}  # channels that one stored kernel makes


def check(genome: Genome) -> None:
    """Raises GenomeError, with the path of the gene, unless this version can compute `genome` for some input shape.

    Whether it fits one input shape and its budget is `evonet.plan.expand`'s to say.
    """
    check_ranges(genome)
    for k, sheet in enumerate(genome.sheets):
        _check_sheet(f"sheets[{k}]", k, sheet)
    _check_channels(placed(genome))
    _check_readout(genome)
    if genome.saccade is not None:
        check_saccade(genome, genome.saccade)


def check_ranges(genome: Genome) -> None:
    """Raises GenomeError unless every count and field is one that format 1 can write."""
    _check_count("sheets", len(genome.sheets), SHEETS)
    for k, sheet in enumerate(genome.sheets):
        _check_count(f"sheets[{k}].motifs", len(sheet.motifs), MOTIFS)
    for path, fields, gene in records(genome):
        for field in fields:
            value = getattr(gene, field.name)
            if not (field.form == "one" and _within(value, field.values)):  # nearly all are: no path is written then
                _check_field(f"{path}.{field.name}", field, value)


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


def _check_sheet(path: str, index: int, sheet: SheetGene) -> None:
    sources = [motif.source for motif in sheet.motifs]
    if not any(sources):
        raise GenomeError(
            f"{path}.motifs have sources {sources}: expected one at least that reads another sheet (1, 2, ...)."
        )
    if max(sources) > index + 1:
        raise GenomeError(
            f"{path}.motifs[{sources.index(max(sources))}].source = {max(sources)} lies before the input: "
            f"expected 0..{index + 1}, where {index + 1} is the input."
        )
    if sheet.repeats > 1 and 0 not in sources:
        raise GenomeError(
            f"{path}.repeats = {sheet.repeats}, but no motif has source 0: only a motif from the "
            "sheet to itself repeats. Add one, or set repeats = 1."
        )
    parts = max(sources.count(0), len(sources) - sources.count(0))
    if sheet.join == "concat" and parts > sheet.channels:
        raise GenomeError(
            f"{path}.channels = {sheet.channels}, expected at least {parts}: "
            "each of the motifs joined side by side fills one."
        )
    for m, motif in enumerate(sheet.motifs):
        covers = sheet.reduction == "all" and motif.source != 0
        _check_wiring(f"{path}.motifs[{m}]", motif, covers=covers)


def _check_channels(motifs: Sequence[Placed]) -> None:
    """What channels alone forbid: groups that do not divide them, and weights of another form."""
    for at, here in enumerate(motifs):
        path, motif = _path(here), here.motif
        if motif.mixing == "grouped" and ((here.inputs or 0) % motif.groups or here.outputs % motif.groups):
            source = "the image's" if here.inputs is None else here.inputs
            raise GenomeError(
                f"{path}.groups = {motif.groups} with {source} source and {here.outputs} target channels: "
                "expected a divisor of both."
            )
        if motif.weights_from:
            _check_loan(motifs, at)


def _check_loan(motifs: Sequence[Placed], at: int) -> None:
    """Weights come from a motif computed before, of the same form; how many taps live is `evonet.plan.expand`'s."""
    path, motif = _path(motifs[at]), motifs[at].motif
    if motif.weights_from > at:
        raise GenomeError(
            f"{path}.weights_from = {motif.weights_from}, but {at} motifs come before it: expected 0..{at}."
        )
    lender = motifs[at - motif.weights_from]
    loan = f"{path}.weights_from = {motif.weights_from} is {_path(lender)} with"
    if lender.motif.mixing != motif.mixing or motif.mixing == "identity":
        raise GenomeError(
            f"{loan} mixing {lender.motif.mixing!r}, expected {motif.mixing!r} as here, and one that has weights."
        )
    theirs, ours = _stored_channels(lender), _stored_channels(motifs[at])
    if any(a != b for a, b in zip(theirs, ours, strict=True) if a is not None and b is not None):
        raise GenomeError(
            f"{loan} weights for {_counted(theirs)} channels, expected {_counted(ours)} as here: give both the same "
            "channels, groups and symmetry."
        )


def _stored_channels(here: Placed) -> tuple[int | None, int | None]:
    """(inputs, outputs) of the stored weights; None where the image's channels decide, 1 where there is no such axis.

    A separable motif's taps are per input, its mixing has all inputs and outputs.
    """
    motif, inputs = here.motif, here.inputs
    if motif.mixing == "separable":
        return inputs, here.outputs
    outputs = -(-here.outputs // _ORBIT.get(motif.symmetry, 1))
    if motif.mixing == "depthwise":
        return 1, outputs
    return inputs // motif.groups if inputs and motif.mixing == "grouped" else inputs, outputs


def _counted(channels: tuple[int | None, int | None]) -> str:
    return " to ".join("the image's" if c is None else str(c) for c in channels)


def _path(here: Placed) -> str:
    return f"sheets[{here.sheet}].motifs[{here.place}]"


def _check_wiring(path: str, motif: MotifGene, *, covers: bool) -> None:
    if motif.source == 0 and motif.boundary == "valid":
        raise GenomeError(f"{path}.boundary = 'valid' with source 0 would shrink its own sheet: use 'zero' or 'wrap'.")
    y0, x0, y1, x1 = motif.basis
    determinant = y0 * x1 - x0 * y1
    if motif.pattern == "lattice" and determinant == 0:
        raise GenomeError(
            f"{path}.basis = {motif.basis} spans a line or a point, expected two independent vectors (dy, dx, dy, dx)."
        )
    if covers:
        return  # the taps are the source
    if long_taps(motif) == motif.taps and not motif.edits and not _has_long_offset(motif, determinant):
        raise GenomeError(
            f"{path} has no tap at all: all its taps are long (long_share = {motif.long_share}), and no offset of "
            f"its pattern lies outside radius {motif.radius} and within reach {motif.reach}. "
            "Lower long_share or raise reach."
        )
    _check_centre(path, motif)


def _check_centre(path: str, motif: MotifGene) -> None:
    """A motif of one local tap has the centre alone: it must keep it, and be more than odd."""
    if long_taps(motif) or not (motif.taps == 1 or motif.radius == 0):
        return
    if motif.edits == ((0, 0),):
        raise GenomeError(f"{path}.edits = ((0, 0),) removes its only tap: remove the edit, or use more taps.")
    if motif.symmetry == "odd" and motif.mixing != "identity" and not motif.edits:
        raise GenomeError(
            f"{path}.symmetry = 'odd' with the centre as its only tap, where an odd kernel is zero: "
            "use more taps and a radius of 1 or more, or another symmetry."
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
