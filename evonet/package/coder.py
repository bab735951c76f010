"""The range coder of version 1 of the `.evo` format, in integers. This file is its specification.

A message is a number in [0, 1), written as bytes after the point. Coding a symbol narrows the interval that still
holds the number to the symbol's share of it. `low` and `range` are that interval in units of 2**-56 of what the
bytes written so far leave open; a byte leaves as soon as the interval is narrower than 2**48 units, so at least 48
bits of precision meet totals of at most 2**28. Martin 1979, "Range encoding"; carries as in Schindler's coder.
"""

from evonet.errors import PackageError
from evonet.package.symbols import Decoding, Encoding

WIDTH = 56  # bits of the interval: all sums stay below 2**57, so that a decoder can use 64-bit words
_TOP = 1 << WIDTH
_BOTTOM = 1 << (WIDTH - 8)
_REST = _BOTTOM - 1


class Encoder(Encoding):
    """Symbols -> the shortest bytes that name a number inside the final interval."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _TOP
        self._out = bytearray()

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        """Narrow to [cumulative, cumulative + frequency) of `total` parts; 0 < frequency, total <= 2**28."""
        part = self._range // total
        self._low += part * cumulative
        self._range = part * frequency
        while self._range < _BOTTOM:
            self._low = settle_carry(self._out, self._low, WIDTH)
            self._out.append(self._low >> (WIDTH - 8))
            self._low = (self._low & _REST) << 8
            self._range <<= 8

    def finish(self) -> bytes:
        """The message; no shorter one, zero-padded, lies in the interval. The encoder is used up."""
        return shortest(self._out, self._low, self._range, WIDTH)


class Decoder(Decoding):
    """Bytes -> symbols, asked for with the totals and frequencies that the encoder used. Missing bytes are zeros."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)
        self._range = _TOP
        self._part = 0
        # Invariant: 0 <= offset < range; offset is the number minus `low` of the encoder.
        self._offset = 0
        for _ in range(WIDTH // 8):
            self._offset = self._offset << 8 | next(self._bytes, 0)

    def peek(self, total: int) -> int:
        self._part = self._range // total
        place = self._offset // self._part
        if place >= total:  # the division's remainder, into which no encoder writes
            raise left_interval()
        return place

    def drop(self, cumulative: int, frequency: int) -> None:
        self._offset -= self._part * cumulative
        self._range = self._part * frequency
        while self._range < _BOTTOM:
            self._offset = self._offset << 8 | next(self._bytes, 0)
            self._range <<= 8


def settle_carry(out: bytearray, low: int, width: int) -> int:
    """`low` below 2**width; what is above goes into the bytes already out, all of 255 before it turning to 0."""
    if low < 1 << width:
        return low
    last = len(out) - 1
    while out[last] == 255:
        out[last] = 0
        last -= 1
    out[last] += 1
    return low - (1 << width)


def shortest(out: bytearray, low: int, range_: int, width: int) -> bytes:
    """`out` and the fewest bytes after it that name a number in [low, low + range_), trailing zeros left out."""
    for size in range(width // 8 + 1):
        unit = 1 << (width - 8 * size)
        value = -(-low // unit) * unit
        if value < low + range_:
            break
    value = settle_carry(out, value, width)
    return bytes(out + value.to_bytes(width // 8, "big")).rstrip(b"\0")


def left_interval() -> PackageError:
    """What a decoder raises for a number that no encoder wrote."""
    return PackageError("package: its stream leaves the coder's interval, so no evonet wrote it")
