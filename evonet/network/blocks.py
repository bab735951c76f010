"""The eye: its sheets on blocks cut out of images, or everywhere, which is the reference."""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.network.sheets import Sheets, Weights
from evonet.plan.types import INPUT, Eye, Plan, SaccadePlan
from evonet.timing import CostTable

CACHE = 2**22  # bytes of a sheet of some blocks; of 2**18 ... 2**24 the best: half the time of 512 blocks at once


class Blocks(nn.Module):
    """One class of cells, block by block: one dense batch for all cells, whatever images they are of.

    Without gradients, as many blocks at a time as a cache holds. What a cell reads, and which positions of a block the
    image and its sheets have, is looked up by its row and by its column.
    """

    y: Tensor  # (rows of cells, rows of a block) int64: the row of the image that is read
    x: Tensor  # columns alike

    def __init__(self, plan: Plan, saccade: SaccadePlan, eye: Eye, *, costs: CostTable | None = None) -> None:
        super().__init__()
        self.eye, self.saccade = eye, saccade
        self.sheets = Sheets(dict(enumerate(eye.sheets)), costs=costs)
        largest = max(prod(sheet.incoming[0].stages[-1].target) for sheet in eye.sheets)
        self.piece = max(1, CACHE // (4 * largest))
        for axis, name in enumerate("yx"):
            at = _positions(saccade, eye, INPUT, axis).clamp(0, plan.input[axis + 1] - 1)
            self.register_buffer(name, at, persistent=False)
        for k in range(INPUT, saccade.depth - 1):
            size = plan.input[1:] if k == INPUT else plan.sheets[k].shape[1:]
            rows, columns = (_has(size[axis], _positions(saccade, eye, k, axis)) for axis in (0, 1))
            self.register_buffer(f"rows{_name(k)}", rows[:, None, :, None], persistent=False)
            self.register_buffer(f"columns{_name(k)}", columns[:, None, None, :], persistent=False)

    def forward(self, x: Tensor, image: Tensor, cell: Tensor, w: Weights) -> Tensor:
        """Of images (batch, channels, height, width) the cells (looks,), flat -> (looks, channels, side, side).

        Inner sheets hold zeros outside the image, as a padded convolution of the whole image does, layer for layer.
        """
        # With gradients what they need is kept, and fills the memory anyway.
        if torch.is_grad_enabled() or len(cell) <= self.piece:
            return self._computed(x, image, cell, w)
        pieces = zip(torch.split(image, self.piece), torch.split(cell, self.piece), strict=True)
        return torch.cat([self._computed(x, *some, w) for some in pieces])

    def _computed(self, x: Tensor, image: Tensor, cell: Tensor, w: Weights) -> Tensor:
        row, column = cell // self.saccade.grid[1], cell % self.saccade.grid[1]
        h = self._cut(x, image, row, column)
        for k in range(self.saccade.depth):
            h = self.sheets(k, {k - 1: h}, w)
            if k < self.saccade.depth - 1:
                h = h * self._inside(k, row, column, h.dtype)
        return h

    def _cut(self, x: Tensor, image: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """(looks, channels, rows, columns) of the images, zeros outside.

        Only what is cut out is read: the cost does not grow with the images. Channels are last in memory, one channel
        too: then the convolution writes them so, and the pooling behind it takes a quarter of the time.
        """
        channels, height, width = x.shape[1:]
        first = image * (channels * height * width)
        at = first[:, None, None] + self.y[row][:, :, None] * width + self.x[column][:, None, :]
        planes = torch.arange(channels, device=x.device) * (height * width)
        flat = at[..., None] + planes
        seen = x.reshape(-1).index_select(0, flat.flatten()).view(flat.shape).permute(0, 3, 1, 2)
        return seen * self._inside(INPUT, row, column, x.dtype)

    def _inside(self, sheet: int, row: Tensor, column: Tensor, dtype: torch.dtype) -> Tensor:
        """(looks, 1, rows, columns): 1 at positions that a sheet, or the image, has, and 0 at others."""
        rows: Tensor = getattr(self, f"rows{_name(sheet)}")
        columns: Tensor = getattr(self, f"columns{_name(sheet)}")
        return (rows[row] * columns[column]).to(dtype)


class Everywhere(nn.Module):
    """One class as if every cell had it, and then the cells: the reference of `Blocks`, called as it is."""

    def __init__(
        self, plan: Plan, saccade: SaccadePlan, kind: int, *, masked: bool, costs: CostTable | None = None
    ) -> None:
        """`kind`: 0 for class 1, ..."""
        super().__init__()
        self.saccade = saccade
        self.sheets = Sheets(
            {k: plan.sheets[k].of_class(kind) for k in range(saccade.depth)}, masked=masked, costs=costs
        )

    def forward(self, x: Tensor, image: Tensor, cell: Tensor, w: Weights) -> Tensor:
        n, columns = self.saccade.steps[-1], self.saccade.grid[1]
        cells = self.all(x, w)  # (batch, channels, rows, columns, n, n)
        return cells[image, :, cell // columns, cell % columns].reshape(len(image), -1, n, n)

    def all(self, x: Tensor, w: Weights) -> Tensor:
        """(batch, channels, rows, columns, side, side): what lies outside the last sheet is zero."""
        h = x
        for k in range(self.saccade.depth):
            h = self.sheets(k, {k - 1: h}, w)
        return parted(h, self.saccade.steps[-1], self.saccade.grid)


def parted(h: Tensor, n: int, grid: tuple[int, int]) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels, rows, columns, n, n): cells, zeros to fill them."""
    h = F.pad(h, (0, grid[1] * n - h.shape[3], 0, grid[0] * n - h.shape[2]))
    return h.reshape(*h.shape[:2], grid[0], n, grid[1], n).transpose(3, 4)


def joined(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `parted`, cropped to `size`."""
    batch, channels, rows, columns, n, _ = cells.shape
    return cells.transpose(3, 4).reshape(batch, channels, rows * n, columns * n)[:, :, : size[0], : size[1]]


def _positions(saccade: SaccadePlan, eye: Eye, sheet: int, axis: int) -> Tensor:
    """(cells along the axis, positions of a block) int64: where in the whole sheet, or image, a block's lie."""
    size = eye.sheets[0].incoming[0].stages[0].source if sheet == INPUT else eye.sheets[sheet].shape
    step = saccade.cell if sheet == INPUT else saccade.steps[sheet]
    first = torch.arange(saccade.grid[axis]) * step + eye.first[sheet + 1][axis]
    return first[:, None] + torch.arange(size[axis + 1])


def _has(size: int, positions: Tensor) -> Tensor:
    return ((positions >= 0) & (positions < size)).float()


def _name(sheet: int) -> str:
    return "_of_image" if sheet == INPUT else str(sheet)
