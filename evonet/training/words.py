"""Random words for data: counter-based, the same on every machine and library version."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def mix(counter: Words, *, seed: int) -> Words:
    """Uniform 64-bit words, a pure function of counter and seed, the same on every machine and library version.

    splitmix64's output function: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    z = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fractions(count: int, *, seed: int) -> npt.NDArray[np.uint16]:
    """`count` uniform integers in [0, 65536)."""
    words = mix(np.arange(-(-count // 4), dtype=np.uint64), seed=seed)
    return words.astype("<u8").view("<u2")[:count].astype(np.uint16, copy=False)


def bits(count: int, *, seed: int) -> npt.NDArray[np.uint8]:
    """`count` fair coins, 0 or 1."""
    words = mix(np.arange(-(-count // 64), dtype=np.uint64), seed=seed)
    return np.unpackbits(words.astype("<u8").view(np.uint8), count=count)


def permutation(count: int, *, seed: int) -> npt.NDArray[np.int64]:
    """A uniform permutation of 0..count - 1."""
    return np.argsort(mix(np.arange(count, dtype=np.uint64), seed=seed), kind="stable")
