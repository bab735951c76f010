"""A plan as plain PyTorch code, one line an operation, and the tensors that the code loads.

Taps become convolution kernels (taps that are not there are zeros) or shifted slices, as `evonet.plan.lowering`
chooses. Code and tensors come from one walk over the plan, so that they cannot disagree; that the code computes what
`evonet.network` computes is checked on every export (`evonet.export.check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonet.network.network import LEAK
from evonet.network.norm import EPS
from evonet.plan import Plan, ReadoutPlan, SheetPlan, Stage
from evonet.plan.lowering import ConvPart, GatherPart, choose

Array = NDArray[np.float32]

_ACTIVATIONS = {
    "none": "{}",
    "relu": "F.relu({})",
    "leaky_relu": f"F.leaky_relu({{}}, {LEAK})",
    "abs": "torch.abs({})",
    "tanh": "torch.tanh({})",
    "gelu": "F.gelu({})",
}

_TEMPLATE = '''\
# An evolved network as plain PyTorch, written by `evonet export`. It needs torch (and safetensors for that format).
# `taps` are the offsets (dy, dx) at which a neuron is wired to the sheet before it; kernels hold zeros in between.
# The genome that it grew from:
#
{genome}

import torch
import torch.nn.functional as F
from torch import Tensor, nn
{helpers}

class Net(nn.Module):
    """Images (batch, {channels}, {height}, {width}), values in [0, 1], to logits (batch, {classes})."""

    def __init__(self) -> None:
        super().__init__()
{declarations}

    def forward(self, x: Tensor) -> Tensor:
{body}


def load(path: str) -> Net:
    """The network with the weights in `path`: model.safetensors or model.pt."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = torch.load(path, weights_only=True)
    net = Net()
    net.load_state_dict(weights)
    return net.eval()
'''

_SHIFTED = '''

def shifted(x: Tensor, taps: list[tuple[int, int]], stride: int, height: int, width: int) -> Tensor:
    """x seen from every target position at each tap (dy, dx), zero outside: (batch, channels, taps, height, width)."""
    reach = max(max(abs(dy), abs(dx)) for dy, dx in taps) + stride
    x = F.pad(x, (reach, reach, reach, reach))
    views = []
    for dy, dx in taps:
        view = x[:, :, reach + dy :: stride, reach + dx :: stride]
        views.append(view[:, :, :height, :width])
    return torch.stack(views, dim=2)
