"""A codebook of up to 16 levels that fit the weights, found with the cost of naming them in view.

Lloyd's algorithm with an entropy constraint: Chou, Lookabaugh and Gray 1989. Before an entropy coder, levels of equal
mass are bad ones; these start on the uniform grid and move to the means of what they stand for.
"""

import numpy as np

from evonet.compression.codes.base import Block, Rounding, Weights
from evonet.compression.codes.grid import rounded
from evonet.package import STEPS, Book

LEVELS = 16
ITERATIONS = 12


def encode(weights: Weights, step: int, rounding: Rounding, block: Block | None = None) -> Book | None:
    """None where the grid of `step` has one level or more than 16."""
    del block
    flat, size = weights.ravel().astype(np.float64), float(STEPS[step])
    levels = np.unique(rounded(flat / size, rounding)) * size
    if not 2 <= len(levels) <= LEVELS:
        return None
    for _ in range(ITERATIONS):
        index = _nearest(flat, levels, rounding.price * size * size)
        used = np.unique(index)
        levels = np.sort([flat[index == k].mean() for k in used])
        if len(levels) < 2:
            return None
    halves = np.unique(levels.astype(np.float16))
    codes = np.abs(flat[:, None] - halves.astype(np.float64)).argmin(1)
    used, codes = np.unique(codes, return_inverse=True)
    if len(used) < 2:
        return None
    return Book(levels=halves[used], codes=codes.astype(np.int16).reshape(weights.shape))


def _nearest(flat: np.ndarray, levels: np.ndarray, price: float) -> np.ndarray:
    """The level of least squared error plus price times bits, bits as often as the nearest levels are taken."""
    errors = np.square(flat[:, None] - levels)
    counts = np.bincount(errors.argmin(1), minlength=len(levels)) + 1
    bits: np.ndarray = np.log2(counts.sum() / counts)
    return np.asarray((errors + price * bits).argmin(1))
