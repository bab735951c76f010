"""The range coder of the `.evo` format, in integers. This file is its specification.

A message is a number in [0, 1), written as bytes after the point. Coding a symbol narrows the interval that still
holds the number to the symbol's share of it. `low` and `range` are that interval in units of 2**-56 of what the
bytes written so far leave open; a byte leaves as soon as the interval is narrower than 2**48 units, so at least 48
bits of precision meet totals of at most 2**28. Martin 1979, "Range encoding"; carries as in Schindler's coder.
"""

from evonet.errors import PackageError

WIDTH = 56  # bits of the interval: all sums stay below 2**57, so that a decoder can use 64-bit words
_TOP = 1 << WIDTH
_BOTTOM = 1 << (WIDTH - 8)
_REST = _BOTTOM - 1


class Encoder:
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
            self._settle_carry()
            self._out.append(self._low >> (WIDTH - 8))
            self._low = (self._low & _REST) << 8
            self._range <<= 8

    def bit(self, value: bool, no: int, yes: int) -> None:
        """A bit whose chances are `no` to `yes`."""
        if value:
            self.encode(no, yes, no + yes)
        else:
            self.encode(0, no, no + yes)

    def uniform(self, value: int, total: int) -> None:
        self.encode(value, 1, total)

    def finish(self) -> bytes:
        """The message; no shorter one, zero-padded, lies in the interval. The encoder is used up."""
        for size in range(WIDTH // 8 + 1):
            unit = 1 << (WIDTH - 8 * size)
            value = -(-self._low // unit) * unit
            if value < self._low + self._range:
                break
        self._low = value
        self._settle_carry()
        self._out += self._low.to_bytes(WIDTH // 8, "big")
        return bytes(self._out).rstrip(b"\0")

    def _settle_carry(self) -> None:
        if self._low < _TOP:
            return
        self._low -= _TOP
        last = len(self._out) - 1
        while self._out[last] == 255:
            self._out[last] = 0
            last -= 1
        self._out[last] += 1


class Decoder:
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
        """Where in [0, total) the number lies; to be followed by `drop` of the symbol that holds this place."""
        self._part = self._range // total
        place = self._offset // self._part
        if place >= total:  # the division's remainder, into which no encoder writes
            raise PackageError("package: its stream leaves the coder's interval, so no evonet wrote it")
        return place

    def drop(self, cumulative: int, frequency: int) -> None:
        self._offset -= self._part * cumulative
        self._range = self._part * frequency
        while self._range < _BOTTOM:
            self._offset = self._offset << 8 | next(self._bytes, 0)
            self._range <<= 8

    def bit(self, no: int, yes: int) -> bool:
        if self.peek(no + yes) < no:
            self.drop(0, no)
            return False
        self.drop(no, yes)
        return True

    def uniform(self, total: int) -> int:
        value = self.peek(total)
        self.drop(value, 1)
        return value
