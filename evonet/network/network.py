"""The torch module built from a plan. It never sees a genome."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.genome.genes import Activation
from evonet.network.norm import EPS, rms_norm
from evonet.network.readout import Readout
from evonet.network.stages import lowered, reference
from evonet.plan.lowering import GatherPart, Lowering, choose
from evonet.plan.timing import CostTable
from evonet.plan.types import INPUT, Branch, Plan, SheetPlan

LEAK = 0.125  # slope of leaky relu: steep enough that a zero-initialised new sheet learns
Weights = Sequence[Tensor]


class Network(nn.Module):
    """Images (batch, channels, height, width), values in [0, 1], to logits (batch, classes).

    Parameters are named and shaped as `plan.tensors` (dots become underscores). `forward(x, weights)` computes with
    other tensors in their place, in the order of `plan.tensors`: how training sees quantised weights.
    """

    def __init__(
        self, plan: Plan, *, dtype: torch.dtype = torch.float32, masked: bool = False, costs: CostTable | None = None
    ) -> None:
        """`masked`: compute every stage as a masked matrix, the reference, instead of its lowering.

        `costs`: what the lowerings are chosen by; None is the default table.
        """
        super().__init__()
        self.plan = plan
        # Pairs, not a dict: ParameterDict would sort the keys of a plain dict.
        self.tensors = nn.ParameterDict(
            [(t.name.replace(".", "_"), nn.Parameter(torch.zeros(t.shape, dtype=dtype))) for t in plan.tensors]
        )
        parts = [() if masked else choose(stage, costs) for stage in plan.stages]
        stages = [lowered(*pair) if pair[1] else reference(pair[0]) for pair in zip(plan.stages, parts, strict=True)]
        self.stages = nn.ModuleList(stages)  # they hold no weights, only indices
        self.readout = Readout(plan.readout, plan.classes)
        self._places = _places(plan)
        gathered = _gathered(plan, parts)
        self._last = [k in gathered or _channels_last(sheet) for k, sheet in enumerate(plan.sheets)]

    @property
    def weights(self) -> list[nn.Parameter]:
        """The parameters in the order of `plan.tensors`."""
        return list(self.tensors.values())

    def forward(self, x: Tensor, weights: Weights | None = None) -> Tensor:
        if x.shape[1:] != self.plan.input:  # convolutions would take any size, and answer nonsense
            came, wanted = ("x".join(map(str, shape)) for shape in (x.shape[1:], self.plan.input))
            raise ValueError(f"images of {came} after the batch dimension, expected {wanted} (channels, height, width)")
        w: Weights = self.weights if weights is None else weights
        sheets = {INPUT: x}
        for index, sheet in enumerate(self.plan.sheets):
            sheets[index] = self._sheet(index, sheet, sheets, w)
        logits: Tensor = self.readout(sheets[len(self.plan.sheets) - 1], w)
        return logits

    def _sheet(self, index: int, sheet: SheetPlan, sheets: dict[int, Tensor], w: Weights) -> Tensor:
        rows = None if sheet.bias is None else w[sheet.bias]
        incoming, recurrent = self._places[index]
        h = self._join(sheet, sheet.incoming, incoming, sheets, w, _row(rows, 0))
        if self._last[index]:
            h = h.contiguous(memory_format=torch.channels_last)
        h = activate(sheet, reduce(sheet, h)) if _pool_first(sheet) else reduce(sheet, activate(sheet, h))
        if sheet.add_source is not None:
            h = h + sheets[sheet.add_source]
        for step in range(1, sheet.repeats + 1):
            joined = self._join(sheet, sheet.recurrent, recurrent, {index: h}, w, _row(rows, step))
            again = activate(sheet, joined)
            h = h + again if sheet.add_self else again
        return h

    def _join(
        self,
        sheet: SheetPlan,
        branches: tuple[Branch, ...],
        first: tuple[int, ...],
        sheets: dict[int, Tensor],
        w: Weights,
        bias: Tensor | None,
    ) -> Tensor:
        """The branches added up, where the first adds the bias, or side by side, where each adds its part of it."""
        terms = []
        for place, (branch, stage) in enumerate(zip(branches, first, strict=True)):
            apart = sheet.join == "concat" and len(branches) > 1
            part = bias[slice(*branch.channels)] if apart and bias is not None else bias
            terms.append(self._branch(branch, stage, sheets[branch.source], w, part if apart or place == 0 else None))
        if len(terms) == 1:
            return terms[0]
        if sheet.join == "concat":
            return torch.cat(terms, dim=1)
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _branch(self, branch: Branch, first: int, x: Tensor, w: Weights, bias: Tensor | None) -> Tensor:
        """The stages in turn; the last one adds the bias, because a convolution adds it for nothing."""
        last = len(branch.stages) - 1
        for place, stage in enumerate(branch.stages):
            weight = None if stage.weight is None else w[stage.weight]
            x = self.stages[first + place](x, weight, bias if place == last else None)
        return x


def _places(plan: Plan) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Per sheet, the index among `plan.stages` of the first stage of every incoming and every recurrent branch."""
    at, places = 0, []
    for sheet in plan.sheets:
        found: list[list[int]] = [[], []]
        for kind, branches in enumerate((sheet.incoming, sheet.recurrent)):
            for branch in branches:
                found[kind].append(at)
                at += len(branch.stages)
        places.append((tuple(found[0]), tuple(found[1])))
    return places


def _gathered(plan: Plan, parts: Sequence[Lowering]) -> set[int]:
    """The sheets that a gather reads. It wants the channels last, and so does the gradient of what made them."""
    sources = [b.source for sheet in plan.sheets for b in (*sheet.incoming, *sheet.recurrent) for _ in b.stages]
    return {s for s, of in zip(sources, parts, strict=True) if any(isinstance(part, GatherPart) for part in of)}


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
    """2x2 pooling, odd last rows and columns left out; a stride has already been taken by the stage.

    A side of 1 stays 1: a sequence is pooled in twos.
    """
    kernel = min(2, h.shape[2]), min(2, h.shape[3])
    if sheet.reduction == "max":
        return F.max_pool2d(h, kernel)
    if sheet.reduction == "mean":
        return F.avg_pool2d(h, kernel)
    return h
