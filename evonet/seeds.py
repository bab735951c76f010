"""Named, counter-based random streams: no draw in evonet depends on any other draw.

A stream is a key and a counter; block i is BLAKE2b(key, i). The key is a hash of everything that names the
draw, so decisions replay bit for bit on any machine and library version, in any order (DESIGN invariant 5).
Idea: counter-based generators, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
Part = int | str | bytes


def key(*parts: Part) -> int:
    """A 63-bit key for `parts`.

    ("run", 1, 23) and ("run", 12, 3) differ: every part carries its type and length.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        digest.update(struct.pack("<cI", type(part).__name__[0].encode(), len(raw)))
        digest.update(raw)
    return int.from_bytes(digest.digest(), "little") >> 1  # 63 bits: fits SQLite's and torch's signed integers


class Stream:
    """Random draws for one named purpose."""

    def __init__(self, *parts: Part) -> None:
        self._key = struct.pack("<Q", key(*parts))
        self._counter = 0
        self._words: list[int] = []

    def word(self) -> int:
        """A uniform integer in [0, 2**64)."""
        if not self._words:
            block = hashlib.blake2b(struct.pack("<Q", self._counter), key=self._key).digest()
            self._words = list(struct.unpack("<8Q", block))
            self._counter += 1
        return self._words.pop()

    def below(self, n: int) -> int:
        """A uniform integer in [0, n); the bias of multiply-and-shift is below n / 2**64."""
        return (self.word() * n) >> 64

    def unit(self) -> float:
        """A uniform multiple of 2**-53 in [0, 1)."""
        return (self.word() >> 11) * 2.0**-53

    def chance(self, probability: float) -> bool:
        return self.unit() < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """One of `options` with probability proportional to its non-negative weight."""
        mark = self.unit() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            mark -= weight
            if mark < 0:
                return option
        return options[-1]

    def permutation(self, n: int) -> list[int]:
        """Fisher-Yates."""
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order
