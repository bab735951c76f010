"""Batches from in-memory images, in an order that depends on a seed alone."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.training.data import DataSet


class Images:
    """A part of a data set as tensors: `images` stay uint8 and become float32 in [0, 1] batch by batch."""

    def __init__(self, images: Tensor, labels: Tensor, *, scale: float) -> None:
        """`images`: (n, channels, height, width) uint8; `labels`: (n,); `scale`: the pixel value that means 1.0."""
        # The stride of a dimension of size 1 is free, arrays from another process have another one, and torch picks its
        # convolution by it: one layout for all, or the bits would depend on where the images came from.
        self.images, self.labels, self.scale = images.reshape(-1).reshape(images.shape), labels.long(), scale

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, n: int) -> "Images":
        """At most n images, evenly spaced: sorted data sets give every class its share."""
        n = min(n, len(self))
        index = torch.arange(n) * len(self) // n
        return Images(self.images[index], self.labels[index], scale=self.scale)

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in order."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.images[part].float() / self.scale, self.labels[part]

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless shuffled epochs of full batches; the last, shorter one of an epoch is left out.

        A part with fewer than `size` images gives itself, whole.
        """
        size = min(size, len(self))
        while True:
            order = torch.randperm(len(self), generator=generator)
            for start in range(0, len(self) - size + 1, size):
                index = order[start : start + size]
                yield self.images[index].float() / self.scale, self.labels[index]


def shifted(x: Tensor, by: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random offset in [-by, by] along both axes, zeros coming in."""
    n, _, height, width = x.shape
    dy, dx = torch.randint(0, 2 * by + 1, (2, n), generator=generator).to(x.device)
    rows = (torch.arange(height, device=x.device) + dy[:, None])[:, None, :, None]
    columns = (torch.arange(width, device=x.device) + dx[:, None])[:, None, None, :]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    image = torch.arange(n, device=x.device)[:, None, None, None]
    return F.pad(x, (by, by, by, by))[image, channel, rows, columns]


def images_of(
    data: DataSet, split: Literal["train", "calibration", "validation", "choice", "test"], device: str = "cpu"
) -> Images:
    """One split of a data set as tensors of their own; the data set's arrays stay as they are."""
    index = getattr(data.splits, split)
    images, labels = torch.from_numpy(data.images[index]), torch.from_numpy(data.labels[index])
    return Images(images.to(device), labels.to(device), scale=data.scale)
