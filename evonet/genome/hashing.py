"""Tap keys: a counter-based integer hash, frozen for format 1. Golden taps are under test.

Nothing here may change: a changed key is a changed network for every genome ever written.
"""

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def tap_keys(seed: int, dy: NDArray[np.int64], dx: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One key in [0, 2**32) per offset: SplitMix64 (Steele et al. 2014) of (seed, dy, dx), upper half."""
    packed = (
        (np.uint64(seed) << np.uint64(32))
        | ((dy + 128).astype(np.uint64) << np.uint64(16))
        | (dx + 128).astype(np.uint64)
    )
    with np.errstate(over="ignore"):
        z = packed * _GOLDEN + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX1
        z = (z ^ (z >> np.uint64(27))) * _MIX2
    return (z ^ (z >> np.uint64(31))) >> np.uint64(32)
