"""A uniform step, a zero bin that is wider, and rounding that knows what codes cost.

Rate-distortion-optimised quantisation as in Wiedemann et al. 2020, DeepCABAC, section IV: each weight takes the code
of least squared error plus price times bits among the nearest, the next toward zero, and zero.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonet.compression.codes.base import Block, Codes, Rounding, Weights
from evonet.package import STEPS, Quantised
from evonet.package.cost import magnitude_bits
from evonet.package.models import LARGEST


def encode(weights: Weights, step: int, rounding: Rounding, block: Block | None = None) -> Quantised:
    del block
    return Quantised(step=step, codes=rounded(weights / STEPS[step], rounding))


def rounded(scaled: NDArray[Any], rounding: Rounding) -> Codes:
    """Codes of weights in units of their step."""
    size = np.abs(scaled)
    codes = np.where(size < 0.5 + rounding.dead_zone, 0, np.minimum(np.rint(size), LARGEST)).astype(np.int16)
    if rounding.price:
        codes = _cheapest(size, codes, rounding.price)
    return np.where(scaled < 0, -codes, codes).astype(np.int16)


def _cheapest(size: NDArray[Any], codes: Codes, price: float) -> Codes:
    # Bits after codes as they were: the cheaper ones become cheaper still, so one pass falls short of the optimum and
    # never overshoots it.
    bits = magnitude_bits(codes)
    best, least = codes, np.square(size - codes) + price * bits[codes]
    for other in (np.maximum(codes - 1, 0), np.zeros_like(codes)):
        cost = np.square(size - other) + price * bits[other]
        best, least = np.where(cost < least, other, best), np.minimum(cost, least)
    return best.astype(np.int16)