'''


@dataclass(frozen=True)
class Module:
    """Python source, and the float32 tensors of its state dict."""

    source: str
    tensors: dict[str, Array]


def write_module(plan: Plan, weights: Sequence[Array], *, genome: str) -> Module:
    """The network of `plan` with `weights` (one per plan tensor, same order); `genome` is its text for the header."""
    writer = _Writer(weights)
    for sheet in plan.sheets:
        writer.sheet(sheet)
    writer.readout(plan.readout, plan.sheets[-1].shape[1:])
    channels, height, width = plan.input
    source = _TEMPLATE.format(
        genome="\n".join(f"#     {line}".rstrip() for line in genome.splitlines()),
        channels=channels,
        height=height,
        width=width,
        classes=plan.classes,
        helpers=_SHIFTED if writer.shifts else "",
        declarations="\n".join(f"        {line}" for line in writer.declarations),
        body="\n".join(f"        {line}" for line in writer.body),
    )
    return Module(source, writer.tensors)


@dataclass
class _Writer:
    """Walks a plan and collects declarations, the lines of `forward`, and tensors."""

    weights: Sequence[Array]
    declarations: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)
    shifts: bool = False

    def sheet(self, sheet: SheetPlan) -> None:
        self.body.append(f"# {sheet.name}: {_times(sheet.incoming[0].source)} -> {_times(sheet.shape)}")
        bias = self._bias(sheet)
        self._apply(sheet, sheet.incoming, bias[0], reduce=True, residual=sheet.add_source, indent="")
        if sheet.repeats:
            self.body.append(f"for step in range(1, {sheet.repeats + 1}):")
            self._apply(sheet, sheet.recurrent, bias[1], reduce=False, residual=sheet.add_self, indent="    ")

    def _apply(
        self, sheet: SheetPlan, stages: Sequence[Stage], bias: str, *, reduce: bool, residual: bool, indent: str
    ) -> None:
        """One application of a sheet: x becomes reduce(act(norm(stages(x) + bias))) (+ x)."""
        out, lines = "h" if residual else "x", []
        for index, stage in enumerate(stages):
            lines += _assign(out, self._stage(stage, "x" if index == 0 else out))
        if bias:
            lines.append(f"{out} = {out} + {bias}")
        if sheet.norm == "rms":
            lines.append(f"{out} = {out} * torch.rsqrt({out}.square().mean(1, keepdim=True) + {EPS})")
        if sheet.norm == "instance":
            lines.append(f"{out} = {out} - {out}.mean((2, 3), keepdim=True)")
            lines.append(f"{out} = {out} * torch.rsqrt({out}.square().mean((2, 3), keepdim=True) + {EPS})")
        if sheet.activation != "none":
            lines.append(f"{out} = {_ACTIVATIONS[sheet.activation].format(out)}")
        if reduce and sheet.reduction in ("max", "mean"):
            lines.append(f"{out} = F.{'max' if sheet.reduction == 'max' else 'avg'}_pool2d({out}, 2)")
        if residual:
            lines.append("x = x + h")
        self.body += [indent + line for line in lines]

    def readout(self, readout: ReadoutPlan, grid: tuple[int, ...]) -> None:
        self.body.append(f"# readout: {readout.pooling} over {_times(readout.grid)} cells, {readout.kind}")
        pools = {"mean": ["mean"], "max": ["max"], "both": ["mean", "max"]}[readout.pooling]
        features = [_pool(pool, readout.grid, grid) for pool in pools]
        joined = ", ".join(features)
        self.body.append(f"x = {joined}" if len(features) == 1 else f"x = torch.cat([{joined}], dim=1)")
        if readout.weight is None or readout.bias is None:
            self.body.append("return x")
            return
        self._declare("readout_weight", self.weights[readout.weight], note="classes, features")
        self._declare("readout_bias", self.weights[readout.bias])
        self.body.append("return F.linear(x, self.readout_weight, self.readout_bias)")

    def _bias(self, sheet: SheetPlan) -> tuple[str, str]:
        """The bias of the first application and of the repeated ones, as expressions; "" if there is none."""
        if sheet.bias is None:
            return "", ""
        rows, name = self.weights[sheet.bias], f"{sheet.name}_bias"
        if len(rows) == 1:
            self._declare(name, rows[0][:, None, None])
            return f"self.{name}", f"self.{name}"
        self._declare(name, rows[:, :, None, None], note="one an application")
        return f"self.{name}[0]", f"self.{name}[step]"

    def _stage(self, stage: Stage, x: str) -> list[str]:
        """The stage applied to the variable `x`, as expressions to be summed."""
        name = stage.name.replace(".", "_")
        parts = choose(stage)
        names = [name] if len(parts) == 1 else [f"{name}_near", f"{name}_far"]
        if stage.weight is None:
            weight = np.full((stage.target[0], len(stage.taps)), 1 / len(stage.taps), dtype=np.float32)
        else:
            weight = self.weights[stage.weight]
        if stage.mixing != "full":
            x = _per_channel(x, stage.target[0], stage.source[0])
        return [
            self._conv(stage, part, weight[..., list(part.index)], part_name, x)
            if isinstance(part, ConvPart)
            else self._gather(stage, part, weight[..., list(part.index)], part_name, x)
            for part, part_name in zip(parts, names, strict=True)
        ]

    def _conv(self, stage: Stage, part: ConvPart, weight: Array, name: str, x: str) -> str:
        if stage.mixing != "full":
            weight = weight[:, None, :]
        kernel = np.zeros((*weight.shape[:2], part.kernel[0] * part.kernel[1]), dtype=np.float32)
        kernel[:, :, list(part.cells)] = weight
        self._declare(
            name, kernel.reshape(*weight.shape[:2], *part.kernel), note=_taps(stage, part), fixed=stage.weight is None
        )
        frame = _frame(stage, part)
        options: list[tuple[str, Any]] = []
        if frame[0] == frame[1] >= 0 and frame[2] == frame[3] >= 0:
            options.append(("padding", (frame[2], frame[0])))
        else:
            x = f"F.pad({x}, {frame})"
        options += [("stride", stage.stride), ("dilation", part.dilation)]
        options.append(("groups", 1 if stage.mixing == "full" else stage.target[0]))
        plain = {"padding": (0, 0), "stride": 1, "dilation": (1, 1), "groups": 1}
        text = "".join(f", {key}={value}" for key, value in options if value != plain[key])
        return f"F.conv2d({x}, self.{name}{text})"

    def _gather(self, stage: Stage, part: GatherPart, weight: Array, name: str, x: str) -> str:
        self.shifts = True
        self._declare(name, weight, note=_taps(stage, part), fixed=stage.weight is None)
        taps = [stage.taps[i] for i in part.index]
        _, height, width = stage.target
        indices = "nithw,oit->nohw" if stage.mixing == "full" else "nothw,ot->nohw"
        self.declarations.append(f"self.{name}_at = {taps}")
        return (
            f'torch.einsum("{indices}", shifted({x}, self.{name}_at, {stage.stride}, {height}, {width}), self.{name})'
        )

    def _declare(self, name: str, value: Array, *, note: str = "", fixed: bool = False) -> None:
        self.tensors[name] = np.array(value, dtype=np.float32, order="C")  # a copy: the caller's stay as they are
        zeros = f"torch.zeros({', '.join(map(str, value.shape))})"
        line = f'self.register_buffer("{name}", {zeros})' if fixed else f"self.{name} = nn.Parameter({zeros})"
        self.declarations.append(f"{line}  # {note}" if note else line)


def _assign(out: str, terms: list[str]) -> list[str]:
    if len(terms) == 1:
        return [f"{out} = {terms[0]}"]
    return [f"{out} = (", f"    {terms[0]}", *(f"    + {term}" for term in terms[1:]), ")"]


def _frame(stage: Stage, part: ConvPart) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom (a crop if negative) after which the convolution gives the target grid."""
    frame: list[int] = []
    for axis in (1, 0):
        first, extent = part.origin[axis], part.dilation[axis] * (part.kernel[axis] - 1)
        last = stage.stride * (stage.target[axis + 1] - 1) + first + extent
        frame += [-first, last - (stage.source[axis + 1] - 1)]
    left, right, top, bottom = frame
    return left, right, top, bottom


def _per_channel(x: str, out: int, inputs: int) -> str:
    """The source channel `o mod inputs` for every target channel o."""
    if out == inputs:
        return x
    return f"{x}[:, :{out}]" if out < inputs else f"{x}.repeat(1, {-(-out // inputs)}, 1, 1)[:, :{out}]"


def _pool(pool: str, cells: tuple[int, int], grid: tuple[int, ...]) -> str:
    if cells == (1, 1):
        return "x.mean((2, 3))" if pool == "mean" else "x.amax((2, 3))"
    if cells == grid:
        return "x.flatten(1)"
    return f"F.adaptive_{'avg' if pool == 'mean' else 'max'}_pool2d(x, {cells}).flatten(1)"


def _taps(stage: Stage, part: ConvPart | GatherPart) -> str:
    """What is wired, for the comment at the kernel."""
    text = f"{len(part.index)} taps" if len(part.index) > 1 else "1 tap"
    if isinstance(part, ConvPart) and not part.dense:
        text += f" in {part.kernel[0]}x{part.kernel[1]}"
    return text + (", fixed: their mean" if stage.weight is None else "")


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
