"""Corruptions by drawing: stripes, lines and edges. Conventions as in `evonet.training.lights`.

What crosses a 28x28 digit once crosses a larger image once every 28 pixels.
"""

from __future__ import annotations

from math import ceil, hypot

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.training.draws import unit, words
from evonet.training.lights import DIGIT, blurred

DRIFT = 5  # pixels that a zigzag goes down or up, at most, on its way across a digit
TOOTH = 2  # pixels from the middle of a zigzag to its points
MARGIN = 2  # pixels left free at both ends of a zigzag
THICK = 1.5  # pixels from the middle of a line to where its ink ends; it is full within half a pixel
EDGE = 0.1, 0.2  # gradients (a step from black to white is 1) that may be, and that surely are, an edge


def stripe(x: Tensor, seeds: Tensor) -> Tensor:
    """The outer quarters of every 28 columns inverted."""
    del seeds
    place = torch.arange(x.shape[3], device=x.device) % DIGIT
    return torch.where((place < DIGIT // 4) | (place >= DIGIT - DIGIT // 4), 1 - x, x)


def dotted_line(x: Tensor, seeds: Tensor) -> Tensor:
    """Straight lines from any row at the left edge to any at the right, two columns on and two off."""
    height, width = x.shape[2:]
    ends = _uniform(seeds, x, 2) * (height - 1)
    column = torch.arange(width, device=x.device)
    slope = (ends[..., 1:] - ends[..., :1]) / max(1, width - 1)
    middle = ends[..., :1] + slope * column
    on = (column // 2 % 2 == 1).expand_as(middle)
    return x + _drawn(x, middle, on, steepest=(height - 1) / max(1, width - 1))


def zigzag(x: Tensor, seeds: Tensor) -> Tensor:
    """Zigzags across the image, their points 2 pixels off a middle that goes up or down a little."""
    height, width = x.shape[2:]
    u = _uniform(seeds, x, 2)
    column = torch.arange(width, device=x.device)
    slope = (2 * u[..., 1:] - 1) * DRIFT / DIGIT
    tooth = TOOTH - (column % (4 * TOOTH) - 2 * TOOTH).abs()  # a triangle wave of slope 1
    middle = u[..., :1] * (height - 1) + slope * column + tooth
    on = ((column >= MARGIN) & (column < width - MARGIN)).expand_as(middle)
    return x + _drawn(x, middle, on, steepest=1 + DRIFT / DIGIT)


def _uniform(seeds: Tensor, x: Tensor, draws: int) -> Tensor:
    """(B, lines, draws) in [0, 1): as many lines as digits lie above each other."""
    lines = max(1, round(x.shape[2] / DIGIT))
    counter = torch.arange(lines * draws, device=x.device)
    return unit(words(counter, seeds[:, None])).reshape(len(x), lines, draws)


def _drawn(x: Tensor, middle: Tensor, on: Tensor, *, steepest: float) -> Tensor:
    """(B, 1, H, W): the ink of lines whose middle in each column is the row `middle` (B, lines, W), where `on`."""
    height, width = x.shape[2:]
    slant = hypot(1.0, steepest)
    reach = ceil(THICK * slant)
    steps = torch.arange(-reach, reach + 1, device=x.device)
    row = middle.round()[..., None] + steps
    ink = (THICK - (row - middle[..., None]).abs() / slant).clamp(0, 1) * on[..., None]
    ink = ink * ((row >= 0) & (row < height))
    place = row.long().clamp(0, height - 1) * width + torch.arange(width, device=x.device)[:, None]
    out = torch.zeros(len(x), height * width, device=x.device)
    return out.scatter_reduce_(1, place.flatten(1), ink.flatten(1), "amax").view(len(x), 1, height, width)


def canny_edges(x: Tensor, seeds: Tensor) -> Tensor:
    """Canny's edges (1986) in place of the image: smoothed by 1 pixel, thinned, and those joined to a sure one kept."""
    del seeds
    down, right = _slopes(blurred(x, 1.0))
    steep = torch.sqrt(down.square() + right.square())
    thin = torch.where(_crest(steep, down, right), steep, 0.0)
    maybe, sure = thin > EDGE[0], thin > EDGE[1]
    while True:
        grown = _grown(sure) & maybe
        if torch.equal(grown, sure):
            return sure.float()
        sure = grown


def _grown(at: Tensor) -> Tensor:
    """True where any of the nine pixels around is."""
    wide = F.pad(at, (1, 1, 1, 1))
    tall = wide[..., :-2, :] | wide[..., 1:-1, :] | wide[..., 2:, :]
    return tall[..., :-2] | tall[..., 1:-1] | tall[..., 2:]


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's gradients down and to the right; a step from 0 to 1 has 1."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    smooth_across = (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 4
    smooth_down = (wide[..., :-2, :] + 2 * wide[..., 1:-1, :] + wide[..., 2:, :]) / 4
    return smooth_across[..., 2:, :] - smooth_across[..., :-2, :], smooth_down[..., 2:] - smooth_down[..., :-2]


def _crest(steep: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Whether a pixel is no less steep than its neighbours along its gradient, to the nearest of four directions."""
    wide, (height, width) = F.pad(steep, (1, 1, 1, 1)), steep.shape[2:]

    def beside(dy: int, dx: int) -> Tensor:
        one, other = (wide[..., 1 + s * dy :, 1 + s * dx :][..., :height, :width] for s in (1, -1))
        return torch.maximum(one, other)

    flat, tall = down.abs() * 2.414 < right.abs(), down.abs() > right.abs() * 2.414  # tan 67.5
    falling = torch.where(down * right > 0, beside(1, 1), beside(1, -1))
    return steep >= torch.where(flat, beside(0, 1), torch.where(tall, beside(1, 0), falling))
