"""What a network that looks has read: pixels, cells, and how they lie to the object's box.

Boxes and windows are (y0, x0, y1, x1) in pixels, half open: rows y0 .. y1 - 1. Everything here is geometry in integers;
what the looks are worth is measured in `evonet.evaluation.faithfulness`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evonet.network import Network
from evonet.network.looking import Looked
from evonet.plan.types import INPUT, Plan
from evonet.training.boxes import shared

Shape = tuple[int, int, int]  # of a mask: images, height, width


def alone(plan: Plan) -> bool:
    """Whether nothing of the image but the windows of the looks reaches the answer, once cells and weights are held.

    The weights of a set's looks come from the glance, as the cells do: it has seen the whole image.
    Not so where a conv form fills the other cells from the glance's features, or a later sheet reads the image itself.
    A set has neither (`evonet.genome.looking`). False for a plan without a saccade gene.
    """
    if plan.saccade is None:
        return False
    later = plan.sheets[plan.saccade.depth : plan.readout.source + 1]
    reads = any(branch.source == INPUT for sheet in later for branch in sheet.incoming)
    adds = any(sheet.add_source == INPUT for sheet in later)
    return plan.saccade.cheap is None and not reads and not adds


def covered(boxes: Tensor, image: Tensor, shape: Shape) -> Tensor:
    """Which pixels lie in any box of their image: bool (B, H, W).

    Args:
        boxes: (N, 4) int64; what lies outside the image is cut off.
        image: (N,) int64, the image that each box is of.
        shape: B, H, W.
    """
    count, height, width = shape
    y0, y1 = boxes[:, 0].clamp(0, height), boxes[:, 2].clamp(0, height)
    x0, x1 = boxes[:, 1].clamp(0, width), boxes[:, 3].clamp(0, width)
    # Summed-area table backwards (Crow 1984): corners go in with a sign, running sums give the boxes over each pixel.
    # An empty box puts its corners onto each other and so adds nothing.
    corners = torch.zeros(count, height + 1, width + 1, dtype=torch.int64, device=boxes.device)
    for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        corners.index_put_((image, y, x), torch.full_like(y, sign), accumulate=True)
    over: Tensor = corners.cumsum(1).cumsum(2)[:, :height, :width]
    return over > 0


def read_pixels(network: Network, looked: Looked, shape: Shape) -> Tensor:
    """The pixels that the looks could read: bool (B, H, W)."""
    return covered(network.windows(looked), looked.image, shape)


def looked_cells(looked: Looked, grid: tuple[int, int]) -> Tensor:
    """Which cells were looked at: bool (B, rows, columns)."""
    cells = torch.zeros(len(looked.answers), *grid, dtype=torch.bool, device=looked.cell.device)
    cells[looked.image, looked.cell[:, 0], looked.cell[:, 1]] = True
    return cells


def box_cells(boxes: Tensor, cell: int, grid: tuple[int, int]) -> Tensor:
    """Which cells overlap the box of their image by a pixel or more: bool (B, rows, columns). An empty box has none."""
    return shared(boxes, grid, cell) > 0


def centre_cells(boxes: Tensor, cell: int, grid: tuple[int, int]) -> Tensor:
    """The one cell that holds the middle pixel of a box: bool (B, rows, columns)."""
    y, x = (((boxes[:, i] + boxes[:, i + 2]) // 2)[:, None] for i in (0, 1))
    middle = torch.cat([y, x, y + 1, x + 1], dim=1)
    return box_cells(middle, cell, grid)


def hits(looked: Looked, targets: Tensor) -> Tensor:
    """Whether any of the target cells was looked at: bool (B,). `targets`: bool (B, rows, columns)."""
    grid = (targets.shape[1], targets.shape[2])
    return (looked_cells(looked, grid) & targets).flatten(1).any(1)


def chance(looked: Looked, targets: Tensor) -> Tensor:
    """The probability of a hit by as many different cells drawn at random: float64 (B,).

    Hypergeometric: of G cells, m are targets, and n were looked at; none is hit with probability
    C(G - m, n) / C(G, n) = product over i < n of (G - m - i) / (G - i).
    """
    cells = targets.flatten(1)
    missed, total = (~cells).sum(1).double(), float(cells.shape[1])
    drawn = looked_cells(looked, (targets.shape[1], targets.shape[2])).flatten(1).sum(1)
    none = torch.ones_like(missed)
    for i in range(int(drawn.max()) if len(drawn) else 0):
        none = torch.where(i < drawn, none * (missed - i).clamp(min=0) / (total - i), none)
    return 1 - none


def ink_coverage(x: Tensor, boxes: Tensor, read: Tensor) -> Tensor:
    """The share of the ink (the sum of the pixels) in the object's box that was read: float (B,); 0 without ink.

    Clutter that lies over the box counts as ink of it: a canvas does not say which is which.
    """
    shape = len(x), x.shape[2], x.shape[3]
    ink = x.double().sum(1) * covered(boxes, torch.arange(len(x), device=x.device), shape)
    total = ink.flatten(1).sum(1)
    return (ink * read).flatten(1).sum(1) / total.clamp(min=torch.finfo(torch.float64).tiny)
