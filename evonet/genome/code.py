"""The canonical code: one genome, one byte string, as few bits as the defaults allow.

Most significant bit first: version (3 bits), number of sheets - 1 (4), per sheet the number of motifs - 1 (2), the
sheet's record and its motifs' records; the readout's record; a saccade bit and its record; zero bits to a whole byte.
A record is one flag per group of fields; in a set group one flag per field; after a set flag the index of the value
among all values but the default. So a flag can never be set for a default value, and two different byte
strings never mean the same genome: what `encode` would not write is refused by `decode`.

Reserved for extensions: versions 2 to 7, sixteen sheets, and the unused indices of each field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NoReturn

from evonet.errors import GenomeError
from evonet.genome.check import check_ranges
from evonet.genome.genes import Gene, Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.table import EDITS_MAX, MOTIF, MOTIFS, READOUT, SACCADE, SHEET, SHEETS, Field, Form, grouped

VERSION = 1
_VERSION_BITS, _SHEETS_BITS, _MOTIFS_BITS = 3, 4, 2
_EDITS_BITS = (EDITS_MAX - 1).bit_length()


@dataclass(frozen=True)
class _Column:
    """A field, ready to be looked up."""

    name: str
    path: str
    default: Any
    form: Form
    bits: int
    values: Sequence[Any]
    index: dict[Any, int]  # the inverse of `values`


@dataclass(frozen=True)
class _Layout:
    """A record's fields in order, in groups."""

    get: Callable[[Gene], tuple[Any, ...]]
    defaults: tuple[Any, ...]
    types: tuple[type, ...]
    groups: tuple[tuple[str, int, tuple[_Column, ...]], ...]  # name, place of the first field, fields


def _layout(fields: tuple[Field, ...]) -> _Layout:
    columns = {f.name: _column(f) for f in fields}
    groups, first = [], 0
    for group in grouped(fields):
        groups.append((group[0].group, first, tuple(columns[f.name] for f in group)))
        first += len(group)
    defaults = tuple(f.default for f in fields)
    return _Layout(attrgetter(*columns), defaults, tuple(map(type, defaults)), tuple(groups))


def _column(field: Field) -> _Column:
    index = {value: i for i, value in enumerate(field.coded)}
    return _Column(field.name, f".{field.name}", field.default, field.form, field.bits, field.coded, index)


_SHEET, _MOTIF, _READOUT, _SACCADE = _layout(SHEET), _layout(MOTIF), _layout(READOUT), _layout(SACCADE)


