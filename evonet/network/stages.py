"""How one stage is computed: the masked matrix is the reference, convolutions and shifted slices are its lowerings."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.plan.lowering import ConvPart, GatherPart, choose
from evonet.plan.masks import slots
from evonet.plan.types import Stage


class StageFunction(Protocol):
    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        """(batch, *source), the stage's weight tensor and a bias (channels,) to add -> (batch, *target).

        The bias is the stage's affair because a convolution adds it for nothing.
        """


def lowered(stage: Stage) -> StageFunction:
    """The stage as a sum of convolutions and gathers."""
    parts = [_Conv(stage, p) if isinstance(p, ConvPart) else _Gather(stage, p) for p in choose(stage)]
    if len(parts) == 1:
        return _Weighted(stage, parts[0])
    return _Weighted(stage, _Sum(parts))


def reference(stage: Stage) -> StageFunction:
    """The stage as one masked matrix: weights put into their slots, everything else zero."""
    return _Weighted(stage, _Masked(stage))


class _Weighted:
    """Gives 'identity' stages, the mean of their taps, its constant weight."""

    def __init__(self, stage: Stage, inner: StageFunction) -> None:
        self.stage, self.inner = stage, inner

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        if weight is None:
            n = len(self.stage.taps)
            weight = x.new_full((self.stage.target[0], n), 1 / n)
        return self.inner(x, weight, bias)


class _Sum:
    """The parts of a lowering added up; the first one adds the bias."""

    def __init__(self, parts: list["_Conv | _Gather"]) -> None:
        self.parts = parts
        self.index = [torch.tensor(p.part.index) for p in parts]

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None  # noqa: S101 - _Weighted gives it
        total: Tensor | None = None
        for part, index in zip(self.parts, self.index, strict=True):
            term = part(x, weight.index_select(-1, index.to(weight.device)), bias if total is None else None)
            total = term if total is None else total + term
        assert total is not None  # noqa: S101 - a lowering has at least one part
        return total


class _Conv:
    """One conv2d; taps that are not there are zeros of the kernel."""

    def __init__(self, stage: Stage, part: ConvPart) -> None:
        self.stage, self.part = stage, part
        self.cells = None if part.dense else torch.tensor(part.cells)
        self.padding, self.frame = _padding(stage, part)

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None  # noqa: S101
        stage, part = self.stage, self.part
        groups = 1
        if stage.mixing != "full":
            x, groups, weight = per_channel(x, stage), stage.target[0], weight.unsqueeze(1)
        if self.cells is not None:
            empty = weight.new_zeros(*weight.shape[:2], part.kernel[0] * part.kernel[1])
            weight = empty.index_copy(2, self.cells.to(weight.device), weight)
        kernel = weight.reshape(*weight.shape[:2], *part.kernel)
        if self.frame:
            x = F.pad(x, self.frame)
        return F.conv2d(x, kernel, bias, stage.stride, self.padding, part.dilation, groups)


class _Gather:
    """Shifted slices of the padded source, then one channel mixing."""

    def __init__(self, stage: Stage, part: GatherPart) -> None:
        self.stage, self.part = stage, part
        taps = [stage.taps[i] for i in part.index]
        spans = [_span([t[axis] for t in taps], stage, axis) for axis in (0, 1)]
        (top, bottom), (left, right) = spans
        self.frame = (left, right, top, bottom)
        self.starts = [(dy + top, dx + left) for dy, dx in taps]

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None  # noqa: S101
        stage = self.stage
        _, height, width = stage.target
        if stage.mixing != "full":
            x = per_channel(x, stage)
        x = F.pad(x, self.frame)
        s = stage.stride
        views = [x[:, :, y : y + s * (height - 1) + 1 : s, z : z + s * (width - 1) + 1 : s] for y, z in self.starts]
        if stage.mixing != "full":
            total = views[0] * weight[:, 0, None, None]
            for k, view in enumerate(views[1:], start=1):
                total = torch.addcmul(total, view, weight[:, k, None, None])
            return _plus(total, bias)
        kernel = weight.transpose(1, 2).reshape(weight.shape[0], -1, 1, 1)
        return F.conv2d(torch.cat(views, dim=1), kernel, bias)


class _Masked:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        table = torch.from_numpy(slots(stage)).long()
        self.mask, self.slots = table >= 0, table.clamp(min=0)

    def __call__(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None  # noqa: S101
        matrix = weight.reshape(-1)[self.slots] * self.mask
        return _plus((x.flatten(1) @ matrix.T).reshape(-1, *self.stage.target), bias)


def _plus(h: Tensor, bias: Tensor | None) -> Tensor:
    return h if bias is None else h + bias[:, None, None]


def per_channel(x: Tensor, stage: Stage) -> Tensor:
    """The source channel `o mod source channels` for every target channel o."""
    out, inputs = stage.target[0], stage.source[0]
    if out == inputs:
        return x
    if out < inputs:
        return x[:, :out]
    return x.repeat(1, -(-out // inputs), 1, 1)[:, :out]


def _padding(stage: Stage, part: ConvPart) -> tuple[tuple[int, int], tuple[int, int, int, int] | None]:
    """conv2d's own symmetric padding where it meets the target grid, else an explicit frame (it crops if negative)."""
    before, after, fits = [], [], True
    for axis in (0, 1):
        size, target = stage.source[axis + 1], stage.target[axis + 1]
        extent = part.dilation[axis] * (part.kernel[axis] - 1)
        pad = -part.origin[axis]
        fits &= pad >= 0 and (size + 2 * pad - extent - 1) // stage.stride + 1 == target
        before.append(pad)
        after.append(stage.stride * (target - 1) + part.origin[axis] + extent - (size - 1))
    if fits:
        return (before[0], before[1]), None
    return (0, 0), (before[1], after[1], before[0], after[0])


def _span(offsets: list[int], stage: Stage, axis: int) -> tuple[int, int]:
    """Zeros needed before and after the source along one axis."""
    last = stage.stride * (stage.target[axis + 1] - 1)
    return max(0, -min(offsets)), max(0, last + max(offsets) - (stage.source[axis + 1] - 1))
