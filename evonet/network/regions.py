"""Tiles: regions with weights of their own, side by side as the groups of one convolution."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.network.frame import Frame
from evonet.network.reads import Reads, groups_of, per_channel
from evonet.plan.geometry import stride
from evonet.plan.lowering import RegionPart
from evonet.plan.types import Stage


class Regions(nn.Module):
    """Regions differ by one position at most: all are computed as large as the largest, and the rest is cut off."""

    cells: Tensor | None

    def __init__(self, stage: Stage, part: RegionPart) -> None:
        super().__init__()
        self.conv, self.reads, self.groups, self.single = part.conv, Reads(stage), groups_of(stage), per_channel(stage)
        self.rows, self.columns = (_edges(stage.target[a + 1], stage.tiles[a]) for a in (0, 1))
        self.stride = stride(stage) or (1, 1)
        self.extent = tuple(d * (k - 1) for d, k in zip(self.conv.dilation, self.conv.kernel, strict=True))
        self.frame = Frame(stage, self.conv.origin, (self.extent[0], self.extent[1]), explicit=True)
        self.register_buffer("cells", None if self.conv.dense else torch.tensor(self.conv.cells), persistent=False)

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        x = self.frame(self.reads(x))
        (tall, high), (wide, broad) = self._size(0, self.rows), self._size(1, self.columns)
        x = F.pad(x, (0, self.stride[1], 0, self.stride[0]))  # what the last region lacks to the largest
        cut = [x[:, :, y : y + high, z : z + broad] for y in self._starts(0) for z in self._starts(1)]
        tiles = len(kernel)
        h = F.conv2d(
            torch.cat(cut, dim=1),
            self._kernel(kernel),
            None if bias is None else bias.repeat(tiles),
            self.stride,
            dilation=self.conv.dilation,
            groups=tiles * self.groups,
        )
        h = torch.unflatten(h, 1, (len(self.rows) - 1, len(self.columns) - 1, -1))[..., :tall, :wide]
        sizes = [[b - a for a, b in pairwise(edges)] for edges in (self.rows, self.columns)]
        lines = [
            torch.cat([h[:, r, c, :, :height, :width] for c, width in enumerate(sizes[1])], dim=3)
            for r, height in enumerate(sizes[0])
        ]
        return torch.cat(lines, dim=2)

    def _kernel(self, kernel: Tensor) -> Tensor:
        """(tiles, out, inputs, taps) or (tiles, out, taps) -> (tiles * out, inputs, rows, columns)."""
        kernel = (kernel.unsqueeze(2) if self.single else kernel).flatten(0, 1)
        if self.cells is not None:
            empty = kernel.new_zeros(*kernel.shape[:2], self.conv.kernel[0] * self.conv.kernel[1])
            kernel = empty.index_copy(2, self.cells, kernel)
        return kernel.reshape(*kernel.shape[:2], *self.conv.kernel)

    def _starts(self, axis: int) -> list[int]:
        edges = (self.rows, self.columns)[axis]
        return [edge * self.stride[axis] for edge in edges[:-1]]

    def _size(self, axis: int, edges: list[int]) -> tuple[int, int]:
        """Of the largest region: target positions, and source positions with the halo."""
        most = max(b - a for a, b in pairwise(edges))
        return most, self.stride[axis] * (most - 1) + self.extent[axis] + 1


def _edges(size: int, tiles: int) -> list[int]:
    """The first position of every tile, and the end: position y lies in tile floor(y * tiles / size)."""
    return [-(-t * size // tiles) for t in range(tiles + 1)]