def encode(genome: Genome) -> bytes:
    """The canonical bytes of `genome` without its ids. Raises GenomeError if a field is out of range."""
    try:
        bits = _encoded(genome)
    except (KeyError, TypeError, ValueError):
        check_ranges(genome)  # says what is wrong, and where
        raise
    size = -(-(bits.bit_length() - 1) // 8)
    padding = 8 * size - (bits.bit_length() - 1)
    return ((bits << padding) ^ (1 << 8 * size)).to_bytes(size, "big")


def _encoded(genome: Genome) -> int:
    """The bits of the code behind a leading 1, which keeps the zeros in front."""
    if len(genome.sheets) not in SHEETS:
        raise ValueError("sheets")
    bits = (1 << _VERSION_BITS | VERSION) << _SHEETS_BITS | len(genome.sheets) - SHEETS[0]
    for sheet in genome.sheets:
        if len(sheet.motifs) not in MOTIFS:
            raise ValueError("motifs")
        bits = _write(bits << _MOTIFS_BITS | len(sheet.motifs) - MOTIFS[0], _SHEET, sheet)
        for motif in sheet.motifs:
            bits = _write(bits, _MOTIF, motif)
    bits = _write(bits, _READOUT, genome.readout)
    if genome.saccade is None:
        return bits << 1
    return _write(bits << 1 | 1, _SACCADE, genome.saccade)


def _write(bits: int, layout: _Layout, gene: Gene) -> int:
    values = layout.get(gene)
    if tuple(map(type, values)) != layout.types:
        raise TypeError("a field has another type")
    for _, first, columns in layout.groups:
        last = first + len(columns)
        if values[first:last] == layout.defaults[first:last]:
            bits <<= 1
            continue
        bits = bits << 1 | 1
        for value, column in zip(values[first:last], columns, strict=True):
            bits <<= 1
            if value != column.default:
                bits = _write_value(bits | 1, column, value)
    return bits


def _write_value(bits: int, column: _Column, value: Any) -> int:
    if column.form == "one":
        return bits << column.bits | column.index[value]
    numbers = value
    if column.form == "vector":
        if len(value) != len(column.default):
            raise ValueError("numbers")
    else:
        if list(value) != sorted(set(value)) or len(value) > EDITS_MAX:
            raise ValueError("offsets")
        bits = bits << _EDITS_BITS | len(value) - 1
        numbers = [number for dy, dx in value for number in (dy, dx)]
    for number in numbers:
        if type(number) is not int:
            raise TypeError("a number has another type")
        bits = bits << column.bits | column.index[number]
    return bits


def decode(data: bytes) -> Genome:
    """The genome of canonical bytes, without ids. Every field is in range; `check` may still refuse it.

    Raises GenomeError for any bytes that `encode` does not write.
    """
    bits = _Reader(data)
    version = bits.take(_VERSION_BITS, "the version")
    if version > VERSION:
        raise GenomeError(
            f"genome code has version {version}, expected {VERSION}: written by a newer evonet, update this one."
        )
    if version == 0:
        raise GenomeError(f"genome code has version 0, expected {VERSION}: the bytes are damaged or no genome.")
    count = bits.take(_SHEETS_BITS, "the number of sheets") + SHEETS[0]
    if count not in SHEETS:
        raise GenomeError(
            f"genome code has {count} sheets, expected 1..{SHEETS[-1]}: damaged, or written by a newer evonet."
        )
    genome = Genome(
        sheets=tuple([_read_sheet(bits, f"sheets[{k}]") for k in range(count)]),
        readout=ReadoutGene(**_read(bits, _READOUT, "readout")),
        saccade=SaccadeGene(**_read(bits, _SACCADE, "saccade")) if bits.take(1, "the saccade bit") else None,
    )
    bits.finish()
    return genome


def digest(genome: Genome) -> str:
    """16 hex characters that name the genome: BLAKE2b of its canonical code."""
    return hashlib.blake2b(encode(genome), digest_size=8).hexdigest()


def _read_sheet(bits: _Reader, path: str) -> SheetGene:
    count = bits.take(_MOTIFS_BITS, path) + MOTIFS[0]
    fields = _read(bits, _SHEET, path)
    motifs = tuple([MotifGene(**_read(bits, _MOTIF, f"{path}.motifs[{m}]")) for m in range(count)])
    return SheetGene(motifs=motifs, **fields)


def _read(bits: _Reader, layout: _Layout, path: str) -> dict[str, Any]:
    """The fields of one record that differ from their defaults."""
    found: dict[str, Any] = {}
    take = bits.take
    for name, _, columns in layout.groups:
        if not take(1, path):
            continue
        before = len(found)
        for column in columns:
            if take(1, path):
                found[column.name] = _read_value(bits, column, path)
        if len(found) == before:
            raise GenomeError(f"genome code: {path} opens the field group '{name}' and sets none: not canonical.")
    return found


def _read_value(bits: _Reader, column: _Column, path: str) -> Any:
    if column.form == "one":
        return _read_number(bits, column, path)
    if column.form == "vector":
        vector = tuple([_read_number(bits, column, path) for _ in column.default])
        if vector == column.default:
            raise GenomeError(
                f"genome code: {path}{column.path} is flagged and holds its default {vector}: not canonical."
            )
        return vector
    count = bits.take(_EDITS_BITS, path) + 1
    offsets = tuple([(_read_number(bits, column, path), _read_number(bits, column, path)) for _ in range(count)])
    if list(offsets) != sorted(set(offsets)):
        raise GenomeError(
            f"genome code: {path}{column.path} holds {offsets}, expected distinct offsets in order: not canonical."
        )
    return offsets


def _read_number(bits: _Reader, column: _Column, path: str) -> Any:
    index = bits.take(column.bits, path)
    if index >= len(column.values):
        raise GenomeError(
            f"genome code: {path}{column.path} has value index {index}, expected 0..{len(column.values) - 1}: "
            "damaged, or written by a newer evonet."
        )
    return column.values[index]


class _Reader:
    """Bits of bytes, most significant first; refuses to read past the end or to leave anything but zero padding."""

    __slots__ = ("_bits", "_left", "_size")

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, width: int, where: str) -> int:
        left = self._left - width
        if left < 0:
            self._cut_off(where)
        self._left = left
        return (self._bits >> left) & ((1 << width) - 1)

    def _cut_off(self, where: str) -> NoReturn:
        raise GenomeError(f"genome code of {self._size} bytes ends inside {where}: it is cut off.")

    def finish(self) -> None:
        if self._left >= 8:
            raise GenomeError(f"genome code of {self._size} bytes has {self._left // 8} bytes too many: not canonical.")
        if self._bits & ((1 << self._left) - 1):
            raise GenomeError("genome code: the padding of the last byte is not zero: not canonical.")
