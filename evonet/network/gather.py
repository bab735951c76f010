"""Scattered taps: what they see of some images at a time side by side in a buffer, then one product with all weights.

A buffer for all images would not fit into a cache; some megabytes do, which halves the time. Nothing of it is kept
for the gradients: gathering anew is faster than storing. The gradient of the source is the same computation again, from
the targets' gradients with the taps turned round, so that nothing is ever scattered.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from evonet.network.reads import Reads, groups_of, per_channel
from evonet.plan.geometry import inside, positions
from evonet.plan.lowering import GatherPart
from evonet.plan.types import Stage

CACHE = 2**21  # bytes of the buffer; measured best of 2**20 ... 2**25, few channels like it larger
IMAGES = 16  # at least so many at a time: torch hands smaller batches to a slower product

Table = NDArray[np.int64]


class Gather(nn.Module):
    """Any stage without tiles whose targets, tap by tap, read different sources."""

    def __init__(self, stage: Stage, part: GatherPart) -> None:
        super().__init__()
        there, back = tables(stage, part.index)
        self.there = Seen(there, stage.source[1] * stage.source[2])
        self.back = Seen(back, stage.target[1] * stage.target[2])
        self.reads, self.groups, self.single = Reads(stage), groups_of(stage), per_channel(stage)
        self.grid = stage.target[1:]

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.reads(x).contiguous(memory_format=torch.channels_last)
        kernel = kernel.unsqueeze(1) if self.single else kernel
        h: Tensor = _Mix.apply(x, kernel, bias, self.there, self.back, self.groups)  # type: ignore[no-untyped-call]
        return torch.unflatten(h, 2, self.grid)


def tables(stage: Stage, index: tuple[int, ...]) -> tuple[Table, Table]:
    """Per tap, of every target position the source position, and of every source position the target position.

    (taps, positions) each; -1 where there is none.
    """
    (_, height, width), (_, rows, columns) = stage.source, stage.target
    there = np.full((len(index), rows * columns), -1, dtype=np.int64)
    back = np.full((len(index), height * width), -1, dtype=np.int64)
    for place, (dy, dx) in enumerate(stage.taps[i] for i in index):
        y, x = (positions(stage, 0) + dy) % height, (positions(stage, 1) + dx) % width
        ok = (inside(stage, 0, dy)[:, None] & inside(stage, 1, dx)).ravel()
        at = (y[:, None] * width + x).ravel()
        there[place, ok] = at[ok]
        back[place, at[ok]] = np.flatnonzero(ok)
    return there, back


class Seen(nn.Module):
    """(images, channels, places) -> (images, channels, taps, positions) by a table, channels last in memory."""

    index: Tensor

    def __init__(self, table: Table, places: int) -> None:
        super().__init__()
        self.table, self.places = torch.from_numpy(table), places
        self.register_buffer("index", torch.zeros(0, dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor, room: Tensor) -> Tensor:
        """Gathers into `room`, flat and large enough: new memory would have to be mapped at every call."""
        images, channels, _ = x.shape
        rows = x.new_empty(1 + images * self.places, channels)
        rows[0] = 0  # what lies outside
        rows[1:].view(images, self.places, channels).copy_(x.transpose(1, 2))
        index = self._index(images)
        seen = room[: len(index) * channels].view(len(index), channels)
        torch.index_select(rows, 0, index, out=seen)
        return seen.view(images, *self.table.shape, channels).permute(0, 3, 1, 2)

    def _index(self, images: int) -> Tensor:
        """The row to read per image, tap and position; what was made for more images begins with it."""
        size = images * self.table.numel()
        if len(self.index) < size:
            first = 1 + self.places * torch.arange(images)[:, None, None]
            index = torch.where(self.table < 0, 0, self.table + first)
            self.index = index.flatten().to(dtype=torch.int32, device=self.index.device)
        return self.index[:size]


class _Mix(torch.autograd.Function):
    """(batch, channels, height, width), kernel (out, inputs, taps), bias -> (batch, out, positions)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, there: Seen, back: Seen, groups: int
    ) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.there, ctx.back, ctx.groups, ctx.biased = there, back, groups, bias is not None
        source, weight = x.flatten(2), kernel.unsqueeze(3)
        out = x.new_empty(len(x), there.table.shape[1], len(kernel)).transpose(1, 2)
        pieces = _pieces(x, kernel, there)
        room = _room(pieces, source, there)
        for some in pieces:
            out[some] = F.conv2d(there(source[some], room), weight, bias, groups=groups).squeeze(2)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        source, weight, turned = x.flatten(2), kernel.unsqueeze(3), _turned(kernel, ctx.groups).unsqueeze(3)
        g = gradients[0].transpose(1, 2).contiguous().transpose(1, 2)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dw, db = torch.zeros_like(weight), x.new_zeros(len(kernel))
        pieces = _pieces(x, kernel, ctx.there)
        room, turned_room = _room(pieces, source, ctx.there), _room(pieces, g, ctx.back)
        for some in pieces:
            w, b = _weight_gradients(g[some].unsqueeze(2), ctx.there(source[some], room), weight, ctx.groups)
            dw += w
            db += b
            if dx is not None:
                dx.flatten(2)[some] = F.conv2d(ctx.back(g[some], turned_room), turned, groups=ctx.groups).squeeze(2)
        return dx, dw.squeeze(3), db if ctx.biased else None, None, None, None


def _weight_gradients(g: Tensor, seen: Tensor, weight: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Of a conv2d: by its weight and by its bias."""
    _, dw, db = torch.ops.aten.convolution_backward(
        g, seen, weight, [len(weight)], [1, 1], [0, 0], [1, 1], False, [0, 0], groups, [False, True, True]
    )
    return dw, db


def _pieces(x: Tensor, kernel: Tensor, there: Seen) -> list[slice]:
    """Even runs of images."""
    an_image = max(x.shape[1], len(kernel)) * there.table.numel() * x.element_size()
    n = max(1, len(x) // max(IMAGES, CACHE // an_image))
    return [slice(len(x) * i // n, len(x) * (i + 1) // n) for i in range(n)]


def _room(pieces: list[slice], x: Tensor, seen: Seen) -> Tensor:
    """What the largest piece needs."""
    return x.new_empty(max(some.stop - some.start for some in pieces) * x.shape[1] * seen.table.numel())


def _turned(kernel: Tensor, groups: int) -> Tensor:
    """(out, inputs, taps) -> (groups * inputs, out / groups, taps): from targets to sources."""
    return torch.unflatten(kernel, 0, (groups, -1)).transpose(1, 2).flatten(0, 1)
