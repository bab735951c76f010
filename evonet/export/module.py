"""A plan as plain PyTorch code, one line an operation, and the tensors that the code loads.

Two forms: `write_module` writes stages as convolutions and gathers, `write_dense` as masked Linear layers. Code and
tensors come from one walk over the plan, so that they cannot disagree; that the code computes what `evonet.network`
computes is checked on every export (`evonet.export.check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from evonet.export import text
from evonet.export.code import Array, Code, Stages
from evonet.export.dense import Matrices, check_size
from evonet.export.kernels import Kernels
from evonet.network.norm import EPS
from evonet.network.sheets import LEAK
from evonet.plan import INPUT, Branch, Plan, ReadoutPlan, SheetPlan

_ACTIVATIONS = {
    "none": "{}",
    "relu": "F.relu({})",
    "leaky_relu": f"F.leaky_relu({{}}, {LEAK})",
    "abs": "torch.abs({})",
    "tanh": "torch.tanh({})",
    "gelu": "F.gelu({})",
}


@dataclass(frozen=True)
class Module:
    """Python source, and the tensors of its state dict: float32, masks bool."""

    source: str
    tensors: dict[str, NDArray[Any]]


def write_module(plan: Plan, weights: Sequence[Array], *, genome: str) -> Module:
    """The network of `plan` with `weights` (one per plan tensor, same order); `genome` is its text for the header."""
    code = Code()
    return _write(plan, weights, genome, code, Kernels(plan, weights, code), text.KERNELS)


def write_dense(plan: Plan, weights: Sequence[Array], *, genome: str) -> Module:
    """As `write_module`, with a masked Linear layer for every stage.

    Raises:
        ExportError: the matrices would be too large; nothing was allocated.
    """
    check_size(plan)
    code = Code()
    return _write(plan, weights, genome, code, Matrices(weights, code), text.DENSE)


def _write(plan: Plan, weights: Sequence[Array], genome: str, code: Code, stages: Stages, about: str) -> Module:
    walk = _Walk(plan, weights, code, stages)
    walk.sheets()
    walk.readout(plan.readout, plan.sheets[plan.readout.source].shape[1:])
    channels, height, width = plan.input
    source = text.TEMPLATE.format(
        about=about,
        genome="\n".join(f"#     {line}".rstrip() for line in genome.splitlines()),
        channels=channels,
        height=height,
        width=width,
        classes=plan.classes,
        helpers="".join(code.helpers),
        declarations="\n".join(f"        {line}" for line in code.declarations),
        body="\n".join(f"        {line}" for line in code.body),
    )
    return Module(source, code.tensors)


@dataclass
class _Walk:
    """Writes sheet after sheet. The variable x holds the newest; a sheet that is read again later is kept by name."""

    plan: Plan
    weights: Sequence[Array]
    code: Code
    stages: Stages

    def sheets(self) -> None:
        self._keep(INPUT)
        for index, sheet in enumerate(self.plan.sheets):
            sources = ", ".join(dict.fromkeys(_name(branch.source) for branch in sheet.incoming))
            self.code.body.append(f"# {sheet.name} of {sources}: {_times(sheet.shape)}")
            self._sheet(index, sheet)
            self._keep(index)

    def _keep(self, index: int) -> None:
        if any(index in _reads(sheet) for sheet in self.plan.sheets[index + 2 :]):
            self.code.body.append(f"{_name(index)} = x")

    def _sheet(self, index: int, sheet: SheetPlan) -> None:
        at = {source: "x" if source == index - 1 else _name(source) for source in _reads(sheet)}
        bias = self._bias(sheet)
        added = "" if sheet.add_source is None else at[sheet.add_source]
        self._apply(sheet, sheet.incoming, at, bias[0], reduced=True, added=added, indent="")
        if sheet.repeats:
            self.code.body.append(f"for step in range(1, {sheet.repeats + 1}):")
            added = "x" if sheet.add_self else ""
            self._apply(sheet, sheet.recurrent, {index: "x"}, bias[1], reduced=False, added=added, indent="    ")

    def _apply(
        self,
        sheet: SheetPlan,
        branches: Sequence[Branch],
        at: dict[int, str],
        bias: str,
        *,
        reduced: bool,
        added: str,
        indent: str,
    ) -> None:
        """One application of a sheet: x becomes reduce(act(norm(join of branches + bias))) (+ `added`)."""
        out = "h" if added else "x"  # x is still read
        lines = self._join(sheet, branches, at, out)
        if bias:
            lines.append(f"{out} = {out} + {bias}")
        if sheet.norm == "rms":
            lines.append(f"{out} = {out} * torch.rsqrt({out}.square().mean(1, keepdim=True) + {EPS})")
        if sheet.norm == "instance":
            lines.append(f"{out} = {out} - {out}.mean((2, 3), keepdim=True)")
            lines.append(f"{out} = {out} * torch.rsqrt({out}.square().mean((2, 3), keepdim=True) + {EPS})")
        if sheet.activation != "none":
            lines.append(f"{out} = {_ACTIVATIONS[sheet.activation].format(out)}")
        if reduced and sheet.reduction in ("max", "mean"):
            lines.append(f"{out} = {_halved(sheet, out)}")
        if added:
            lines.append(f"x = h + {added}")
        self.code.body += [indent + line for line in lines]

    def _join(self, sheet: SheetPlan, branches: Sequence[Branch], at: dict[int, str], out: str) -> list[str]:
        if len(branches) == 1:
            lines, terms = self._branch(branches[0], at, out)
            return lines + _sum(out, terms)
        lines, sums = [], []
        for place, branch in enumerate(branches):
            before, terms = self._branch(branch, at, f"h{place}")
            lines += before + _sum(f"h{place}", terms)
            sums.append(f"h{place}")
        if sheet.join == "concat":
            return [*lines, f"{out} = torch.cat([{', '.join(sums)}], dim=1)"]
        return [*lines, f"{out} = {' + '.join(sums)}"]

    def _branch(self, branch: Branch, at: dict[int, str], out: str) -> tuple[list[str], list[str]]:
        """The lines for all stages but the last, by way of the variable `out`, and the terms of the last."""
        x, lines = at[branch.source], []
        for stage in branch.stages[:-1]:
            lines += _sum(out, self.stages.terms(stage, x))
            x = out
        return lines, self.stages.terms(branch.stages[-1], x)

    def _bias(self, sheet: SheetPlan) -> tuple[str, str]:
        """The bias of the first application and of the repeated ones, as expressions; "" if there is none."""
        if sheet.bias is None:
            return "", ""
        rows, name = self.weights[sheet.bias], f"{sheet.name}_bias"
        if len(rows) == 1:
            self.code.declare(name, rows[0][:, None, None])
            return f"self.{name}", f"self.{name}"
        self.code.declare(name, rows[:, :, None, None], note="one an application")
        return f"self.{name}[0]", f"self.{name}[step]"

    def readout(self, readout: ReadoutPlan, grid: tuple[int, ...]) -> None:
        body = self.code.body
        body.append(f"# readout: {readout.pooling} over {_times(readout.grid)} cells, {readout.kind}")
        pools = {"mean": ["mean"], "max": ["max"], "both": ["mean", "max"]}[readout.pooling]
        features = [_pool(pool, readout.grid, grid) for pool in pools]
        body.append(f"x = {features[0]}" if len(features) == 1 else f"x = torch.cat([{', '.join(features)}], dim=1)")
        if readout.kind == "hadamard":
            self.code.helpers[text.HADAMARD] = None
            code = f"hadamard({self.plan.classes}, {readout.features})"
            self.code.declarations.append(f'self.register_buffer("readout_code", {code}, persistent=False)')
            body.append(f"return F.linear(x, self.readout_code) / {readout.features}**0.5")
        elif readout.weight is None or readout.bias is None:
            body.append("return x")
        else:
            self.code.declare("readout_weight", self.weights[readout.weight], note="classes, features")
            self.code.declare("readout_bias", self.weights[readout.bias])
            body.append("return F.linear(x, self.readout_weight, self.readout_bias)")


def _reads(sheet: SheetPlan) -> set[int]:
    """The other sheets that a sheet reads; its residual is the source of a motif."""
    return {branch.source for branch in sheet.incoming}


def _name(index: int) -> str:
    return "images" if index == INPUT else f"sheet{index}"


def _sum(out: str, terms: list[str]) -> list[str]:
    if len(terms) == 1:
        return [f"{out} = {terms[0]}"]
    return [f"{out} = (", f"    {terms[0]}", *(f"    + {term}" for term in terms[1:]), ")"]


def _halved(sheet: SheetPlan, x: str) -> str:
    """2x2 pooling; a side of 1 stays 1."""
    _, height, width = sheet.incoming[0].stages[-1].target
    kernel = "2" if min(height, width) > 1 else str((min(2, height), min(2, width)))
    return f"F.{'max' if sheet.reduction == 'max' else 'avg'}_pool2d({x}, {kernel})"


def _pool(pool: str, cells: tuple[int, int], grid: tuple[int, ...]) -> str:
    if cells == (1, 1):
        return "x.mean((2, 3))" if pool == "mean" else "x.amax((2, 3))"
    if cells == grid:
        return "x.flatten(1)"
    return f"F.adaptive_{'avg' if pool == 'mean' else 'max'}_pool2d(x, {cells}).flatten(1)"


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
