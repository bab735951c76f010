"""Where to look without learning: cells from the image alone, or from the box. The bounds of every learned selector."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from ladder import padded
from torch import Tensor

from evonet.training.boxes import shared
from evonet.training.draws import words


def random_scores(images: Tensor, boxes: Tensor, cell: int) -> Tensor:
    """Noise (B, rows, columns) that is a function of the image: the same cells whenever it is shown, without state."""
    del boxes
    rows, columns = (-(-side // cell) for side in images.shape[2:])
    factors = words(torch.arange(images[0].numel(), device=images.device), 0)
    content = ((images.flatten(1) * 255).round().long() * factors).sum(1)
    noise = words(torch.arange(rows * columns, device=images.device), content[:, None])
    return (noise >> 40).float().view(-1, rows, columns)


def centre_scores(images: Tensor, boxes: Tensor, cell: int) -> Tensor:
    """Minus the squared distance, in cells, from the middle of the grid."""
    del boxes
    lines = [torch.arange(-(-side // cell), device=images.device).float() for side in images.shape[2:]]
    y, x = ((line - (len(line) - 1) / 2).square() for line in lines)
    return -(y[:, None] + x).expand(len(images), -1, -1)


def ink_scores(images: Tensor, boxes: Tensor, cell: int) -> Tensor:
    """Mean brightness of each cell."""
    del boxes
    return F.avg_pool2d(padded(images, cell), cell)[:, 0]


def oracle_scores(images: Tensor, boxes: Tensor, cell: int) -> Tensor:
    """Pixels of the digit's box in each cell, then nearness to its middle."""
    rows, columns = (-(-side // cell) for side in images.shape[2:])
    overlap = shared(boxes, (rows, columns), cell).float()
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    y, x = (
        (torch.arange(cells, device=images.device) * cell + cell / 2 - middles[:, axis, None]).square()
        for axis, cells in enumerate((rows, columns))
    )
    distance = y[:, :, None] + x[:, None, :]
    return overlap - distance / (1 + distance)  # below one pixel, so that overlap goes first


SCORES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "random": random_scores,
    "centre": centre_scores,
    "ink": ink_scores,
    "oracle": oracle_scores,
}


def ranked(scores: Tensor) -> Tensor:
    """Scores (B, rows, columns) as ranks (B, cells), from 4 for the best down to -4; equal ones by place.

    The core compares classes by log-odds, which round large scores to the same number.
    """
    order = scores.flatten(1).argsort(dim=1, descending=True, stable=True)
    return torch.linspace(4, -4, order.shape[1], device=scores.device).expand_as(order).gather(1, order.argsort(1))
