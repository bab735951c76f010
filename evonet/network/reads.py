"""Which source channels the target channels of a stage read."""

import torch
from torch import Tensor, nn

from evonet.plan.types import Stage


def per_channel(stage: Stage) -> bool:
    """Whether every target channel reads one source channel."""
    return stage.mixing in ("depthwise", "identity")


def groups_of(stage: Stage) -> int:
    """The groups of a convolution, after `Reads`."""
    return stage.target[0] if per_channel(stage) else stage.groups


class Reads(nn.Module):
    """The source channel of every target channel where each reads one, else the source as it is."""

    index: Tensor

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.out, inputs = stage.target[0], stage.source[0]
        around = tuple(o % inputs for o in range(self.out))
        self.given = not per_channel(stage) or (stage.reads == around and self.out == inputs)
        self.times = -(-self.out // inputs) if stage.reads == around else 0
        index = torch.tensor(stage.reads) if per_channel(stage) and not self.times else None
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.given:
            return x
        if self.times:  # slices and copies are faster than an index, above all backward
            return (x if self.times == 1 else x.repeat(1, self.times, 1, 1))[:, : self.out]
        return x.index_select(1, self.index)
