"""Large tensors, and many, in version 2: symbols in runs of 16, 32, 64, ... 4,096, each run under one static table.

A run's table is made of integer counts of what the tensor's earlier runs held, so that encoder and decoder have it,
nothing is sent beforehand, and no weight costs a turn of a Python loop. As runs double, little is coded under stale
counts: Laplace-distributed codes of 1 to 4 bits take 0.2 to 0.4 % more than their empirical entropy at 20,000 weights
and under 0.1 % at 100,000.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evonet.package.models import ESCAPE, LARGEST, SHARED, Counts, counted, scaled
from evonet.package.symbols import PRECISION, WHOLE, Integers, ManyReader, ManyWriter

#: A tensor of more weights is coded in runs.
LARGE = 4096
#: So many weights of a file are coded one by one at most. It bounds the time that a file can take, whoever wrote it.
ONE_BY_ONE = 8192
FIRST, LAST = 16, 4096  # symbols in the first run, and in the longest

_SHARES = 1 << 16  # what a count of 1 weighs
_TRUST = 32  # how many counts the questions' expectation weighs


class Pace:
    """Which tensors of a file are coded in runs; to be asked once for each that has codes or indices, in order."""

    def __init__(self) -> None:
        self._left = ONE_BY_ONE

    def in_runs(self, size: int) -> bool:
        if size > min(LARGE, self._left):
            return True
        self._left -= size
        return False


def possible(sizes: Sequence[int]) -> bool:
    """Whether any of tensors of these sizes can be coded in runs."""
    return max(sizes, default=0) > LARGE or sum(sizes) > ONE_BY_ONE


class Learning(Protocol):
    """Static tables that follow what is coded."""

    def table(self) -> Integers:
        """Frequencies in the next run, int64, each >= 1, WHOLE in all."""

    def learn(self, symbols: NDArray[np.integer]) -> None:
        """Count a run that was coded."""


class Codes:
    """Codes -127..127, written as 0..254. A code and its negative count as one.

    What a few counts leave open the questions of `evonet.package.models` fill in, with the answers so far learned.
    """

    def __init__(self, counts: Counts) -> None:
        """`counts`: those of the tensor's kind, before it."""
        self._counts = counts
        self._histogram = np.zeros(LARGEST + 1, dtype=np.int64)  # of |code|

    @property
    def counts(self) -> Counts:
        """Of the questions, for the next tensor of the kind."""
        return scaled(counted(self._histogram, self._counts))

    def table(self) -> Integers:
        weights = _TRUST * _expected(counted(self._histogram, self._counts)) + _SHARES * self._histogram
        return frequencies(np.concatenate([weights[:0:-1], [2 * weights[0]], weights[1:]]))

    def learn(self, symbols: NDArray[np.integer]) -> None:
        self._histogram += np.bincount(np.abs(symbols - LARGEST), minlength=LARGEST + 1)


class Indices:
    """Indices 0..levels-1 of a book: each as likely as one more than it came."""

    def __init__(self, levels: int) -> None:
        self._weights = np.ones(levels, dtype=np.int64)

    def table(self) -> Integers:
        return frequencies(self._weights)

    def learn(self, symbols: NDArray[np.integer]) -> None:
        self._weights += np.bincount(symbols, minlength=self._weights.size)


def write(encoder: ManyWriter, symbols: NDArray[np.integer], learning: Learning) -> None:
    for run in runs(symbols.size):
        encoder.many(symbols[run], learning.table())
        learning.learn(symbols[run])


def read(decoder: ManyReader, size: int, learning: Learning) -> Integers:
    symbols = np.empty(size, dtype=np.int64)
    for run in runs(size):
        symbols[run] = decoder.many(run.stop - run.start, learning.table())
        learning.learn(symbols[run])
    return symbols


def bits(symbols: NDArray[np.integer], learning: Learning) -> float:
    """What `write` takes, and `learning` after it as by `write`."""
    total = 0.0
    for run in runs(symbols.size):
        table = learning.table()
        total += float(np.bincount(symbols[run], minlength=table.size) @ (PRECISION - np.log2(table)))
        learning.learn(symbols[run])
    return total


def runs(size: int) -> Iterator[slice]:
    """The runs of `size` symbols."""
    start, length = 0, FIRST
    while start < size:
        yield slice(start, min(start + length, size))
        start, length = start + length, min(2 * length, LAST)


def frequencies(weights: Integers) -> Integers:
    """Shares of WHOLE by integer weights, int64 (n,), of less than 2**39 in all: one each, the rest in proportion.

    Symbol k begins at k + floor(weights before it * (WHOLE - n) / all weights).
    """
    before = np.concatenate([[0], np.cumsum(weights)])
    table: Integers = np.diff(before * (WHOLE - weights.size) // before[-1]) + 1
    return table


def _expected(counts: Counts) -> Integers:
    """About _SHARES, shared out among the |code| 0..127 as the questions' counts expect, each at least 1."""
    shares, rest = np.empty(LARGEST + 1, dtype=np.int64), _SHARES
    for size in range(ESCAPE):
        no, yes = counts[min(size, SHARED)]
        shares[size] = max(1, rest * no // (no + yes))
        rest -= int(shares[size])
    shares[ESCAPE:] = max(1, rest // (LARGEST + 1 - ESCAPE))
    return shares
