"""The one field table: what every gene may hold, and in which order its canonical code holds it.

It drives checks, code, TOML, founders and mutation. The order of records, groups, fields and values *is* format 1:
it never changes. A later format brings its own table, so that every version's files stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from evonet.genome import genes
from evonet.genome.genes import Gene, Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene

Value = int | str | bool
Form = Literal["one", "vector", "offsets"]

LADDER = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
BUDGETS = (0, *LADDER, 96, 128)
SHEETS = range(1, 16)  # in one genome
MOTIFS = range(1, 5)  # in one sheet
EDITS_MAX = 8
_FLAG = (False, True)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a gene record."""

    name: str
    group: str  # fields of one group share a flag in the code
    values: Sequence[Value]  # of the field, or of each of its numbers where `form` is not "one"
    default: Any  # as in genes.py
    step: int = 0  # how far one mutation moves along `values`; 0: the values have no order
    form: Form = "one"  # "vector": a tuple of as many numbers as the default; "offsets": at most EDITS_MAX pairs
    coded: tuple[Value, ...] = field(
        init=False
    )  # every value but the default: a set flag already says "not the default"

    def __post_init__(self) -> None:
        coded = tuple(v for v in self.values if self.form != "one" or v != self.default)
        object.__setattr__(self, "coded", coded)

    @property
    def bits(self) -> int:
        """Bits of one number's index in `coded`."""
        return (len(self.coded) - 1).bit_length()


def _rows(plain: Gene) -> Callable[..., Field]:
    """A maker of fields whose defaults are those of `plain`."""

    def row(
        group: str,
        name: str,
        values: Sequence[Value],
        *,
        step: int = 0,
        form: Form = "one",
    ) -> Field:
        return Field(name=name, group=group, values=values, default=getattr(plain, name), step=step, form=form)

    return row


_sheet = _rows(SheetGene())
SHEET: tuple[Field, ...] = (
    _sheet("shape", "channels", LADDER, step=1),
    _sheet("shape", "reduction", get_args(genes.Reduction)),
    _sheet("response", "activation", get_args(genes.Activation)),
    _sheet("response", "norm", get_args(genes.Norm)),
    _sheet("flow", "bias", get_args(genes.Bias)),
    _sheet("flow", "join", get_args(genes.Join)),
    _sheet("flow", "residual", _FLAG),
    _sheet("flow", "repeats", range(1, 9), step=1),
)

_motif = _rows(MotifGene())
MOTIF: tuple[Field, ...] = (
    _motif("window", "radius", range(8), step=1),
    _motif("window", "taps", range(1, 129), step=2),
    _motif("kind", "source", range(16)),
    _motif("kind", "mixing", get_args(genes.Mixing)),
    _motif("long", "long_share", range(17), step=1),
    _motif("long", "reach", range(1, 32), step=1),
    _motif("long", "pattern", get_args(genes.Pattern)),
    _motif("long", "seed", range(256)),
    _motif("long", "basis", range(-15, 16), step=1, form="vector"),
    _motif("rare", "edits", range(-31, 32), form="offsets"),
    _motif("rare", "groups", (2, 4, 8, 16), step=1),
    _motif("rare", "sharing", get_args(genes.Sharing)),
    _motif("rare", "tile", range(1, 9), step=1),
    _motif("rare", "symmetry", get_args(genes.Symmetry)),
    _motif("rare", "weights_from", range(16)),
    _motif("rare", "boundary", get_args(genes.Boundary)),
)

_readout = _rows(ReadoutGene())
READOUT: tuple[Field, ...] = (
    _readout("readout", "pooling", get_args(genes.Pooling)),
    _readout("readout", "grid", range(1, 9), step=1),
    _readout("readout", "kind", get_args(genes.ReadoutKind)),
)

_saccade = _rows(SaccadeGene())
SACCADE: tuple[Field, ...] = (
    _saccade("glance", "cell", (4, 8, 16, 32), step=1),
    _saccade("glance", "downsampling", (1, 2, 4, 8, 16), step=1),
    _saccade("glance", "glance", LADDER[:13], step=1),
    _saccade("where", "depth", range(1, 16), step=1),
    _saccade("where", "form", get_args(genes.SaccadeForm)),
    _saccade("where", "route", get_args(genes.Route)),
    _saccade("where", "budgets", BUDGETS, step=1, form="vector"),
    _saccade("path", "fixations", range(16), step=1),
    _saccade("path", "halting", range(16), step=1),
    _saccade("path", "fill", get_args(genes.Fill)),
    _saccade("path", "coordinates", get_args(genes.Coordinates)),
    _saccade("path", "tie", _FLAG),
)

SHEET_FIELDS = {f.name: f for f in SHEET}
MOTIF_FIELDS = {f.name: f for f in MOTIF}
READOUT_FIELDS = {f.name: f for f in READOUT}
SACCADE_FIELDS = {f.name: f for f in SACCADE}


Groups = tuple[tuple[Field, ...], ...]


def grouped(fields: Sequence[Field]) -> Groups:
    """The fields by group, groups in the order of their first field."""
    names = dict.fromkeys(f.group for f in fields)
    return tuple(tuple(f for f in fields if f.group == name) for name in names)


def records(genome: Genome) -> Iterator[tuple[str, tuple[Field, ...], Gene]]:
    """(path, fields, gene) of every record of the genome, in the order of its code."""
    for k, sheet in enumerate(genome.sheets):
        yield f"sheets[{k}]", SHEET, sheet
        for m, motif in enumerate(sheet.motifs):
            yield f"sheets[{k}].motifs[{m}]", MOTIF, motif
    yield "readout", READOUT, genome.readout
    if genome.saccade is not None:
        yield "saccade", SACCADE, genome.saccade
