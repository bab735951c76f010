"""Cluttered canvases, composed on the device that trains: the one seam between this benchmark and the data.

A canvas is a function of (key, index): the digit, its place, and the pieces of other digits around it, put together by
maximum (Mnih et al. 2014, "Recurrent models of visual attention", section 4.1). No state and no host synchronisation,
so that a step of training, its batch included, can be captured in a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from evonet import seeds
from evonet.training.sources import read_named_idx

DIGIT, PIECE = 28, 8  # pixels
HELD = 5_000  # of the 60,000 training digits, the last: validation
DENSITY = 8e-4  # pieces a pixel, that of the published 100x100 task
PUBLISHED = {60: 4, 100: 8}
SIDES = range(32, 2049)
SPLITS = ("train", "validation", "test")
Split = str

_GOLDEN, _FIRST, _SECOND = (
    word - 2**64 for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)  # splitmix64's, as signed integers


class Batch(NamedTuple):
    """Images (B, 1, side, side) in [0, 1], labels (B,), and the digits' ink as boxes (B, 4): y0, x0, y1, x1."""

    images: Tensor
    labels: Tensor
    boxes: Tensor


class Digits(NamedTuple):
    """Images (N, 28, 28) uint8, labels (N,) int64, and the box of each image's ink (N, 4), ends exclusive."""

    images: Tensor
    labels: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class Task:
    """`clutter:SIDE`. Its test set is smaller where a canvas is large."""

    side: int
    pieces: int

    @property
    def tested(self) -> int:
        """Canvases of the test set: a standard error of 0.1 points at 1 % error, 0.3 points at 1024."""
        return 1_000 if self.side >= 1024 else 10_000


def task_of(spec: str) -> Task:
    """Raises ValueError unless `spec` is clutter:SIDE with a side of 32..2048."""
    kind, _, side = spec.partition(":")
    if kind != "clutter" or not side.isdecimal() or int(side) not in SIDES:
        raise ValueError(f"task {spec!r}, expected clutter:SIDE with SIDE in {SIDES[0]}..{SIDES[-1]}")
    return Task(int(side), PUBLISHED.get(int(side), round(DENSITY * int(side) ** 2)))


def read_digits(data_dir: Path | None, device: str) -> dict[Split, Digits]:
    """MNIST by split. Raises DataError where its files are not there."""
    source = read_named_idx("mnist", data_dir)
    images, labels = torch.from_numpy(source.images[:, 0].copy()), torch.from_numpy(source.labels.copy()).long()
    test = len(labels) - source.own_test
    parts = slice(0, test - HELD), slice(test - HELD, test), slice(test, None)
    return {name: digits_of(images[p].to(device), labels[p].to(device)) for name, p in zip(SPLITS, parts, strict=True)}


def digits_of(images: Tensor, labels: Tensor) -> Digits:
    """The digits with the boxes of their ink; an image without ink has the whole of it for a box."""
    ink = images > 0
    sides = [_extent(ink.any(dim=axis)) for axis in (2, 1)]  # rows, then columns
    return Digits(images, labels, torch.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], dim=1))


def _extent(line: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last place of each row (N, L) that is true; 0 and L where none is."""
    first = line.int().argmax(dim=1)
    last = line.shape[1] - line.flip(1).int().argmax(dim=1)
    return first, last


class Canvases:
    """The endless sequence of canvases of one task, split and key."""

    def __init__(self, task: Task, digits: Digits, *parts: int | str, fresh: bool) -> None:
        """`parts` name the sequence. `fresh`: digits are drawn; otherwise canvas i shows digit i."""
        self.task, self.digits, self.fresh, self.key = task, digits, fresh, seeds.key("canvas", *parts)

    def at(self, index: Tensor) -> Batch:
        """The canvases of the numbers `index` (B,) int64, on the device of the digits."""
        side, pieces = self.task.side, self.task.pieces
        words = _words(index, 3 + 5 * pieces, self.key)
        count = len(self.digits.labels)
        digit = _below(words[:, 0], count) if self.fresh else index % count
        corner = _below(words[:, 1:3], side - DIGIT + 1)
        drawn = words[:, 3:].unflatten(1, (pieces, 5))
        cut, place = _below(drawn[..., 1:3], DIGIT - PIECE + 1), _below(drawn[..., 3:5], side - PIECE + 1)
        flat = torch.zeros(len(index), side * side, dtype=torch.int32, device=index.device)
        windows = (
            (self.digits.images[digit].flatten(1), _window(corner[:, None], DIGIT, side)),
            (self._pieces(_below(drawn[..., 0], count), cut), _window(place, PIECE, side)),
        )
        for values, places in windows:  # the maximum does not depend on the order, so neither do the bits
            flat.scatter_reduce_(1, places, values.int(), "amax")
        images = flat.view(-1, 1, side, side).float().div_(255)
        return Batch(images, self.digits.labels[digit], self.digits.boxes[digit] + corner.repeat(1, 2))

    def _pieces(self, digit: Tensor, cut: Tensor) -> Tensor:
        """The 8x8 pieces at `cut` (B, P, 2) of the digits (B, P), as (B, P * 64)."""
        flat = self.digits.images.view(-1)
        inside = _window(cut, PIECE, DIGIT).unflatten(1, (cut.shape[1], -1))
        return flat[digit[..., None] * DIGIT**2 + inside].flatten(1)


def _window(corner: Tensor, size: int, side: int) -> Tensor:
    """Flat places in a side x side image of the windows at `corner` (B, P, 2): (B, P * size * size)."""
    steps = torch.arange(size, device=corner.device)
    rows, columns = corner[..., 0, None] + steps, corner[..., 1, None] + steps
    return (rows[..., :, None] * side + columns[..., None, :]).flatten(1)


def _words(index: Tensor, count: int, key: int) -> Tensor:
    """Uniform 64-bit words (B, count), a function of key, index and place: splitmix64, keyed twice."""
    start = mix(index + key)
    return mix(start[:, None] + torch.arange(count, device=index.device) * _GOLDEN)


def mix(z: Tensor) -> Tensor:
    """splitmix64's output function on int64 (Steele, Lea, Flood 2014): the same bits on every device."""
    z = (z ^ _shift(z, 30)) * _FIRST
    z = (z ^ _shift(z, 27)) * _SECOND
    return z ^ _shift(z, 31)


def _shift(z: Tensor, by: int) -> Tensor:
    """To the right, zeros coming in: torch's own shift repeats the sign."""
    return (z >> by) & (2 ** (64 - by) - 1)


def _below(words: Tensor, bound: int) -> Tensor:
    """Uniform integers in [0, bound), of the upper 31 bits; the bias is below bound / 2**31."""
    return (_shift(words, 33) * bound) >> 31
