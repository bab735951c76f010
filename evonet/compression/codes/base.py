"""What all codes have in common: the interface, and steps on the ladder of the format."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evonet.package import STEPS, Coded

Weights = NDArray[np.float32]
Codes = NDArray[np.int16]
Block = tuple[int, int]  # rows and columns of the places that a tensor's last axis goes through, where it does


class Rounding(NamedTuple):
    """How a weight between two codes is rounded."""

    dead_zone: float = 0.0  # steps by which the zero bin is wider on each side
    price: float = 0.0  # squared steps of error that one bit is worth; 0: the nearest code


#: (weights, step as an index into STEPS, rounding, block) -> codes, or None where the code does not fit the tensor.
Encode = Callable[[Weights, int, Rounding, Block | None], Coded | None]

_LOG_STEPS = np.log2(np.asarray(STEPS, dtype=np.float64))


def nearest_step(size: float) -> int:
    """The index of the step of the format that is nearest to `size` on the log scale."""
    return int(np.abs(_LOG_STEPS - np.log2(max(size, 1e-12))).argmin())


def clamp_step(step: int) -> int:
    return min(max(step, 0), len(STEPS) - 1)


def first_step(weights: NDArray[Any]) -> int:
    """Where no step is known: half a root mean square of the tensor, but no tiny one, as biases start at zero."""
    return nearest_step(max(0.5 * float(np.sqrt(np.mean(np.square(weights, dtype=np.float64)))), 0.025))
