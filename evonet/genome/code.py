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
from typing import Any

from evonet.errors import GenomeError
from evonet.genome.check import check_ranges
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.table import EDITS_MAX, MOTIF, MOTIFS, READOUT, SACCADE, SHEET, SHEETS, Field, Groups, grouped

VERSION = 1
_VERSION_BITS, _SHEETS_BITS, _MOTIFS_BITS = 3, 4, 2
_SHEET, _MOTIF, _READOUT, _SACCADE = grouped(SHEET), grouped(MOTIF), grouped(READOUT), grouped(SACCADE)
_EDITS_BITS = (EDITS_MAX - 1).bit_length()


def encode(genome: Genome) -> bytes:
    """The canonical bytes of `genome` without its ids. Raises GenomeError if a field is out of range."""
    check_ranges(genome)
    out = _Writer()
    out.put(VERSION, _VERSION_BITS)
    out.put(len(genome.sheets) - SHEETS[0], _SHEETS_BITS)
    for sheet in genome.sheets:
        out.put(len(sheet.motifs) - MOTIFS[0], _MOTIFS_BITS)
        _write(out, _SHEET, sheet)
        for motif in sheet.motifs:
            _write(out, _MOTIF, motif)
    _write(out, _READOUT, genome.readout)
    out.put(genome.saccade is not None, 1)
    if genome.saccade is not None:
        _write(out, _SACCADE, genome.saccade)
    return out.finish()


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
        sheets=tuple(_read_sheet(bits, f"sheets[{k}]") for k in range(count)),
        readout=ReadoutGene(**_read(bits, _READOUT, "readout")),
        saccade=SaccadeGene(**_read(bits, _SACCADE, "saccade")) if bits.take(1, "the saccade bit") else None,
    )
    bits.finish()
    return genome


def digest(genome: Genome) -> str:
    """16 hex characters that name the genome: BLAKE2b of its canonical code."""
    return hashlib.blake2b(encode(genome), digest_size=8).hexdigest()


def _write(out: _Writer, groups: Groups, gene: object) -> None:
    for group in groups:
        changed = [getattr(gene, field.name) != field.default for field in group]
        out.put(any(changed), 1)
        if not any(changed):
            continue
        for field, flag in zip(group, changed, strict=True):
            out.put(flag, 1)
            if flag:
                _write_value(out, field, getattr(gene, field.name))


def _write_value(out: _Writer, field: Field, value: Any) -> None:
    if field.form == "one":
        numbers = [value]
    elif field.form == "vector":
        numbers = list(value)
    else:
        out.put(len(value) - 1, _EDITS_BITS)
        numbers = [number for offset in value for number in offset]
    for number in numbers:
        out.put(field.coded.index(number), field.bits)


def _read_sheet(bits: _Reader, path: str) -> SheetGene:
    count = bits.take(_MOTIFS_BITS, path) + MOTIFS[0]
    fields = _read(bits, _SHEET, path)
    motifs = tuple(MotifGene(**_read(bits, _MOTIF, f"{path}.motifs[{m}]")) for m in range(count))
    return SheetGene(motifs=motifs, **fields)


def _read(bits: _Reader, groups: Groups, path: str) -> dict[str, Any]:
    """The fields of one record that differ from their defaults."""
    found: dict[str, Any] = {}
    for group in groups:
        if not bits.take(1, path):
            continue
        flagged = [field for field in group if _read_flagged(bits, field, path, found)]
        if not flagged:
            raise GenomeError(
                f"genome code: {path} opens the field group '{group[0].group}' and sets none: not canonical."
            )
    return found


def _read_flagged(bits: _Reader, field: Field, path: str, found: dict[str, Any]) -> bool:
    flag = bool(bits.take(1, path))
    if flag:
        found[field.name] = _read_value(bits, field, f"{path}.{field.name}")
    return flag


def _read_value(bits: _Reader, field: Field, path: str) -> Any:
    if field.form == "one":
        return _read_number(bits, field, path)
    if field.form == "vector":
        vector = tuple(_read_number(bits, field, path) for _ in field.default)
        if vector == field.default:
            raise GenomeError(f"genome code: {path} is flagged and holds its default {vector}: not canonical.")
        return vector
    count = bits.take(_EDITS_BITS, path) + 1
    offsets = tuple((_read_number(bits, field, path), _read_number(bits, field, path)) for _ in range(count))
    if list(offsets) != sorted(set(offsets)):
        raise GenomeError(f"genome code: {path} holds {offsets}, expected distinct offsets in order: not canonical.")
    return offsets


def _read_number(bits: _Reader, field: Field, path: str) -> Any:
    index = bits.take(field.bits, path)
    if index >= len(field.coded):
        raise GenomeError(
            f"genome code: {path} has value index {index}, expected 0..{len(field.coded) - 1}: "
            "damaged, or written by a newer evonet."
        )
    return field.coded[index]


class _Writer:
    """Bits to bytes, most significant first."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def put(self, value: int, width: int) -> None:
        if width:  # a field of two values needs no index after its flag
            self._bits.append(format(value, f"0{width}b"))

    def finish(self) -> bytes:
        text = "".join(self._bits)
        size = -(-len(text) // 8)
        return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


class _Reader:
    """The inverse of `_Writer`; refuses to read past the end or to leave anything but zero padding."""

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, width: int, where: str) -> int:
        if width > self._left:
            raise GenomeError(f"genome code of {self._size} bytes ends inside {where}: it is cut off.")
        self._left -= width
        return (self._bits >> self._left) & ((1 << width) - 1)

    def finish(self) -> None:
        if self._left >= 8:
            raise GenomeError(f"genome code of {self._size} bytes has {self._left // 8} bytes too many: not canonical.")
        if self._bits & ((1 << self._left) - 1):
            raise GenomeError("genome code: the padding of the last byte is not zero: not canonical.")
