"""Batches of images by number: which images a step sees depends on the seed and the step alone."""

from math import pi
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet import seeds
from evonet.training.data import DataSet
from evonet.training.images import Canvases, Images
from evonet.training.settings import TrainingSettings

Split = Literal["train", "calibration", "validation", "choice", "test"]


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
        return self.images.batch(self._index(step), self._key(step))

    def boxes(self, step: int) -> Tensor | None:
        """Where the objects of batch `step` are, (n, 4): y0, x0, y1, x1. None: of these images that is not known."""
        return self.images.boxes(self._index(step), self._key(step))

    def _key(self, step: int) -> int:
        return seeds.key(self.seed, "fresh", step)

    def _index(self, step: int) -> Tensor:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            order = torch.randperm(len(self.images), generator=_generator(self.seed, "batches", epoch))
            self._order = order.to(self.images.labels.device)  # once an epoch: every copy to a GPU waits for it
        return self._order[place * self.size : (place + 1) * self.size]


def augmented(x: Tensor, settings: TrainingSettings, seed: int, step: int) -> Tensor:
    """Each image moved, turned and scaled by its own random amounts, as far as `settings` say; zeros come in."""
    generator = _generator(seed, "augment", step)
    if settings.rotation or settings.scaling:
        return _turned(x, settings, generator)
    return shifted(x, settings.shift, generator) if settings.shift else x


def shifted(x: Tensor, by: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random offset in [-by, by] along both axes, zeros coming in."""
    n, _, height, width = x.shape
    dy, dx = torch.randint(0, 2 * by + 1, (2, n), generator=generator).to(x.device, non_blocking=True)
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
    theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1).to(x.device, non_blocking=True)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _generator(*parts: int | str) -> torch.Generator:
    return torch.Generator().manual_seed(seeds.key(*parts))


def images_of(data: DataSet, split: Split, device: str = "cpu") -> Images:
    """One split of a data set as tensors of their own; the data set's arrays stay as they are."""
    index = getattr(data.splits, split)
    images, labels = torch.from_numpy(data.images[index]).to(device), torch.from_numpy(data.labels[index]).to(device)
    if data.canvas is None:
        return Images(images, labels, scale=data.scale)
    return Canvases(images, labels, scale=data.scale, canvas=data.canvas, key=seeds.key("canvases", data.name, split))
