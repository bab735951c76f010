"""Sheets and readouts as lines of code, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evonet.export import text
from evonet.export.code import Array, Code, Stages
from evonet.network.norm import EPS
from evonet.network.sheets import LEAK
from evonet.plan import INPUT, Branch, ReadoutPlan, SheetPlan

_ACTIVATIONS = {
    "none": "{}",
    "relu": "F.relu({})",
    "leaky_relu": f"F.leaky_relu({{}}, {LEAK})",
    "abs": "torch.abs({})",
    "tanh": "torch.tanh({})",
    "gelu": "F.gelu({})",
}


@dataclass
class Walk:
    """Writes sheet after sheet. The variable x holds the newest; a sheet that is read again later is kept by name."""

    weights: Sequence[Array]
    code: Code
    stages: Stages
    newest: int = INPUT  # the sheet in x
    names: Mapping[int, str] = field(default_factory=dict)  # of sheets that are called otherwise

    def sheets(self, sheets: Mapping[int, SheetPlan], *, kept: Iterable[int] = ()) -> None:
        """In this order. What others than the next one read is named, and what is `kept` for later code."""
        order = list(sheets)
        self.keep(self.newest, sheets, order, kept)
        for place, index in enumerate(order, start=1):
            sheet = sheets[index]
            sources = ", ".join(dict.fromkeys(self.name(branch.source) for branch in sheet.incoming))
            self.code.body.append(f"# {sheet.name} of {sources}: {times(sheet.shape)}")
            self._sheet(index, sheet)
            self.newest = index
            self.keep(index, sheets, order[place:], kept)

    def keep(self, index: int, sheets: Mapping[int, SheetPlan], order: Sequence[int], kept: Iterable[int]) -> None:
        """Names the sheet in x, `order` being what is still to come."""
        if index in kept or any(index in reads(sheets[k]) for k in order[1:]):
            self.code.body.append(f"{self.name(index)} = x")

    def name(self, index: int) -> str:
        return self.names.get(index) or ("images" if index == INPUT else f"sheet{index}")

    def _sheet(self, index: int, sheet: SheetPlan) -> None:
        at = self._sources(sheet)
        bias = self._bias(sheet)
        added = "" if sheet.add_source is None else at[sheet.add_source]
        self._apply(sheet, sheet.incoming, at, bias[0], reduced=True, added=added, indent="")
        if sheet.repeats:
            self.code.body.append(f"for step in range(1, {sheet.repeats + 1}):")
            added = "x" if sheet.add_self else ""
            self._apply(sheet, sheet.recurrent, {index: "x"}, bias[1], reduced=False, added=added, indent="    ")

    def step(self, index: int, sheet: SheetPlan, state: str) -> None:
        """As `sheets`, with the self motifs of one sheet reading the variable `state`: what it was before."""
        at = self._sources(sheet)
        bias = self._bias(sheet)[0]
        lines = self._join(sheet, sheet.recurrent, {index: state}, "again")
        lines += self._join(sheet, sheet.incoming, at, "x")
        self.code.body += [*lines, f"x = x + again + {bias}" if bias else "x = x + again", *_activated(sheet, "x")]
        self.newest = index

    def _sources(self, sheet: SheetPlan) -> dict[int, str]:
        return {source: "x" if source == self.newest else self.name(source) for source in reads(sheet)}

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
        lines += _activated(sheet, out)
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

    def readout(self, readout: ReadoutPlan, classes: int, grid: tuple[int, ...]) -> None:
        """Of a sheet of `grid` positions in x."""
        self.code.body.append(f"# readout: {readout.pooling} over {times(readout.grid)} cells, {readout.kind}")
        self.pool([_pool(pool, readout.grid, grid) for pool in pools(readout)])
        self.code.body.append(f"return {self.answer(readout, classes)}")

    def pool(self, features: Sequence[str]) -> None:
        joined = f"torch.cat([{', '.join(features)}], dim=1)"
        self.code.body.append(f"x = {features[0] if len(features) == 1 else joined}")

    def answer(self, readout: ReadoutPlan, classes: int) -> str:
        """The logits of pooled features in x, as an expression; what it needs is declared."""
        if readout.kind == "hadamard":
            self.code.helpers[text.HADAMARD] = None
            code = f"hadamard({classes}, {readout.features})"
            self.code.declarations.append(f'self.register_buffer("readout_code", {code}, persistent=False)')
            return f"F.linear(x, self.readout_code) / {readout.features}**0.5"
        if readout.weight is None or readout.bias is None:
            return "x"
        self.code.declare("readout_weight", self.weights[readout.weight], note="classes, features")
        self.code.declare("readout_bias", self.weights[readout.bias])
        return "F.linear(x, self.readout_weight, self.readout_bias)"


def reads(sheet: SheetPlan) -> set[int]:
    """The other sheets that a sheet reads; its residual is the source of a motif."""
    return {branch.source for branch in sheet.incoming}


def pools(readout: ReadoutPlan) -> list[str]:
    return {"mean": ["mean"], "max": ["max"], "both": ["mean", "max"]}[readout.pooling]


def _activated(sheet: SheetPlan, x: str) -> list[str]:
    """x = act(norm(x)), in lines."""
    lines = []
    if sheet.norm == "rms":
        lines.append(f"{x} = {x} * torch.rsqrt({x}.square().mean(1, keepdim=True) + {EPS})")
    if sheet.norm == "instance":
        lines.append(f"{x} = {x} - {x}.mean((2, 3), keepdim=True)")
        lines.append(f"{x} = {x} * torch.rsqrt({x}.square().mean((2, 3), keepdim=True) + {EPS})")
    if sheet.activation != "none":
        lines.append(f"{x} = {_ACTIVATIONS[sheet.activation].format(x)}")
    return lines


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


def times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
