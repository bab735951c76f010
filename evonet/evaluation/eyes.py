"""Inheritance where an eye is: coordinates before channels, one kernel for several motifs, and new classes.

What reads the eye of a set sees coordinates first and then its channels, so a change of coordinates or of the eye's
depth moves channels by some places. Tied motifs are cut out of one kernel, of which each alone knows a part.
"""

from collections.abc import Sequence

import torch
from msgspec.structs import replace
from torch import Tensor

from evonet.evaluation.kernels import Kernel
from evonet.genome.genes import Coordinates
from evonet.plan import Plan
from evonet.plan.saccade import EXTRA
from evonet.plan.types import Branch, SheetPlan, Stage


def lead(plan: Plan, source: int) -> Coordinates:
    """The coordinates that lie before the channels of sheet `source` for what reads it."""
    at = plan.saccade
    return at.coordinates if at is not None and at.form == "set" and source == at.depth - 1 else "none"


def moved(part: Tensor, axis: int, theirs: Coordinates, mine: Coordinates) -> Tensor:
    """`part` with the parent's coordinates along `axis` taken out, and zeros put in where the child's are."""
    if theirs == mine:
        return part
    channels = part.narrow(axis, EXTRA[theirs], part.shape[axis] - EXTRA[theirs])
    shape = list(part.shape)
    shape[axis] = EXTRA[mine]
    return torch.cat((part.new_zeros(shape), channels), dim=axis)


def moved_kernel(kernel: Kernel, theirs: Coordinates, mine: Coordinates, *, targets: bool) -> Kernel:
    """`targets`: the stage has a target for every source, as the first of a separable motif."""
    weight, known = (moved(part, 2, theirs, mine) for part in (kernel.weight, kernel.known))
    if targets:
        weight, known = (moved(part, 1, theirs, mine) for part in (weight, known))
    return kernel._replace(weight=weight, known=known)


def uncut(stage: Stage) -> Stage:
    """A stage that is cut out of a larger kernel as the whole of it; any other as it is."""
    return replace(stage, taps=stage.own_taps, tying=None) if stage.cut_out else stage


def is_tied(sheet: SheetPlan) -> bool:
    """Whether all motifs of a sheet are cut out of one kernel."""
    stages = [branch.stages[0] for branch in sheet.incoming]
    return len(stages) > 1 and all(stage.cut_out and stage.weight == stages[0].weight for stage in stages)


def largest_first(sheet: SheetPlan) -> list[Branch]:
    """The branches of a tied sheet."""
    return sorted(sheet.incoming, key=lambda branch: -len(branch.stages[0].taps))


def united(kernels: Sequence[Kernel]) -> Kernel:
    """Several kernels as one over all their taps: every connection as the first of them that has it."""
    first = kernels[0]
    taps = tuple(sorted({tap for kernel in kernels for tap in kernel.taps}))
    weight = torch.zeros(*first.weight.shape[:3], len(taps))
    known = torch.zeros_like(weight)
    for kernel in kernels:
        if kernel.weight.shape[:3] != first.weight.shape[:3]:
            continue
        at = [taps.index(tap) for tap in kernel.taps]
        new = (known[..., at] == 0).to(weight.dtype)
        weight[..., at] += new * kernel.weight
        known[..., at] += new * kernel.known
    return Kernel(weight, known, taps, first.stage)
