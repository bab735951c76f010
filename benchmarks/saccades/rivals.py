"""A blob detector and a CNN on its crop: the cheapest way to look in one place, without learning where."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from ladder import Classifier, Cnn, Spec, padded
from torch import Tensor

CROP = 32  # pixels
POOL, WINDOW = 4, 7  # ink is pooled 4x4, a window of 7x7 of those is as large as a digit
INK = 0.25  # mean of 4x4 pixels from which they count as ink


class BlobCrop(Classifier):
    """The 32x32 pixels around the densest window of ink, read by a small CNN; the same cost at every image size."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Cnn(Spec((16, 32, 64)))

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        del boxes
        logits: Tensor = self.reader(crops(images, densest(images), CROP))
        return logits


def densest(images: Tensor) -> Tensor:
    """The middles (B, 2), in pixels, of the 28x28 windows with most inked 4x4 blocks; ties go to the first."""
    ink = (F.avg_pool2d(padded(images, POOL), POOL) > INK).float()
    density = F.avg_pool2d(ink, WINDOW, stride=1)
    best = density.flatten(1).argmax(1)
    columns = density.shape[3]
    corner = torch.stack([best.div(columns, rounding_mode="floor"), best % columns], dim=1)
    return corner * POOL + WINDOW * POOL // 2


def crops(images: Tensor, middles: Tensor, size: int) -> Tensor:
    """(B, C, size, size) around `middles` (B, 2), moved so that they lie within the images."""
    sides = torch.tensor(images.shape[2:], device=images.device)
    corner = torch.minimum((middles - size // 2).clamp(min=0), sides - size)
    steps = torch.arange(size, device=images.device)
    rows, columns = (corner[:, k, None] + steps for k in (0, 1))
    image = torch.arange(len(images), device=images.device)[:, None, None]
    return images[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
