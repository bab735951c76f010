"""The range coder of version 2 of the `.evo` format, in integers. This file is its specification.

It is the coder of the library constriction (Bamler 2022, arXiv 2201.01741; `stream.queue`, 64 bits of state, 32-bit
words, 24 bits of precision), so that runs of symbols under one table can be coded by it: `evonet.package.fast`
writes the same bytes. All totals are 2**24: a share of any other total is rounded down to it, bound by bound.

`low` and `range` are the interval in units of 2**-64 of what the words written so far leave open; a word leaves as
soon as the interval is narrower than 2**32 units. Words are written big-endian, so a message is a number in [0, 1).
"""

from bisect import bisect_right
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from evonet.package.coder import left_interval, settle_carry, shortest
from evonet.package.symbols import PRECISION, WHOLE, Decoding, Encoding, Integers

WIDTH = 64
WORD = 32
_BOTTOM = 1 << (WIDTH - WORD)
_REST = _BOTTOM - 1


class Encoder(Encoding):
    """Symbols -> the shortest bytes that name a number inside the final interval."""

    def __init__(self) -> None:
        self._low = 0
        self._range = (1 << WIDTH) - 1
        self._out = bytearray()

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        """Narrow to [cumulative, cumulative + frequency) of `total` parts; 0 < frequency < total <= 2**24."""
        below = (cumulative << PRECISION) // total
        above = ((cumulative + frequency) << PRECISION) // total
        part = self._range >> PRECISION
        self._low += part * below
        self._range = part * (above - below)
        if self._range < _BOTTOM:  # once is enough: part >= 2**8
            self._low = settle_carry(self._out, self._low, WIDTH)
            self._out += (self._low >> WORD).to_bytes(WORD // 8, "big")
            self._low = (self._low & _REST) << WORD
            self._range <<= WORD

    def many(self, symbols: NDArray[np.integer], frequencies: Integers) -> None:
        widths = frequencies.tolist()
        below = [0, *accumulate(widths)]
        for symbol in symbols.tolist():
            self.encode(below[symbol], widths[symbol], WHOLE)

    def finish(self) -> bytes:
        """The message; no shorter one, zero-padded, lies in the interval. The encoder is used up."""
        return shortest(self._out, self._low, self._range, WIDTH)


class Decoder(Decoding):
    """Bytes -> symbols, asked for with the totals and frequencies that the encoder used. Missing bytes are zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.taken = WIDTH // 8  # bytes of `data`, and of the zeros behind it
        self._range = (1 << WIDTH) - 1
        # Invariant: 0 <= offset < range; offset is the number minus `low` of the encoder.
        self._offset = self._bytes(0, self.taken)
        self._total = 1

    @property
    def interval(self) -> tuple[int, int]:
        """(low, range), in the units of the last WIDTH bits taken."""
        number = self._bytes(self.taken - WIDTH // 8, self.taken)
        return (number - self._offset) % (1 << WIDTH), self._range

    def peek(self, total: int) -> int:
        place = self._offset // (self._range >> PRECISION)
        if place >= WHOLE:  # the division's remainder, into which no encoder writes
            raise left_interval()
        self._total = total
        return ((place + 1) * total - 1) >> PRECISION  # the greatest c with floor(c 2**24 / total) <= place

    def drop(self, cumulative: int, frequency: int) -> None:
        below = (cumulative << PRECISION) // self._total
        above = ((cumulative + frequency) << PRECISION) // self._total
        part = self._range >> PRECISION
        self._offset -= part * below
        self._range = part * (above - below)
        if self._range < _BOTTOM:
            self._offset = self._offset << WORD | self._bytes(self.taken, self.taken + WORD // 8)
            self._range <<= WORD
            self.taken += WORD // 8

    def many(self, number: int, frequencies: Integers) -> Integers:
        widths = frequencies.tolist()
        below = [0, *accumulate(widths)]
        symbols = np.empty(number, dtype=np.int64)
        for k in range(number):
            symbol = bisect_right(below, self.peek(WHOLE)) - 1
            self.drop(below[symbol], widths[symbol])
            symbols[k] = symbol
        return symbols

    def _bytes(self, start: int, stop: int) -> int:
        return int.from_bytes(self.data[start:stop].ljust(stop - start, b"\0"), "big")
