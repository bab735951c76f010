"""The torch module built from a plan. It never sees a genome."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.genome.genes import Activation
from evonet.network.norm import EPS, rms_norm
from evonet.network.stages import StageFunction, lowered, reference
from evonet.plan.types import Plan, ReadoutPlan, SheetPlan, Stage

LEAK = 0.125  # slope of leaky relu: steep enough that a zero-initialised new sheet learns


class Network(nn.Module):
    """Images (batch, channels, height, width), values in [0, 1], to logits (batch, classes).

    Parameters are named and shaped as `plan.tensors` (dots become underscores). `forward(x, weights)` computes with
    other tensors in their place, in the order of `plan.tensors`: how training sees quantised weights.
    """

    def __init__(self, plan: Plan, *, dtype: torch.dtype = torch.float32, masked: bool = False) -> None:
        """`masked`: compute every stage as a masked matrix, the reference, instead of its lowering."""
        super().__init__()
        self.plan = plan
        # Pairs, not a dict: ParameterDict would sort the keys of a plain dict.
        self.tensors = nn.ParameterDict(
            [(t.name.replace(".", "_"), nn.Parameter(torch.zeros(t.shape, dtype=dtype))) for t in plan.tensors]
        )
        make = reference if masked else lowered
        self._incoming = [[make(stage) for stage in sheet.incoming] for sheet in plan.sheets]
        self._recurrent = [[make(stage) for stage in sheet.recurrent] for sheet in plan.sheets]

    @property
    def weights(self) -> list[nn.Parameter]:
        """The parameters in the order of `plan.tensors`."""
        return list(self.tensors.values())

    def forward(self, x: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        if x.shape[1:] != self.plan.input:  # convolutions would take any size, and answer nonsense
            came, wanted = ("x".join(map(str, shape)) for shape in (x.shape[1:], self.plan.input))
            raise ValueError(f"images of {came} after the batch dimension, expected {wanted} (channels, height, width)")
        w: Sequence[Tensor] = self.weights if weights is None else weights
        for index, sheet in enumerate(self.plan.sheets):
            x = self._sheet(index, sheet, x, w)
        return _read(self.plan.readout, x, w)

    def _sheet(self, index: int, sheet: SheetPlan, x: Tensor, w: Sequence[Tensor]) -> Tensor:
        rows = None if sheet.bias is None else w[sheet.bias]
        h = _chain(self._incoming[index], sheet.incoming, x, w, _row(rows, 0))
        if _channels_last(sheet):
            h = h.contiguous(memory_format=torch.channels_last)
        h = activate(sheet, reduce(sheet, h)) if _pool_first(sheet) else reduce(sheet, activate(sheet, h))
        if sheet.add_source:
            h = h + x
        for step in range(1, sheet.repeats + 1):
            again = activate(sheet, _chain(self._recurrent[index], sheet.recurrent, h, w, _row(rows, step)))
            h = h + again if sheet.add_self else again
        return h


def _channels_last(sheet: SheetPlan) -> bool:
    """Whether a sheet is computed with the channels last in memory; it changes no value but for the order of sums.

    Measured on a CPU (benchmarks/step.py): max pooling and norms over few channels take about 0.8 of the time so,
    whole training steps of plain or wide convolutions up to 1.2 times as much.
    """
    return sheet.shape[0] <= 24 and (sheet.reduction == "max" or sheet.norm == "rms")


def _pool_first(sheet: SheetPlan) -> bool:
    """Whether pooling may come before the activation, which then has a quarter of the work.

    max(f(a), f(b)) = f(max(a, b)) for every f that never falls, bit for bit; gelu and abs do fall somewhere.
    """
    return sheet.reduction == "max" and sheet.norm == "none" and sheet.activation in ("relu", "leaky_relu", "tanh")


def _row(rows: Tensor | None, application: int) -> Tensor | None:
    """The bias of one application: its own row, or the only one."""
    return None if rows is None else rows[application if len(rows) > 1 else 0]


def _chain(
    functions: list[StageFunction], stages: tuple[Stage, ...], x: Tensor, w: Sequence[Tensor], bias: Tensor | None
) -> Tensor:
    """The stages in turn; the last one adds the bias."""
    last = len(stages) - 1
    for index, (function, stage) in enumerate(zip(functions, stages, strict=True)):
        x = function(x, None if stage.weight is None else w[stage.weight], bias if index == last else None)
    return x


def activate(sheet: SheetPlan, h: Tensor) -> Tensor:
    """act(norm(h))."""
    if sheet.norm == "rms":
        h = rms_norm(h)
    elif sheet.norm == "instance":
        variance, mean = torch.var_mean(h, (2, 3), correction=0, keepdim=True)
        h = (h - mean) * torch.rsqrt(variance + EPS)
    activated: Tensor = _ACTIVATIONS[sheet.activation](h)
    return activated


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda h: h,
    "relu": F.relu,
    "leaky_relu": lambda h: F.leaky_relu(h, LEAK),
    "abs": torch.abs,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def reduce(sheet: SheetPlan, h: Tensor) -> Tensor:
    """2x2 pooling, odd last rows and columns left out; a stride has already been taken by the stage."""
    if sheet.reduction == "max":
        return F.max_pool2d(h, 2)
    if sheet.reduction == "mean":
        return F.avg_pool2d(h, 2)
    return h


def _read(readout: ReadoutPlan, x: Tensor, w: Sequence[Tensor]) -> Tensor:
    pools = []
    if readout.pooling in ("mean", "both"):
        pools.append(_pool(x, readout.grid, largest=False))
    if readout.pooling in ("max", "both"):
        pools.append(_pool(x, readout.grid, largest=True))
    features = pools[0] if len(pools) == 1 else torch.cat(pools, dim=1)
    if readout.weight is None or readout.bias is None:
        return features
    return F.linear(features, w[readout.weight], w[readout.bias])


def _pool(x: Tensor, grid: tuple[int, int], *, largest: bool) -> Tensor:
    """Adaptive pooling, flattened as (channel, row, column)."""
    if grid == (1, 1):
        return x.amax((2, 3)) if largest else x.mean((2, 3))
    if grid == tuple(x.shape[2:]):
        return x.flatten(1)
    return (F.adaptive_max_pool2d(x, grid) if largest else F.adaptive_avg_pool2d(x, grid)).flatten(1)
