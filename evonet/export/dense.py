"""Stages as masked Linear layers: the expanded network itself, every connection a cell of a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evonet.errors import ExportError
from evonet.export import text
from evonet.export.code import Array, Code
from evonet.plan import Plan, Stage
from evonet.plan.masks import mask, signs, slots

LARGEST = 2**30  # bytes of all matrices and masks of one network


def check_size(plan: Plan) -> None:
    """Raises ExportError where the matrices would be too large; nothing was allocated."""
    sizes = {stage.name: 5 * _cells(stage) for stage in plan.stages}  # float32 and bool
    if sum(sizes.values()) > LARGEST:
        name = max(sizes, key=lambda name: sizes[name])
        raise ExportError(
            f"format 'dense': the matrices would take {sum(sizes.values()):,} bytes ({sizes[name]:,} of them for "
            f"{name}), expected at most {LARGEST:,}: leave it out, or use a smaller input."
        )


class Matrices:
    """Writes stages into `code`, whose class has a MaskedLinear for each."""

    def __init__(self, weights: Sequence[Array], code: Code) -> None:
        self.weights, self.code = weights, code

    def terms(self, stage: Stage, x: str) -> list[str]:
        name = stage.name.replace(".", "_")
        if f"{name}.weight" not in self.code.tensors:
            self._declare(name, stage)
        return [f"self.{name}({x}.flatten(1)).unflatten(1, {stage.target})"]

    def _declare(self, name: str, stage: Stage) -> None:
        of = mask(stage)
        self.code.helpers[text.MASKED] = None
        self.code.tensors[f"{name}.weight"] = self._matrix(stage)
        self.code.tensors[f"{name}.mask"] = of
        note = f"{np.count_nonzero(of):,} of {of.size:,}"
        self.code.declarations.append(f"self.{name} = MaskedLinear({of.shape[1]}, {of.shape[0]})  # {note}")

    def _matrix(self, stage: Stage) -> Array:
        if stage.weight is None:
            return mask(stage) * np.float32(1 / len(stage.taps))
        table = slots(stage)
        matrix: Array = np.asarray(self.weights[stage.weight], dtype=np.float32).reshape(-1)[table]
        if stage.tying is None:
            matrix[table < 0] = 0
        else:
            matrix *= signs(stage)  # 0 where there is no connection
        return matrix


def _cells(stage: Stage) -> int:
    (c, h, w), (o, y, x) = stage.source, stage.target
    return c * h * w * o * y * x
