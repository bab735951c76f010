"""Can a glance find the object at all? Small networks that only say in which cell it lies, trained with the boxes.

The first of the stop rules. What these find is a lower bound of what an image down-sampled by d allows: other layers,
or more steps, may find more, so a view is given up on the evidence of these small networks, not on proof.
"""

from __future__ import annotations

from math import log2

import torch.nn.functional as F
from canvas import Batch
from ladder import cell_of, layer, location_loss, padded
from torch import Tensor, nn
from training import Moment

from evonet.training.boxes import shared

DOWNS, CELLS, LOOKS = (2, 4, 8, 16), (8, 16), (1, 2, 4)
WIDTH = 16


class Glance(nn.Module):
    """Mean-pooled by `down`, 3x3 layers with max pooling until a place is a cell, two more, one logit a cell."""

    capturable = True

    def __init__(self, down: int, cell: int) -> None:
        """Raises ValueError where a cell is smaller than a pooled pixel."""
        super().__init__()
        if cell < down or cell % down:
            raise ValueError(f"cells of {cell} pixels in a view down-sampled by {down}, expected a multiple of it")
        self.down, self.cell = down, cell
        layers = layer(1, WIDTH)
        for _ in range(int(log2(cell // down))):
            layers += [nn.MaxPool2d(2), *layer(WIDTH, WIDTH)]
        self.layers = nn.Sequential(*layers, *layer(WIDTH, WIDTH), nn.Conv2d(WIDTH, 1, 1))

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        """Logits (B, rows, columns) of the cells."""
        del boxes
        found: Tensor = self.layers(F.avg_pool2d(padded(images, self.cell), self.down))
        return found[:, 0]

    def loss(self, batch: Batch, at: Moment | None = None) -> Tensor:
        del at
        return location_loss(self(batch.images), batch.boxes, self.cell)

    def misses(self, batch: Batch) -> dict[str, Tensor]:
        """Per image, for the k best cells: 1 where none holds the box's middle (miss), none touches it (blind)."""
        logits = self(batch.images)
        rows, columns = logits.shape[1:]
        found = {}
        best = logits.flatten(1).topk(max(LOOKS), dim=1).indices
        right = best == cell_of(batch.boxes, self.cell, (rows, columns))[:, None]
        touching = shared(batch.boxes, (rows, columns), self.cell).flatten(1).gather(1, best) > 0
        for k in LOOKS:
            found[f"miss@{k}"] = (~right[:, :k].any(1)).float()
            found[f"blind@{k}"] = (~touching[:, :k].any(1)).float()
        return found
