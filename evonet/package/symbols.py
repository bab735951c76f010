"""Kinds of symbols over a range coder: what the parts of the stream are written with, whichever coder is below."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PRECISION = 24
#: What the frequencies of a static table sum up to.
WHOLE = 1 << PRECISION

Integers = NDArray[np.int64]


class Writer(Protocol):
    """Takes symbols; the reader must ask for the same kinds in the same order."""

    def bit(self, value: bool, no: int, yes: int) -> None:
        """A bit whose chances are `no` to `yes`."""

    def uniform(self, value: int, total: int) -> None:
        """One of `total` >= 2 equally likely values."""

    def symbol(self, value: int, frequencies: Sequence[int]) -> None:
        """One of at least two symbols of these chances, each at least 1, WHOLE at most in all."""


class Reader(Protocol):
    """Answers with the symbols that were written. Raises PackageError where no writer can have been."""

    def bit(self, no: int, yes: int) -> bool: ...

    def uniform(self, total: int) -> int: ...

    def symbol(self, frequencies: Sequence[int]) -> int: ...


class ManyWriter(Writer, Protocol):
    """A writer of version 2."""

    def many(self, symbols: NDArray[np.integer], frequencies: Integers) -> None:
        """All of `symbols`, (n,), under one static table: frequencies (at least 2,), each >= 1, WHOLE in all."""

    def finish(self) -> bytes:
        """The message; no shorter one, zero-padded, lies in the interval. The writer is used up."""


class ManyReader(Reader, Protocol):
    """A reader of version 2."""

    def many(self, number: int, frequencies: Integers) -> Integers:
        """(number,) symbols that `many` wrote."""


class Encoding:
    """The three kinds of symbols over one method that narrows the interval."""

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        """Narrow to [cumulative, cumulative + frequency) of `total` parts, 0 < frequency < total."""
        raise NotImplementedError

    def bit(self, value: bool, no: int, yes: int) -> None:
        if value:
            self.encode(no, yes, no + yes)
        else:
            self.encode(0, no, no + yes)

    def uniform(self, value: int, total: int) -> None:
        self.encode(value, 1, total)

    def symbol(self, value: int, frequencies: Sequence[int]) -> None:
        self.encode(sum(frequencies[:value]), frequencies[value], sum(frequencies))


class Decoding:
    """The three kinds of symbols over two methods: where in the interval the number lies, and narrowing to a symbol."""

    def peek(self, total: int) -> int:
        """Where in [0, total) the number lies; to be followed by `drop` of the symbol that holds this place."""
        raise NotImplementedError

    def drop(self, cumulative: int, frequency: int) -> None:
        raise NotImplementedError

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

    def symbol(self, frequencies: Sequence[int]) -> int:
        place, below, value = self.peek(sum(frequencies)), 0, 0
        while place >= below + frequencies[value]:
            below += frequencies[value]
            value += 1
        self.drop(below, frequencies[value])
        return value
