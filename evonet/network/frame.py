"""What a window over all its targets needs around the source: zeros, the other side, or less than is there."""

import torch.nn.functional as F
from torch import Tensor

from evonet.plan.geometry import stride
from evonet.plan.types import Stage, Tap


class Frame:
    """Pads (crops, where negative) a source so that a window at `origin`, `extent` wider than one cell, fits it.

    `padding` is what is left to conv2d, which pads for nothing, if it is the same on both sides. `explicit` leaves
    nothing to it. With `spread` the targets are all source positions from the first to the last that the stage reads.
    """

    def __init__(self, stage: Stage, origin: Tap, extent: Tap, *, explicit: bool = False, spread: bool = False) -> None:
        steps = (1, 1) if spread else stride(stage) or (1, 1)
        before, after, fits = [], [], not (explicit or stage.wrap)
        for axis in (0, 1):
            size, target, step = stage.source[axis + 1], stage.target[axis + 1], steps[axis]
            last = (target - 1) * stage.span[axis] // target if spread else step * (target - 1)
            pad = -origin[axis] - stage.shift[axis]
            fits &= pad >= 0 and (size + 2 * pad - extent[axis] - 1) // step == last // step
            before.append(pad)
            after.append(last + extent[axis] - pad - (size - 1))
        self.wrap = stage.wrap
        self.padding = (before[0], before[1]) if fits else (0, 0)
        self.frame = None if fits else (before[1], after[1], before[0], after[0])

    def __call__(self, x: Tensor) -> Tensor:
        if self.frame is None:
            return x
        if not self.wrap:
            return F.pad(x, self.frame)
        left, right, top, bottom = self.frame
        around = max(left, 0), max(right, 0), max(top, 0), max(bottom, 0)
        x = F.pad(x, around, mode="circular")
        return F.pad(x, (min(left, 0), min(right, 0), min(top, 0), min(bottom, 0)))
