"""Corruptions that move pixels: affine maps and blurs. Conventions as in `evonet.training.lights`.

Maps are about the middle of the whole image and bilinear; zeros come in, and what leaves the image is lost.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, exp, radians, sin

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.training.draws import LEVELS, high, pixels, words
from evonet.training.lights import blurred

SHEAR = 0.4  # pixels to the side for one down
SCALE = 0.7
ROTATION = 0.4  # radians, 23 degrees
SHIFT = 3  # pixels
BLUR, TRAIL = 3.0, 10  # pixels: deviation and length of the trail of motion
STEEPEST = 45  # degrees of motion from the horizontal
GLASS = 0.7  # pixels: deviation before and after the pixels are mixed


def shear(x: Tensor, seeds: Tensor) -> Tensor:
    """Rows moved to the left or right, ever farther from the middle row."""
    one = torch.ones(len(x), device=x.device)
    return _mapped(x, one, SHEAR * _sign(seeds, 0), 0 * one, one)


def scale(x: Tensor, seeds: Tensor) -> Tensor:
    """Shrunk to 0.7 of the sides."""
    del seeds
    same = torch.full((len(x),), 1 / SCALE, device=x.device)
    return _mapped(x, same, 0 * same, 0 * same, same)


def rotate(x: Tensor, seeds: Tensor) -> Tensor:
    """By 0.4 radians, either way."""
    way = _sign(seeds, 0)
    along = torch.full_like(way, cos(ROTATION))
    return _mapped(x, along, -sin(ROTATION) * way, sin(ROTATION) * way, along)


def _mapped(x: Tensor, xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor) -> Tensor:
    """Pixel (x, y) from the middle is what was at (xx x + xy y, yx x + yy y)."""
    height, width = x.shape[2:]
    down = (torch.arange(height, device=x.device) - (height - 1) / 2)[None, :, None]
    right = (torch.arange(width, device=x.device) - (width - 1) / 2)[None, None, :]
    across = xx[:, None, None] * right + xy[:, None, None] * down
    along = yx[:, None, None] * right + yy[:, None, None] * down
    # `grid_sample` counts in half sides from the middle.
    grid = torch.stack([across * (2 / width), along * (2 / height)], dim=-1)
    return F.grid_sample(x, grid, align_corners=False)


def translate(x: Tensor, seeds: Tensor) -> Tensor:
    """By 3 pixels down or up and 3 to the left or right."""
    corners = torch.stack([SHIFT + SHIFT * _sign(seeds, k).long() for k in (0, 1)], dim=1)
    return _windows(F.pad(x, (SHIFT,) * 4), corners, x.shape[2], x.shape[3])


def motion_blur(x: Tensor, seeds: Tensor) -> Tensor:
    """A trail of 10 pixels in a direction within 45 degrees of the horizontal, fading as a Gaussian of 3 pixels."""
    angle = high(words(torch.zeros_like(seeds), seeds), 2 * STEEPEST + 1)
    steps = _trails(str(x.device))[angle]
    weights = [exp(-(t * t) / (2 * BLUR * BLUR)) for t in range(TRAIL + 1)]
    wide, out = F.pad(x, (TRAIL,) * 4, mode="replicate"), torch.zeros_like(x)
    for t, weight in enumerate(weights):
        out += weight / sum(weights) * _windows(wide, steps[:, t], x.shape[2], x.shape[3])
    return out


@lru_cache(maxsize=4)
def _trails(device: str) -> Tensor:
    """(directions, TRAIL + 1, 2): whole pixels down and right along each direction, from the corner of the padding."""
    angles = [radians(a - STEEPEST) for a in range(2 * STEEPEST + 1)]
    rows = [[(TRAIL + round(t * sin(a)), TRAIL + round(t * cos(a))) for t in range(TRAIL + 1)] for a in angles]
    return torch.tensor(rows, device=device)


def glass_blur(x: Tensor, seeds: Tensor) -> Tensor:
    """Smoothed, every pixel replaced by one of its nine neighbours (itself is one), twice, and smoothed again.

    Hendrycks & Dietterich 2019 swap neighbours one after the other; here all look at once, so some are seen twice.
    """
    x = blurred(x, GLASS)
    height, width = x.shape[2:]
    rows, columns = torch.arange(height, device=x.device)[:, None], torch.arange(width, device=x.device)
    for time in range(2):
        way = pixels(seeds, (height, width), stream=time) * 9 // LEVELS
        row, column = (rows + way // 3 - 1).clamp(0, height - 1), (columns + way % 3 - 1).clamp(0, width - 1)
        place = (row * width + column).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        x = x.flatten(2).gather(2, place).view_as(x)
    return blurred(x, GLASS)


def _windows(wide: Tensor, corners: Tensor, height: int, width: int) -> Tensor:
    """The windows (height, width) of padded images (B, C, ., .) that begin at `corners` (B, 2)."""
    pairs = zip(wide, corners.tolist(), strict=True)
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in pairs])


def _sign(seeds: Tensor, draw: int) -> Tensor:
    """-1.0 or 1.0 for each image."""
    return 2.0 * high(words(torch.full_like(seeds, draw), seeds), 2) - 1
