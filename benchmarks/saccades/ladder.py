"""The ladder: CNNs in plain torch, each for any image size, because its last map is pooled as a whole.

Names say what they are: pool4 averages 4x4 pixels first (down-sample, then CNN), +1 and +2 are one and two layers
deeper, plain networks begin at full resolution, stem8 begins with 8x8 patches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from canvas import Batch
from torch import Tensor, nn
from training import Moment

from evonet.training.looking import phase

CLASSES = 10


@dataclass(frozen=True)
class Spec:
    """`widths`: channels of the 3x3 layers, each followed by its reduction; `extra` more layers follow the last."""

    widths: tuple[int, ...]
    down: int = 1  # pixels averaged first
    reduction: Literal["stride", "max"] = "max"
    extra: int = 0
    paired: bool = False  # two 3x3 layers before each reduction
    patch: int = 0  # a first layer of patch x patch, stride patch

    @property
    def stride(self) -> int:
        """Pixels of a side of what becomes one place of the last map."""
        return self.down * max(1, self.patch) * 2 ** (len(self.widths) - bool(self.patch))


_POOL2 = Spec((16, 32, 64), down=2)
_POOL4 = replace(_POOL2, down=4)
LADDER: dict[str, Spec] = {
    "stride2-narrow": Spec((4, 8, 16, 32), reduction="stride"),
    "stride2": Spec((8, 16, 32, 64), reduction="stride"),
    "stride2-wide": Spec((12, 24, 48, 96), reduction="stride"),
    "stride2+1": Spec((8, 16, 32, 64), reduction="stride", extra=1),
    "pool2-narrow": replace(_POOL2, widths=(8, 16, 32)),
    "pool2": _POOL2,
    "pool2+1": replace(_POOL2, extra=1),
    "pool2+2": replace(_POOL2, extra=2),
    "pool2-wide": replace(_POOL2, widths=(24, 48, 96)),
    "pool4-narrow": replace(_POOL4, widths=(8, 16, 32)),
    "pool4": _POOL4,
    "pool4+1": replace(_POOL4, extra=1),
    "pool4+2": replace(_POOL4, extra=2),
    "pool4-wide": replace(_POOL4, widths=(24, 48, 96)),
    "pool8-narrow": Spec((8, 16, 32), down=8),
    "pool8": Spec((16, 32, 64), down=8),
    "pool8-wide": Spec((32, 64, 96), down=8),
    "plain5": Spec((8, 16, 24, 32, 48)),
    "plain6": Spec((8, 16, 32), paired=True),
    "plain6-wide": Spec((12, 24, 48), paired=True),
    "stem8": Spec((24, 48, 64), patch=8),
}


class Classifier(nn.Module):
    """Images to logits; some look at the boxes too (oracles)."""

    capturable = True  # as a CUDA graph: no shape depends on what is seen, no weight of a loss on the step

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def loss(self, batch: Batch, at: Moment | None = None) -> Tensor:
        del at
        return F.cross_entropy(self(batch.images, batch.boxes), batch.labels)

    def misses(self, batch: Batch) -> dict[str, Tensor]:
        """Per image (B,): 1 where it is wrong. NaN logits are wrong too, whatever argmax makes of them."""
        logits = self(batch.images, batch.boxes)
        wrong = (logits.argmax(1) != batch.labels) | ~torch.isfinite(logits).all(1)
        return {"error": wrong.float()}


class Cnn(Classifier):
    """A rung. The readout is linear on the means and the maxima of the last map."""

    def __init__(self, spec: Spec, *, located: bool = False) -> None:
        """`located`: with the loss of the boxes, `location_loss`, as a saccade network with @box has it."""
        super().__init__()
        self.capturable = not located
        self.spec = spec
        self.features = nn.Sequential(*layers_of(spec))
        self.readout = nn.Linear(2 * spec.widths[-1], CLASSES)
        self.where = nn.Conv2d(spec.widths[-1], 1, 1) if located else None

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        del boxes
        return self._answer(self._map(images))

    def loss(self, batch: Batch, at: Moment | None = None) -> Tensor:
        found = self._map(batch.images)
        loss = F.cross_entropy(self._answer(found), batch.labels)
        if self.where is None:
            return loss
        return loss + location_weight(at) * location_loss(self.where(found)[:, 0], batch.boxes, self.spec.stride)

    def _map(self, images: Tensor) -> Tensor:
        found: Tensor = self.features(padded(images, self.spec.down * max(1, self.spec.patch)))
        return found

    def _answer(self, found: Tensor) -> Tensor:
        logits: Tensor = self.readout(torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1))
        return logits


def layers_of(spec: Spec) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.AvgPool2d(spec.down)] if spec.down > 1 else []
    before = 1
    for place, width in enumerate(spec.widths):
        if place == 0 and spec.patch:
            layers += layer(before, width, kernel=spec.patch, stride=spec.patch)
        elif spec.reduction == "stride":
            layers += layer(before, width, stride=2)
        else:
            layers += layer(before, width)
            layers += layer(width, width) if spec.paired else []
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # a map of one row stays one
        before = width
    for _ in range(spec.extra):
        layers += layer(before, before)
    return layers


def layer(before: int, width: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Batch normalisation costs nothing after training: `folded` puts it into the weights."""
    padding = 1 if kernel == 3 else 0
    return [nn.Conv2d(before, width, kernel, stride, padding, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def padded(images: Tensor, multiple: int) -> Tensor:
    """Zeros below and to the right, up to the next multiple of that many pixels."""
    down, right = (-side % multiple for side in images.shape[2:])
    return F.pad(images, (0, right, 0, down)) if down or right else images


def location_loss(logits: Tensor, boxes: Tensor, cell: int) -> Tensor:
    """The loss of the boxes, for all that has one: the cross-entropy, over the cells, of that of the box's middle.

    logits: (B, rows, columns) of the cells of `cell` x `cell` pixels; boxes: (B, 4). In nats, the mean over images.
    """
    rows, columns = logits.shape[1:]
    return F.cross_entropy(logits.flatten(1), cell_of(boxes, cell, (rows, columns)))


def location_weight(at: Moment | None) -> float:
    """What the loss of the boxes is multiplied by beside the task's: it fades (cos^2) and is gone after 80 % (`phase`).

    So a training with it cannot be captured: a graph would keep the weight of its first step.
    """
    return phase(at.step / at.steps if at else 1.0).location


def cell_of(boxes: Tensor, cell: int, grid: tuple[int, int]) -> Tensor:
    """The flat cell (B,) that holds the middle of each box, the nearest one where that lies beside the grid."""
    y, x = (boxes[:, :2] + boxes[:, 2:]).div(2 * cell, rounding_mode="floor").unbind(1)
    return y.clamp(max=grid[0] - 1) * grid[1] + x.clamp(max=grid[1] - 1)


def folded(model: nn.Module) -> nn.Module:
    """The same function in evaluation mode with batch normalisations put into the convolutions before them."""
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential):
            setattr(model, name, _folded(child))
        else:
            folded(child)
    return model.eval()


def _folded(layers: nn.Sequential) -> nn.Sequential:
    kept: list[nn.Module] = []
    for part in layers.eval():
        if isinstance(part, nn.BatchNorm2d) and kept and isinstance(kept[-1], nn.Conv2d):
            kept[-1] = nn.utils.fusion.fuse_conv_bn_eval(kept[-1], part)
        else:
            kept.append(part)
    return nn.Sequential(*kept)
