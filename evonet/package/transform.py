"""The orthonormal two-dimensional DCT-II of blocks: coefficients out of weights, and weights out of codes in integers.

A block of (rows, columns) is the `rows * columns` entries of a stretch of the last axis, read row by row; the axis is
such stretches, one after another. Coefficient (u, v) lies where entry (u, v) of its block did.
"""

from functools import cache
from math import cos, pi, sqrt

import numpy as np
from numpy.typing import NDArray

#: Rows and columns of a block are 1..LARGEST_SIDE.
LARGEST_SIDE = 15
BASIS_BITS = 14

Block = tuple[int, int]


def basis(size: int) -> list[list[float]]:
    """Row u is the u-th cosine of `size` points: sqrt(2 / size) cos(pi (2x + 1) u / 2 size), row 0 over sqrt 2."""
    scales = [sqrt((1 if u == 0 else 2) / size) for u in range(size)]
    return [[scales[u] * cos(pi * (2 * x + 1) * u / (2 * size)) for x in range(size)] for u in range(size)]


@cache
def integer_basis(size: int) -> tuple[tuple[int, ...], ...]:
    """The basis in units of 2**-14. No entry lies near a rounding boundary (a test), so every libm gives the same."""
    return tuple(tuple(round(value * 2**BASIS_BITS) for value in row) for row in basis(size))


def forward(weights: NDArray[np.floating], block: Block) -> NDArray[np.float64]:
    """float64 coefficients of `weights`, of their shape; the last axis a multiple of rows * columns long."""
    rows, columns = (np.array(basis(side)) for side in block)
    stacked = weights.astype(np.float64).reshape(-1, *block)
    coefficients: NDArray[np.float64] = (rows @ stacked @ columns.T).reshape(weights.shape)
    return coefficients


def inverse(codes: NDArray[np.integer], block: Block) -> NDArray[np.int64]:
    """What coefficients `codes`, |code| <= 127, stand for, in units of 2**-28: exact, below 2**43, of their shape."""
    rows, columns = (np.array(integer_basis(side), dtype=np.int64) for side in block)
    stacked = codes.astype(np.int64).reshape(-1, *block)
    values: NDArray[np.int64] = (rows.T @ stacked @ columns).reshape(codes.shape)
    return values
