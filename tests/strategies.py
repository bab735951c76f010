"""Hypothesis strategies that every test may use."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import valid
from evonet.genome.table import EDITS_MAX, MOTIF, READOUT, SACCADE, SHEET, Field

Strategy = st.SearchStrategy


def any_value(field: Field) -> Strategy[Any]:
    """Every value that format 1 can write in `field`."""
    one = st.sampled_from(list(field.values))
    if field.form == "vector":
        return st.tuples(*[one] * len(field.default))
    if field.form == "offsets":
        return st.lists(st.tuples(one, one), max_size=EDITS_MAX, unique=True).map(lambda o: tuple(sorted(o)))
    return one


def any_fields(fields: tuple[Field, ...]) -> Strategy[dict[str, Any]]:
    """Some fields, the rest at their defaults."""
    return st.fixed_dictionaries({}, optional={f.name: any_value(f) for f in fields})


def any_sheets() -> Strategy[SheetGene]:
    motifs = st.lists(any_fields(MOTIF).map(lambda f: MotifGene(**f)), min_size=1, max_size=4).map(tuple)
    return st.builds(lambda fields, motifs: SheetGene(motifs=motifs, **fields), any_fields(SHEET), motifs)


def any_genomes(*, sheets_max: int = 4) -> Strategy[Genome]:
    """Every genome in range, saccade included, whether or not it is computed yet."""
    return st.builds(
        Genome,
        sheets=st.lists(any_sheets(), min_size=1, max_size=sheets_max).map(tuple),
        readout=any_fields(READOUT).map(lambda f: ReadoutGene(**f)),
        saccade=st.none() | any_fields(SACCADE).map(lambda f: SaccadeGene(**f)),
    )


def _computed(field: Field, **limits: int) -> Strategy[Any]:
    if field.form == "vector":
        return any_value(field)
    most = limits.get(field.name)
    return st.sampled_from([v for v in field.computed if most is None or v <= most])


def _motifs(source: int, **limits: int) -> Strategy[MotifGene]:
    optional = {f.name: _computed(f, **limits) for f in MOTIF if f.form != "offsets" and f.name != "source"}
    return st.fixed_dictionaries({}, optional=optional).map(lambda f: MotifGene(source=source, **f))


@st.composite
def _sheets(draw: st.DrawFn, **limits: int) -> SheetGene:
    fields = draw(st.fixed_dictionaries({}, optional={f.name: _computed(f, **limits) for f in SHEET}))
    motifs = [draw(_motifs(1, **limits))]
    if draw(st.booleans()):
        motifs.insert(draw(st.integers(0, 1)), draw(_motifs(0, **limits)))
    else:
        fields.pop("repeats", None)
    return SheetGene(motifs=tuple(motifs), **fields)


@st.composite
def genomes(
    draw: st.DrawFn, *, sheets_max: int = 3, channels: int = 12, taps: int = 25, reach: int = 9, repeats: int = 3
) -> Genome:
    """Genomes that pass `check`: all that this version computes, kept small by the given limits.

    Inputs of 8x8 and more hold three reductions. A direct readout gets ten channels, for ten classes.
    """
    limits = {"channels": channels, "taps": taps, "reach": reach, "repeats": repeats}
    sheets = draw(st.lists(_sheets(**limits), min_size=1, max_size=sheets_max).map(tuple))
    fields = draw(st.fixed_dictionaries({}, optional={f.name: _computed(f, grid=3) for f in READOUT}))
    if fields.get("kind") == "direct":
        fields = {"kind": "direct", "pooling": "max" if fields.get("pooling") == "max" else "mean"}
        sheets = (*sheets[:-1], replace(sheets[-1], channels=10))
    genome = Genome(sheets=sheets, readout=ReadoutGene(**fields))
    return genome if valid(genome) else _repaired(genome)


def _repaired(genome: Genome) -> Genome:
    """Motifs that alone could hold no tap, or a degenerate lattice, give up their long taps."""
    plain = {"long_share": 0, "pattern": "box", "basis": MotifGene().basis}
    sheets = tuple(replace(s, motifs=tuple(replace(m, **plain) for m in s.motifs)) for s in genome.sheets)
    return replace(genome, sheets=sheets)
