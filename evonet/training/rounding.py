"""Rounding to a grid of steps, as training sees it: forward rounded, backward straight through.

Bengio et al. 2013, arXiv:1308.3432, section 4 (straight-through estimator).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from evonet.package.models import LARGEST


class Grid(NamedTuple):
    """How every weight of the flat vector is rounded; float32 tensors of its shape, or of one number for all.

    A step of 0 leaves its weight as it is: those of codes that are no grid, which are found after each round.
    """

    step: Tensor
    dead_zone: float  # steps by which the zero bin is wider on each side
    least: Tensor | float = 0.0  # |code| at least: 1 where a code has signs alone
    most: Tensor | float = float(LARGEST)  # |code| at most: 1 for signs and ternary codes
    scale: Tensor | None = None  # what a code of 1 is worth, where it is not the step that weights are rounded by

    def to(self, device: torch.device) -> "Grid":
        least, most = (b.to(device) if isinstance(b, Tensor) else b for b in (self.least, self.most))
        scale = None if self.scale is None else self.scale.to(device)
        return Grid(self.step.to(device), self.dead_zone, least, most, scale)


def round_codes(theta: Tensor, grid: Grid) -> Tensor:
    """Integer codes as floats, |code| within [least, most].

    The dead zone widens the zero bin alone: |w| < (0.5 + dead zone) steps becomes 0, all else rounds to nearest.
    """
    scaled = theta / grid.step
    size = scaled.abs()
    codes = torch.where(size < 0.5 + grid.dead_zone, torch.zeros_like(size), torch.round(size))
    codes = torch.minimum(torch.maximum(codes, _like(codes, grid.least)), _like(codes, grid.most))
    return torch.where(scaled < 0, -codes, codes)


def straight_through(theta: Tensor, grid: Grid) -> Tensor:
    """The rounded weights, with the gradient of `theta`."""
    with torch.no_grad():
        scale = grid.step if grid.scale is None else grid.scale
        rounded = torch.where(grid.step > 0, round_codes(theta, grid) * scale, theta)
        offset = rounded - theta
    return theta + offset


def reach(grid: Grid) -> Tensor:
    """The largest size of a weight that a code stands for; infinite where the grid leaves weights as they are."""
    return torch.where(grid.step > 0, grid.step * grid.most, torch.inf)


def rate_bits(theta: Tensor, grid: Grid) -> Tensor:
    """A smooth estimate of the code's length in bits: sum of log2(1 + (w / step)^2) over what lies on a grid.

    About two bits per octave of |w|, the slope of a universal code for signed integers (sign and magnitude), with no
    kink at zero.
    """
    inverse = torch.where(grid.step > 0, 1 / grid.step, torch.zeros_like(grid.step))
    return torch.log2(1 + (theta * inverse).square()).sum()


def _like(codes: Tensor, bound: Tensor | float) -> Tensor:
    return bound if isinstance(bound, Tensor) else codes.new_tensor(bound)
