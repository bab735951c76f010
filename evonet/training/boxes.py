"""Cells of a grid, and the boxes of objects: y0, x0, y1, x1 in pixels, half open (y0 <= y < y1)."""

import torch
from torch import Tensor


def shared(boxes: Tensor, grid: tuple[int, int], cell: int, *, part: tuple[int, int] | None = None) -> Tensor:
    """(B, rows, columns) int64: how many pixels each cell shares with the box of its image; none with an empty one.

    boxes: (B, 4) int64, beyond the grid too. `part`: of each side of a cell only the pixels from the first to before
    the second, counted within the cell.
    """
    low, high = part or (0, cell)
    sides = []
    for axis, cells in enumerate(grid):
        start = cell * torch.arange(cells, device=boxes.device)
        ends = torch.minimum(boxes[:, axis + 2, None], start + high)
        sides.append((ends - torch.maximum(boxes[:, axis, None], start + low)).clamp(min=0))
    return sides[0][:, :, None] * sides[1][:, None, :]


def centred(boxes: Tensor, grid: tuple[int, int], cell: int) -> Tensor:
    """(B, rows x columns), 0 or 1: whether the middle of each cell lies in its image's box.

    Where the middle lies between two pixels, it is the later one.
    """
    return shared(boxes, grid, cell, part=(cell // 2, cell // 2 + 1)).flatten(1).float()
