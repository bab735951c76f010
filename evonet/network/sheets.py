"""Sheets as they are computed, one after another: join, norm, activation, reduction, repeats. No weights are held."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.genome.genes import Activation
from evonet.network.norm import EPS, rms_norm
from evonet.network.stages import lowered, reference
from evonet.plan.lowering import GatherPart, Lowering, choose
from evonet.plan.types import Branch, SheetPlan
from evonet.timing import CostTable

LEAK = 0.125  # slope of leaky relu: steep enough that a zero-initialised new sheet learns
Weights = Sequence[Tensor]


class Sheets(nn.Module):
    """Some of a plan's sheets, each called by its index."""

    def __init__(
        self, sheets: Mapping[int, SheetPlan], *, masked: bool = False, costs: CostTable | None = None
    ) -> None:
        """`masked`, `costs`: as of a network."""
        super().__init__()
        self.plans = dict(sheets)
        found = [s for sheet in sheets.values() for b in (*sheet.incoming, *sheet.recurrent) for s in b.stages]
        parts = [() if masked else choose(stage, costs) for stage in found]
        stages = [lowered(*pair) if pair[1] else reference(pair[0]) for pair in zip(found, parts, strict=True)]
        self.stages = nn.ModuleList(stages)  # they hold no weights, only indices
        self._places = _places(self.plans)
        gathered = _gathered(self.plans.values(), parts)
        self._last = {k: k in gathered or _channels_last(sheet) for k, sheet in self.plans.items()}

    def forward(self, index: int, sources: Mapping[int, Tensor], w: Weights) -> Tensor:
        """Sheet `index` from those that it reads."""
        sheet = self.plans[index]
        rows = None if sheet.bias is None else w[sheet.bias]
        incoming, recurrent = self._places[index]
        h = self._join(sheet, sheet.incoming, incoming, sources, w, _row(rows, 0))
        if self._last[index] and not h.is_cuda:
            h = h.contiguous(memory_format=torch.channels_last)
        h = activate(sheet, reduce(sheet, h)) if _pool_first(sheet) else reduce(sheet, activate(sheet, h))
        if sheet.add_source is not None:
            h = h + sources[sheet.add_source]
        for step in range(1, sheet.repeats + 1):
            joined = self._join(sheet, sheet.recurrent, recurrent, {index: h}, w, _row(rows, step))
            again = activate(sheet, joined)
            h = h + again if sheet.add_self else again
        return h

    def step(self, index: int, sources: Mapping[int, Tensor], state: Tensor, w: Weights) -> Tensor:
        """Sheet `index` with its self motifs reading what it was before: act(norm(incoming + recurrent))."""
        sheet = self.plans[index]
        incoming, recurrent = self._places[index]
        h = self._join(sheet, sheet.incoming, incoming, sources, w, None if sheet.bias is None else w[sheet.bias][0])
        return activate(sheet, h + self._join(sheet, sheet.recurrent, recurrent, {index: state}, w, None))

    def _join(
        self,
        sheet: SheetPlan,
        branches: tuple[Branch, ...],
        first: tuple[int, ...],
        sources: Mapping[int, Tensor],
        w: Weights,
        bias: Tensor | None,
    ) -> Tensor:
        """The branches added up, where the first adds the bias, or side by side, where each adds its part of it."""
        terms = []
        for place, (branch, stage) in enumerate(zip(branches, first, strict=True)):
            apart = sheet.join == "concat" and len(branches) > 1
            part = bias[slice(*branch.channels)] if apart and bias is not None else bias
            terms.append(self._branch(branch, stage, sources[branch.source], w, part if apart or place == 0 else None))
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


def _places(sheets: Mapping[int, SheetPlan]) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Per sheet, the index among all stages of the first stage of every incoming and every recurrent branch."""
    at, places = 0, {}
    for index, sheet in sheets.items():
        found: list[list[int]] = [[], []]
        for kind, branches in enumerate((sheet.incoming, sheet.recurrent)):
            for branch in branches:
                found[kind].append(at)
                at += len(branch.stages)
        places[index] = tuple(found[0]), tuple(found[1])
    return places


def _gathered(sheets: Iterable[SheetPlan], parts: Sequence[Lowering]) -> set[int]:
    """The sheets that a gather reads. It wants the channels last, and so does the gradient of what made them."""
    sources = [b.source for sheet in sheets for b in (*sheet.incoming, *sheet.recurrent) for _ in b.stages]
    return {s for s, of in zip(sources, parts, strict=True) if any(isinstance(part, GatherPart) for part in of)}


def _channels_last(sheet: SheetPlan) -> bool:
    """Whether a sheet is computed with the channels last in memory; it changes no value but for the order of sums.

    Measured on a CPU (benchmarks/step.py): max pooling and norms over few channels take about 0.8 of the time so,
    whole training steps of plain or wide convolutions up to 1.2 times as much. On CUDA it is not done: torch's
    depthwise convolutions of float32 copy their source to the usual layout first.
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
