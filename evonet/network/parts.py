"""The parts of lowerings: each computes some taps of a stage.

A part is called with the source (batch, *source), the kernel of its taps, shaped as `Stage` says of weights without
tying, and a bias (channels,) or None; it returns (batch, *target).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.network.frame import Frame
from evonet.network.gather import Gather
from evonet.network.places import Places
from evonet.network.reads import Reads, groups_of, per_channel
from evonet.network.regions import Regions
from evonet.plan.geometry import inside, positions, stride, tiles
from evonet.plan.lowering import ConvPart, GatherPart, IndexPart, LinearPart, PlacesPart, RegionPart
from evonet.plan.types import Stage


def plus(h: Tensor, bias: Tensor | None) -> Tensor:
    return h if bias is None else h + bias[:, None, None]


class Conv(nn.Module):
    """One conv2d; taps that are not there are zeros of the kernel.

    Where the map to the source is no integer stride, it is computed at every source position and then spread out.
    """

    cells: Tensor | None

    def __init__(self, stage: Stage, part: ConvPart) -> None:
        super().__init__()
        self.part, self.reads, self.groups, self.single = part, Reads(stage), groups_of(stage), per_channel(stage)
        self.register_buffer("cells", None if part.dense else torch.tensor(part.cells), persistent=False)
        self.spread = None if stride(stage) else Spread(stage)
        extent = tuple(d * (k - 1) for d, k in zip(part.dilation, part.kernel, strict=True))
        self.frame = Frame(stage, part.origin, (extent[0], extent[1]), spread=self.spread is not None)
        self.stride = stride(stage) or (1, 1)

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.frame(self.reads(x))
        if self.single:
            kernel = kernel.unsqueeze(1)
        if self.cells is not None:
            empty = kernel.new_zeros(*kernel.shape[:2], self.part.kernel[0] * self.part.kernel[1])
            kernel = empty.index_copy(2, self.cells, kernel)
        kernel = kernel.reshape(*kernel.shape[:2], *self.part.kernel)
        h = F.conv2d(x, kernel, bias, self.stride, self.frame.padding, self.part.dilation, self.groups)
        return h if self.spread is None else self.spread(h)


class Spread(nn.Module):
    """(batch, channels, source positions from the first to the last that is read) -> (batch, *target)."""

    at0: Tensor
    at1: Tensor

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        for axis in (0, 1):
            at = positions(stage, axis) - stage.shift[axis]
            self.register_buffer(f"at{axis}", torch.from_numpy(at), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        return h.index_select(2, self.at0).index_select(3, self.at1)


class Linear(nn.Module):
    """The flattened source, or what is reached of it, times a matrix; bit-equal to nn.Linear where all is."""

    taps: Tensor
    cells: Tensor | None

    def __init__(self, stage: Stage, part: LinearPart) -> None:
        super().__init__()
        self.stage, self.reads = stage, Reads(stage)
        _, height, width = stage.source
        (y,), (x,) = positions(stage, 0), positions(stage, 1)
        reached = [(i, (y + dy) % height * width + (x + dx) % width) for i, (dy, dx) in enumerate(stage.taps)]
        live = [inside(stage, 0, dy)[0] and inside(stage, 1, dx)[0] for dy, dx in stage.taps]
        taps, cells = zip(*(r for r, ok in zip(reached, live, strict=True) if ok), strict=True)
        whole = cells == tuple(range(height * width)) and taps == part.index
        self.register_buffer("taps", None if whole else torch.tensor(taps), persistent=False)
        self.register_buffer("cells", None if whole else torch.tensor(cells), persistent=False)

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.reads(x).flatten(2)
        if self.cells is not None:
            x, kernel = x.index_select(2, self.cells), kernel.index_select(-1, self.taps)
        if per_channel(self.stage):
            h = torch.einsum("bot,ot->bo", x, kernel)
            h = h if bias is None else h + bias
        elif self.stage.groups == 1:
            h = F.linear(x.flatten(1), kernel.flatten(1), bias)
        else:
            g = self.stage.groups
            h = torch.einsum(
                "bgit,goit->bgo", torch.unflatten(x, 1, (g, -1)), torch.unflatten(kernel, 0, (g, -1))
            ).flatten(1)
            h = h if bias is None else h + bias
        return h[:, :, None, None]


class IndexGather(nn.Module):
    """Any stage: every target position's sources gathered through a table of indices, then one product a tile."""

    at: Tensor
    tile: Tensor | None

    def __init__(self, stage: Stage, part: IndexPart) -> None:
        super().__init__()
        self.stage, self.reads = stage, Reads(stage)
        _, height, width = stage.source
        table = []
        for dy, dx in (stage.taps[i] for i in part.index):
            rows, columns = (positions(stage, 0) + dy) % height, (positions(stage, 1) + dx) % width
            at = rows[:, None] * width + columns
            ok = inside(stage, 0, dy)[:, None] & inside(stage, 1, dx)
            table.append(np.where(ok, at, height * width).ravel())
        self.register_buffer("at", torch.from_numpy(np.stack(table)), persistent=False)
        tile = torch.from_numpy(tiles(stage).ravel()) if stage.tiles != (1, 1) else None
        self.register_buffer("tile", tile, persistent=False)

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        stage = self.stage
        x = F.pad(self.reads(x).flatten(2), (0, 1))  # what lies outside reads the zero at the end
        seen = torch.unflatten(
            x.index_select(2, self.at.flatten()), 2, self.at.shape
        )  # (batch, channels, taps, positions)
        if self.tile is not None:
            kernel = kernel.index_select(0, self.tile)
        p = "p" if self.tile is not None else ""
        if per_channel(stage):
            h = torch.einsum(f"{p}ot,botp->bop", kernel, seen)
        else:
            g = stage.groups
            kernel = torch.unflatten(kernel, -3, (g, -1))
            h = torch.einsum(f"{p}goit,bgitp->bgop", kernel, torch.unflatten(seen, 1, (g, -1))).flatten(1, 2)
        return plus(h.reshape(-1, *stage.target), bias)


PARTS: dict[type, type[nn.Module]] = {
    ConvPart: Conv,
    GatherPart: Gather,
    LinearPart: Linear,
    RegionPart: Regions,
    PlacesPart: Places,
    IndexPart: IndexGather,
}
