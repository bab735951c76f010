"""Rounding to a grid of steps, as training sees it: forward rounded, backward straight through.

Bengio et al. 2013, arXiv:1308.3432, section 4 (straight-through estimator).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from evonet.package.models import LARGEST


class Grid(NamedTuple):
    """A step per weight (flat, float32) and how much wider the zero bin is, in steps on each side."""

    step: Tensor
    dead_zone: float


def round_codes(theta: Tensor, grid: Grid) -> Tensor:
    """Integer codes as floats, in [-127, 127], as the package format holds.

    The dead zone widens the zero bin alone: |w| < (0.5 + dead zone) steps becomes 0, all else rounds to nearest.
    """
    scaled = theta / grid.step
    codes = torch.round(scaled).clamp(-LARGEST, LARGEST)
    return torch.where(scaled.abs() < 0.5 + grid.dead_zone, torch.zeros_like(codes), codes)


def straight_through(theta: Tensor, grid: Grid) -> Tensor:
    """The rounded weights, with the gradient of `theta`."""
    with torch.no_grad():
        offset = round_codes(theta, grid) * grid.step - theta
    return theta + offset


def rate_bits(theta: Tensor, grid: Grid) -> Tensor:
    """A smooth estimate of the code's length in bits: sum of log2(1 + (w / step)^2).

    About two bits per octave of |w|, the slope of a universal code for signed integers (sign and magnitude), with no
    kink at zero.
    """
    return torch.log2(1 + (theta / grid.step).square()).sum()
