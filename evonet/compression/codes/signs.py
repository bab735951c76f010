"""One scale for all weights of a tensor: signs alone, or signs and zeros.

The best scale of given signs is the mean size of the weights that have one: Rastegari et al. 2016, XNOR-Net, section
3.1; Li et al. 2016, Ternary weight networks, equation 5. In the file both are a uniform grid whose codes happen to be
small; its counts learn that after a few weights.
"""

import numpy as np

from evonet.compression.codes.base import Block, Rounding, Weights, nearest_step
from evonet.package import STEPS, Quantised


def ternary(weights: Weights, step: int, rounding: Rounding, block: Block | None = None) -> Quantised:
    """`step` sets the threshold, as it would on a grid; the scale follows from what lies beyond it."""
    del block
    beyond = np.abs(weights) >= (0.5 + rounding.dead_zone) * STEPS[step]
    return _scaled(weights, np.where(beyond, np.sign(weights), 0))


def sign(weights: Weights, step: int, rounding: Rounding, block: Block | None = None) -> Quantised:
    del step, rounding, block
    return _scaled(weights, np.where(weights < 0, -1, 1))


def _scaled(weights: Weights, codes: Weights) -> Quantised:
    size = np.abs(weights[codes != 0])
    return Quantised(step=nearest_step(float(size.mean())) if size.size else 0, codes=codes.astype(np.int16))
