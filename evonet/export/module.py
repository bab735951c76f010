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
from evonet.export.eyes import as_computed, everywhere, eyes
from evonet.export.kernels import Kernels
from evonet.export.looking import Looking
from evonet.export.walk import Walk
from evonet.plan import Plan


@dataclass(frozen=True)
class Module:
    """Python source, and the tensors of its state dict: float32, masks bool."""

    source: str
    tensors: dict[str, NDArray[Any]]


def write_module(plan: Plan, weights: Sequence[Array], *, genome: str) -> Module:
    """The network of `plan` with `weights` (one per plan tensor, same order); `genome` is its text for the header."""
    code = Code()
    if not _looks(plan):
        return _write(plan, weights, genome, code, Kernels(plan.stages, weights, code), text.KERNELS)
    found = eyes(plan)
    stages = Kernels(as_computed(plan, found), weights, code)
    Looking(plan, Walk(weights, code, stages)).write(found)
    return _filled(plan, genome, code, text.KERNELS)


def write_dense(plan: Plan, weights: Sequence[Array], *, genome: str) -> Module:
    """As `write_module`, with a masked Linear layer for every stage.

    Where the network looks at some cells alone, the sheets of its eye are matrices over whole images, and only then the
    cells are chosen: the matrix of a block would show a part of the wiring.

    Raises:
        ExportError: the matrices would be too large; nothing was allocated.
    """
    check_size(plan)
    code = Code()
    stages = Matrices(weights, code)
    if not _looks(plan):
        return _write(plan, weights, genome, code, stages, text.DENSE)
    Looking(plan, Walk(weights, code, stages)).write(everywhere(plan), whole=True)
    return _filled(plan, genome, code, text.DENSE)


def _looks(plan: Plan) -> bool:
    """Whether some cells are left out, or what was seen is a set: all else is computed as if without a saccade gene."""
    return plan.saccade is not None and (plan.saccade.route != "every" or plan.saccade.form == "set")


def _write(plan: Plan, weights: Sequence[Array], genome: str, code: Code, stages: Stages, about: str) -> Module:
    walk = Walk(weights, code, stages)
    walk.sheets(dict(enumerate(plan.sheets)))
    walk.readout(plan.readout, plan.classes, plan.sheets[plan.readout.source].shape[1:])
    return _filled(plan, genome, code, about)


def _filled(plan: Plan, genome: str, code: Code, about: str) -> Module:
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
        methods="".join(code.methods),
    )
    return Module(source, code.tensors)
