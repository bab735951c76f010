"""The eye: its sheets on blocks cut out of images, or everywhere, which is the reference."""

import torch
import torch.nn.functional as F
from msgspec.structs import replace
from torch import Tensor, nn

from evonet.network.sheets import Sheets, Weights
from evonet.plan.timing import CostTable
from evonet.plan.types import Eye, Plan, SaccadePlan, SheetPlan


class Blocks(nn.Module):
    """One class of cells, block by block: one dense batch for all cells, whatever images they are of."""

    inside: Tensor

    def __init__(self, plan: Plan, saccade: SaccadePlan, eye: Eye, *, costs: CostTable | None = None) -> None:
        super().__init__()
        self.eye, self.saccade = eye, saccade
        self.sheets = Sheets(dict(enumerate(eye.sheets)), costs=costs)
        for k in range(saccade.depth - 1):
            for axis, name in enumerate(("rows", "columns")):
                self.register_buffer(f"{name}{k}", _inside(plan, saccade, eye, k, axis), persistent=False)

    def forward(self, x: Tensor, image: Tensor, cell: Tensor, w: Weights) -> Tensor:
        """Of images (batch, channels, height, width) the cells (looks,), flat -> (looks, channels, side, side).

        Inner sheets hold zeros outside the image, as a padded convolution of the whole image does, layer for layer.
        """
        row, column = cell // self.saccade.grid[1], cell % self.saccade.grid[1]
        block = self.eye.sheets[0].incoming[0].stages[0].source
        at = [n * self.saccade.cell + first for n, first in zip((row, column), self.eye.first[0], strict=True)]
        h = cut(x, image, at[0], at[1], (block[1], block[2]))
        for k in range(self.saccade.depth):
            h = self.sheets(k, {k - 1: h}, w)
            if k < self.saccade.depth - 1:
                rows, columns = getattr(self, f"rows{k}")[row], getattr(self, f"columns{k}")[column]
                h = h * (rows[:, None, :, None] * columns[:, None, None, :]).to(h.dtype)
        return h


class Everywhere(nn.Module):
    """One class as if every cell had it, and then the cells: the reference of `Blocks`, called as it is."""

    def __init__(
        self, plan: Plan, saccade: SaccadePlan, kind: int, *, masked: bool, costs: CostTable | None = None
    ) -> None:
        """`kind`: 0 for class 1, ..."""
        super().__init__()
        self.saccade = saccade
        self.sheets = Sheets({k: _one(plan, k, kind) for k in range(saccade.depth)}, masked=masked, costs=costs)

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


def cut(x: Tensor, image: Tensor, y: Tensor, x0: Tensor, size: tuple[int, int]) -> Tensor:
    """(looks, channels, *size) of `x` (batch, channels, height, width) from row `y` and column `x0` on, zeros outside.

    Only what is cut out is read: the cost does not grow with the images.
    """
    height, width = x.shape[2:]
    rows = y[:, None] + torch.arange(size[0], device=x.device)
    columns = x0[:, None] + torch.arange(size[1], device=x.device)
    there = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    at = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    planes = image[:, None] * x.shape[1] + torch.arange(x.shape[1], device=x.device)  # (looks, channels)
    flat = planes[:, :, None, None] * (height * width) + at[:, None]
    return x.reshape(-1).index_select(0, flat.flatten()).view(flat.shape) * there[:, None].to(x.dtype)


def parted(h: Tensor, n: int, grid: tuple[int, int]) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels, rows, columns, n, n): cells, zeros to fill them."""
    h = F.pad(h, (0, grid[1] * n - h.shape[3], 0, grid[0] * n - h.shape[2]))
    return h.reshape(*h.shape[:2], grid[0], n, grid[1], n).transpose(3, 4)


def joined(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `parted`, cropped to `size`."""
    batch, channels, rows, columns, n, _ = cells.shape
    return cells.transpose(3, 4).reshape(batch, channels, rows * n, columns * n)[:, :, : size[0], : size[1]]


def _inside(plan: Plan, saccade: SaccadePlan, eye: Eye, k: int, axis: int) -> Tensor:
    """(cells along the axis, positions of a block of sheet k) bool: those that the whole sheet has."""
    first, size, step = eye.first[k + 1][axis], eye.sheets[k].shape[axis + 1], saccade.steps[k]
    at = torch.arange(saccade.grid[axis])[:, None] * step + first + torch.arange(size)
    return (at >= 0) & (at < plan.sheets[k].shape[axis + 1])


def _one(plan: Plan, k: int, kind: int) -> SheetPlan:
    """Sheet k of the eye with the motif of one class."""
    sheet = plan.sheets[k]
    return replace(sheet, incoming=(sheet.incoming[min(kind, len(sheet.incoming) - 1)],))
