"""Stages as convolutions, or as gathers where no small regular kernel holds the taps or the positions are irregular.

Kernels are plain: a symmetry's weights are written out, taps that are not there are zeros. A weight that several
stages have is one parameter used several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from evonet.export import text
from evonet.export.code import Array, Code, read, resolved
from evonet.plan import Stage, Tap
from evonet.plan.geometry import stride

CELLS = 6  # a kernel may have so many cells a tap: a gathered tap takes about as long as six of a convolution


@dataclass(frozen=True)
class Part:
    """Taps `index` of a stage: at `cells` of a kernel of offsets origin + (i, j) * dilation; gathered without one."""

    index: tuple[int, ...]
    origin: Tap = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (0, 0)
    cells: tuple[int, ...] = ()

    @property
    def dense(self) -> bool:
        """Every cell is a tap, in order: the weight is the kernel."""
        return bool(self.cells) and self.cells == tuple(range(prod(self.kernel)))


class Kernels:
    """Writes stages into `code`, each of `stages`: all that there are."""

    def __init__(self, stages: Sequence[Stage], weights: Sequence[Array], code: Code) -> None:
        self.stages, self.weights, self.code = stages, weights, code

    def terms(self, stage: Stage, x: str) -> list[str]:
        sharers = [s for s in self.stages if stage.weight is not None and s.weight == stage.weight]
        # Where the same stored weights make different kernels (another symmetry, other tiles), each stage has its own.
        if len(sharers) > 1 and len({(s.tying, s.tiles, s.target[0], bool(s.reads)) for s in sharers}) == 1:
            return [self._shared(stage, sharers, read(stage, x))]
        name, weight = stage.name.replace(".", "_"), self._weight(stage)
        parts = split(stage)
        names = [name] if len(parts) == 1 else [f"{name}_near", f"{name}_far"]
        return [
            self._own(stage, part, weight[..., list(part.index)], part_name, read(stage, x))
            for part, part_name in zip(parts, names, strict=True)
        ]

    def _weight(self, stage: Stage) -> Array:
        """(tiles, out, inputs, taps); the mean's constant weight where a stage has none."""
        if stage.weight is None:
            taps = len(stage.taps)
            return np.full((1, stage.target[0], 1, taps), 1 / taps, dtype=np.float32)
        return resolved(stage, self.weights[stage.weight])

    def _own(self, stage: Stage, part: Part, weight: Array, name: str, x: str) -> str:
        note, fixed = _note(stage, part), stage.weight is None
        if not part.cells:
            self.code.declare(name, _gathered(stage, weight), note=note, fixed=fixed)
            return self._gather(stage, part, name, f"self.{name}", x)
        kernel = _kernel(part, weight[0])
        if _linear(stage, part):
            self.code.declare(name, kernel.reshape(len(kernel), -1), note=note)
            return f"F.linear({x}.flatten(1), self.{name})[:, :, None, None]"
        self.code.declare(name, kernel, note=note, fixed=fixed)
        return self._conv(stage, part, f"self.{name}", x)

    def _shared(self, stage: Stage, sharers: list[Stage], x: str) -> str:
        """The stage with the parameter of all `sharers`: their kernel, or the taps where their kernels differ."""
        name, part = sharers[0].name.replace(".", "_"), _single(stage)
        forms = {(p.kernel, p.cells) for p in map(_single, sharers)}
        if name not in self.code.tensors:
            weight = self._weight(stage)
            form = _kernel(part, weight[0]) if len(forms) == 1 and part.cells else _gathered(stage, weight)
            self.code.declare(name, form, note=f"{_note(stage, part)}; used {len(sharers)} times")
        if not part.cells:
            return self._gather(stage, part, stage.name.replace(".", "_"), f"self.{name}", x)
        if len(forms) == 1:
            return self._conv(stage, part, f"self.{name}", x)
        self.code.helpers[text.PLACED] = None
        axis = "[:, None]" if stage.mixing == "depthwise" else ""
        return self._conv(stage, part, f"placed(self.{name}, {list(part.cells)}, {part.kernel}){axis}", x)

    def _conv(self, stage: Stage, part: Part, kernel: str, x: str) -> str:
        steps, frame = stride(stage) or (1, 1), _frame(stage, part)
        padding = (frame[2], frame[0])
        if stage.wrap and any(frame):
            self.code.helpers[text.WRAPPED] = None
            x, padding = f"wrapped({x}, {frame})", (0, 0)
        elif min(padding) < 0 or not _pads(stage, part, padding, steps):
            x, padding = f"F.pad({x}, {frame})", (0, 0)
        groups = stage.target[0] if stage.mixing in ("depthwise", "identity") else stage.groups
        options = {"padding": _pair(padding, 0), "stride": _pair(steps, 1), "dilation": _pair(part.dilation, 1)}
        options["groups"] = "" if groups == 1 else str(groups)
        rest = "".join(f", {key}={value}" for key, value in options.items() if value)
        return f"F.conv2d({x}, {kernel}{rest})"

    def _gather(self, stage: Stage, part: Part, name: str, weight: str, x: str) -> str:
        """Every target position reads the source at its own place: any stride, any tile."""
        self.code.helpers[text.SEEN] = None
        size, grouped = stage.target[1:], stage.mixing == "grouped"
        at = [stage.taps[i] for i in part.index], size, stage.span, stage.shift, stage.wrap
        self.code.declarations.append(f"self.{name}_at = {at}")
        x = f"seen({x}, *self.{name}_at)"
        tiles = "hw" if stage.tiles != (1, 1) else ""
        if tiles and stage.tiles != size:
            self.code.helpers[text.SPREAD] = None
            weight = f"spread({weight}, {size})"
        if grouped:
            x, weight = f"{x}.unflatten(1, ({stage.groups}, -1))", f"{weight}.unflatten(-3, ({stage.groups}, -1))"
            return f'torch.einsum("ngithw,{tiles}goit->ngohw", {x}, {weight}).flatten(1, 2)'
        indices = f"nithw,{tiles}oit->nohw" if stage.mixing == "full" else f"nothw,{tiles}ot->nohw"
        return f'torch.einsum("{indices}", {x}, {weight})'


