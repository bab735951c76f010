"""Images in memory, and batches of them by number: which images a step sees depends on the seed and the step alone."""

from collections.abc import Iterator
from math import pi
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet import seeds
from evonet.training.data import DataSet
from evonet.training.settings import TrainingSettings


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
        return self.take(torch.arange(n) * len(self) // n)

    def take(self, index: Tensor) -> "Images":
        return Images(self.images[index], self.labels[index], scale=self.scale)

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in order."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.images[part].float() / self.scale, self.labels[part]


class Batches:
    """Endless shuffled epochs of full batches; the last, shorter one of an epoch is left out.

    A part with fewer than `size` images gives itself, whole. Batch n is a function of (images, size, seed, n), so that
    a training can go on anywhere.
    """

    def __init__(self, images: Images, size: int, seed: int) -> None:
        self.images, self.size, self.seed = images, min(size, len(images)), seed
        self.per_epoch = len(images) // self.size
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = torch.randperm(len(self.images), generator=_generator(self.seed, "batches", epoch))
        index = self._order[place * self.size : (place + 1) * self.size]
        return self.images.images[index].float() / self.images.scale, self.images.labels[index]


def augmented(x: Tensor, settings: TrainingSettings, seed: int, step: int) -> Tensor:
    """Each image moved, turned and scaled by its own random amounts, as far as `settings` say; zeros come in."""
    generator = _generator(seed, "augment", step)
    if settings.rotation or settings.scaling:
        return _turned(x, settings, generator)
    return shifted(x, settings.shift, generator) if settings.shift else x


def shifted(x: Tensor, by: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random offset in [-by, by] along both axes, zeros coming in."""
    n, _, height, width = x.shape
    dy, dx = torch.randint(0, 2 * by + 1, (2, n), generator=generator).to(x.device)
    rows = (torch.arange(height, device=x.device) + dy[:, None])[:, None, :, None]
    columns = (torch.arange(width, device=x.device) + dx[:, None])[:, None, None, :]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    image = torch.arange(n, device=x.device)[:, None, None, None]
    return F.pad(x, (by, by, by, by))[image, channel, rows, columns]


def _turned(x: Tensor, settings: TrainingSettings, generator: torch.Generator) -> Tensor:
    """Bilinear, about the middle of the image."""
    n, _, height, width = x.shape
    angle, size, dy, dx = 2 * torch.rand(4, n, generator=generator) - 1
    angle, size = angle * settings.rotation * pi / 180, 1 + size * settings.scaling
    cos, sin = angle.cos() / size, angle.sin() / size
    # `affine_grid` maps places of the result to places of the image, in units of half its sides.
    dy, dx = 2 * settings.shift * dy / height, 2 * settings.shift * dx / width
    rows = (cos, -sin * (height / width), dx), (sin * (width / height), cos, dy)
    theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1).to(x.device)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _generator(*parts: int | str) -> torch.Generator:
    return torch.Generator().manual_seed(seeds.key(*parts))


def images_of(
    data: DataSet, split: Literal["train", "calibration", "validation", "choice", "test"], device: str = "cpu"
) -> Images:
    """One split of a data set as tensors of their own; the data set's arrays stay as they are."""
    index = getattr(data.splits, split)
    images, labels = torch.from_numpy(data.images[index]), torch.from_numpy(data.labels[index])
    return Images(images.to(device), labels.to(device), scale=data.scale)
