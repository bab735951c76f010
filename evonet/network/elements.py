"""The set of a SaccadeSet: features of positions with their coordinates, weighted, pooled per image."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from evonet.plan.saccade import BANDS
from evonet.plan.types import SaccadePlan, Shape


@dataclass(frozen=True)
class Elements:
    """The positions of some cells, without those that lie outside the eye's last sheet."""

    features: Tensor  # (positions, channels)
    image: Tensor  # (positions,) int64
    weight: Tensor  # (positions,): a cell's, shared evenly
    place: Tensor  # (positions, 2): row and column of the centre, in pixels; none where coordinates are


def elements(
    blocks: Tensor, image: Tensor, cell: Tensor, weight: Tensor, saccade: SaccadePlan, last: Shape
) -> Elements:
    """Of blocks (looks, channels, side, side). `last`: the shape of the eye's last sheet on the whole image."""
    n = saccade.steps[-1]
    features = blocks.permute(0, 2, 3, 1).flatten(0, 2)
    image, weight = (v[:, None].expand(-1, n * n).flatten() for v in (image, weight / n**2))
    whole = all(grid * n == side for grid, side in zip(saccade.grid, last[1:], strict=True))
    if whole and saccade.coordinates == "none":
        return Elements(features, image, weight, features.new_empty(0, 2))
    place = _places(cell, n, saccade.grid[1])
    pixels = (place + 0.5) * (saccade.cell / n)
    if whole:
        return Elements(features, image, weight, pixels.to(blocks.dtype))
    inside = (place[:, 0] < last[1]) & (place[:, 1] < last[2])
    share = inside.view(-1, n * n).to(weight.dtype).mean(1).repeat_interleave(n * n)
    kept = inside.nonzero()[:, 0]
    return Elements(features[kept], image[kept], (weight / share)[kept], pixels[kept].to(blocks.dtype))


def _places(cell: Tensor, n: int, columns: int) -> Tensor:
    """(looks x n x n, 2) int64: row and column of every position of the cells, in the eye's last sheet."""
    along = torch.arange(n, device=cell.device)
    row = (cell // columns * n)[:, None] + along
    column = (cell % columns * n)[:, None] + along
    return torch.stack(
        (row[:, :, None].expand(-1, -1, n).flatten(), column[:, None, :].expand(-1, n, -1).flatten()), dim=1
    )


def located(at: Elements, saccade: SaccadePlan, size: tuple[int, int], origin: Tensor | None, images: int) -> Tensor:
    """(positions, coordinates + channels). `origin`: (images, 2) pixels that relative coordinates count from.

    xy: (y, x) in [-1, 1] over the image. fourier: sine and cosine of pi 2^k (y, x), k < 4 (Tancik et al. 2020,
    "Fourier features", section 3, on a grid of frequencies). relative: cells from the last look, or where all looks
    are one, from their weighted centre.
    """
    if saccade.coordinates == "none":
        return at.features
    if saccade.coordinates == "relative":
        if origin is None:
            origin = pooled_mean(at.place, at.image, at.weight.detach(), images)
        return torch.cat(((at.place - origin[at.image]) / saccade.cell, at.features), dim=1)
    xy = 2 * at.place / at.place.new_tensor(size) - 1
    if saccade.coordinates == "xy":
        return torch.cat((xy, at.features), dim=1)
    angles = torch.cat([pi * 2**k * xy for k in range(BANDS)], dim=1)
    return torch.cat((angles.sin(), angles.cos(), at.features), dim=1)


def pooled_mean(features: Tensor, image: Tensor, weight: Tensor, images: int) -> Tensor:
    """(positions, channels) -> (images, channels): the weighted sum of every image's positions."""
    total = features.new_zeros(images, features.shape[1])
    return total.index_add(0, image, features * weight[:, None])


def pooled_max(features: Tensor, image: Tensor, images: int) -> Tensor:
    """(positions, channels) -> (images, channels): the largest of every image's positions; each has one at least."""
    lowest = features.new_full((images, features.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, image[:, None].expand_as(features), features, "amax")