def split(stage: Stage) -> tuple[Part, ...]:
    """One kernel, or one for the local taps beside the rest, or everything gathered."""
    whole = _single(stage)
    if whole.cells or not _regular(stage):
        return (whole,)
    near = tuple(i for i, tap in enumerate(stage.taps) if max(map(abs, tap)) <= stage.local)
    far = tuple(i for i in range(len(stage.taps)) if i not in near)
    if near and far and (local := _part(stage, near)).cells:
        return local, _part(stage, far)
    return (whole,)


def _single(stage: Stage) -> Part:
    index = tuple(range(len(stage.taps)))
    return _part(stage, index) if _regular(stage) else Part(index)


def _regular(stage: Stage) -> bool:
    """The same weights at every position, and positions a whole number of steps apart."""
    return stage.tiles == (1, 1) and stride(stage) is not None


def _part(stage: Stage, index: tuple[int, ...]) -> Part:
    """The smallest regular kernel that holds the taps, if it is small enough."""
    (y0, ey, kh), (x0, ex, kw) = (_progression([stage.taps[i][axis] for i in index]) for axis in (0, 1))
    if kh * kw > CELLS * len(index):
        return Part(index)
    cells = tuple((stage.taps[i][0] - y0) // ey * kw + (stage.taps[i][1] - x0) // ex for i in index)
    return Part(index, (y0, x0), (ey, ex), (kh, kw), cells)


def _progression(values: list[int]) -> tuple[int, int, int]:
    """First value, step and count of the smallest arithmetic progression that holds `values`."""
    first = min(values)
    step = gcd(*(v - first for v in values)) or 1
    return first, step, (max(values) - first) // step + 1


def _kernel(part: Part, weight: Array) -> Array:
    kernel = np.zeros((*weight.shape[:2], prod(part.kernel)), dtype=np.float32)
    kernel[:, :, list(part.cells)] = weight
    return kernel.reshape(*weight.shape[:2], *part.kernel)


def _gathered(stage: Stage, weight: Array) -> Array:
    """(rows of tiles, columns of tiles, out, inputs, taps), without the axes that the stage does not have."""
    shape = (*stage.tiles, *weight.shape[1:]) if stage.tiles != (1, 1) else weight.shape[1:]
    return weight.reshape(*shape[:-2], shape[-1]) if stage.reads else weight.reshape(shape)


def _linear(stage: Stage, part: Part) -> bool:
    """One position that reads the whole source: a Linear layer."""
    whole = part.kernel == stage.source[1:] and _frame(stage, part) == (0, 0, 0, 0)
    return stage.mixing == "full" and stage.target[1:] == (1, 1) and whole and part.dense


def _frame(stage: Stage, part: Part) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom (a crop if negative) after which the convolution gives the target grid."""
    frame: list[int] = []
    for axis in (1, 0):
        first, extent = part.origin[axis] + stage.shift[axis], part.dilation[axis] * (part.kernel[axis] - 1)
        last = (stride(stage) or (1, 1))[axis] * (stage.target[axis + 1] - 1) + first + extent
        frame += [-first, last - (stage.source[axis + 1] - 1)]
    left, right, top, bottom = frame
    return left, right, top, bottom


def _pads(stage: Stage, part: Part, padding: tuple[int, int], steps: tuple[int, int]) -> bool:
    """Whether conv2d's own padding, as much after as before, gives the target grid."""
    for axis in (0, 1):
        room = stage.source[axis + 1] + 2 * padding[axis] - part.dilation[axis] * (part.kernel[axis] - 1) - 1
        if room // steps[axis] + 1 != stage.target[axis + 1]:
            return False
    return True


def _pair(values: tuple[int, int], plain: int) -> str:
    """As an argument; "" where it is conv2d's default."""
    if values == (plain, plain):
        return ""
    return str(values[0]) if values[0] == values[1] else str(values)


def _note(stage: Stage, part: Part) -> str:
    """What is wired, for the comment at the weights."""
    note = f"{len(part.index)} taps" if len(part.index) > 1 else "1 tap"
    if part.cells and not part.dense:
        note += f" in {part.kernel[0]}x{part.kernel[1]}"
    if stage.tiles != (1, 1):
        note += f", {stage.tiles[0]}x{stage.tiles[1]} tiles"
    return note + (", fixed: their mean" if stage.weight is None else "")
