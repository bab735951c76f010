"""Canvases by number, on the device that trains: the one seam between this benchmark and `evonet.training`.

The canvas of a number is a function of (task, split, seed, number): no state and no host synchronisation, so that a
step of training, its batch included, can be captured in a CUDA graph. Held-out canvases are those that `evonet eval
--data clutter:SIDE` measures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from evonet import seeds
from evonet.errors import DataError
from evonet.training.batches import images_of
from evonet.training.canvases import canvases
from evonet.training.clutter import Canvas, canvas_of
from evonet.training.corruptions import TRAINING, corrupt
from evonet.training.data import load_data
from evonet.training.draws import high, words

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Batch(NamedTuple):
    """Images (B, 1, side, side) in [0, 1], labels (B,), the digits' ink as boxes (B, 4): y0, x0, y1, x1, half open."""

    images: Tensor
    labels: Tensor
    boxes: Tensor


class Digits(NamedTuple):
    """Images (N, 1, 28, 28) uint8 and labels (N,) int64 of a split."""

    images: Tensor
    labels: Tensor


class Numbered(Protocol):
    """Canvases by number."""

    def at(self, numbers: Tensor) -> Batch:
        """The canvases of `numbers` (B,) int64, on the device of the digits."""
        ...


def task_of(spec: str) -> Canvas:
    """Raises ValueError unless `spec` is clutter:SIDE or clutter:SIDE:ink."""
    kind, _, rest = spec.partition(":")
    if kind != "clutter":
        raise ValueError(f"task {spec!r}, expected clutter:SIDE or clutter:SIDE:ink")
    try:
        return canvas_of(rest)
    except DataError as error:
        raise ValueError(str(error)) from None


def held_out(task: Canvas) -> int:
    """Canvases of the test set: a standard error of 0.1 points at 1 % error; of 0.3 points at 1024."""
    return 1_000 if task.side >= 1024 else 10_000


def read_digits(data_dir: Path | None, device: str) -> dict[Split, Digits]:
    """MNIST by split. Raises DataError where its files are not there."""
    data = load_data("mnist", data_dir)
    found = {split: images_of(data, split, device) for split in SPLITS}
    return {split: Digits(images.images, images.labels) for split, images in found.items()}


class Fresh:
    """The endless sequence of a training's canvases, named by its seed."""

    def __init__(self, spec: str, digits: Digits, seed: int) -> None:
        self.task, self.digits = task_of(spec), digits
        self.key = seeds.key("saccades", spec, seed)

    def at(self, numbers: Tensor) -> Batch:
        drawn = high(words(numbers, seeds.key(self.key, "digit")), len(self.digits.labels))
        return _batch(self.task, self.digits, drawn, numbers, self.key)


class Mixed:
    """Of every four canvases of another sequence one as it is, the others under one training corruption each.

    A canvas's corruption is a function of its number, so this can be captured too.
    """

    def __init__(self, canvases: Fresh) -> None:
        self.canvases = canvases

    def at(self, numbers: Tensor) -> Batch:
        batch = self.canvases.at(numbers)
        images, every = batch.images.clone(), 1 + len(TRAINING)
        for place, name in enumerate(TRAINING, start=1):
            some = slice(place, None, every)
            images[some] = corrupt(batch.images[some], name, self.canvases.key, numbers[some])
        return batch._replace(images=images)


class Fixed:
    """A held-out split's canvases: number i shows digit i, for ever in the same place among the same clutter."""

    def __init__(self, spec: str, digits: Digits, split: Split) -> None:
        self.task, self.digits = task_of(spec), digits
        self.key = seeds.key("canvases", self.task.name, split)  # as `images_of` names them

    def at(self, numbers: Tensor) -> Batch:
        return _batch(self.task, self.digits, numbers % len(self.digits.labels), numbers, self.key)


def _batch(task: Canvas, digits: Digits, shown: Tensor, numbers: Tensor, key: int) -> Batch:
    scene = canvases(digits.images, digits.labels, shown, canvas=task, key=key, numbers=numbers)
    return Batch(scene.images.float().div_(255), scene.labels, scene.boxes)
