"""Weights from parents, slot by slot: what survives is copied, what is new keeps the function where it can.

Slot identity = (gene id, role, tile, tap offset, out channel, in channel). New taps start at zero; new channels are
random inward and zero outward; a new motif beside old ones, a new residual sheet and a new self motif end in zero
weights, so that they add nothing at first (small ones under relu and abs, which would not learn from zero), and so do
a new fill of cells and a new query. A new class of an eye starts as the one before it. Channels that were cut wake as
new ones do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from evonet.compression.choice import Pick
from evonet.evaluation.eyes import is_tied, largest_first, lead, moved_kernel, uncut, united
from evonet.evaluation.kernels import Kernel, fill, joined, kernel_of, parted
from evonet.evaluation.parents import Parent
from evonet.evaluation.readouts import fill_readout
from evonet.evaluation.waking import wake
from evonet.network import initialise
from evonet.plan import Branch, Plan, SheetPlan
from evonet.plan.types import Tensor as Slots


@dataclass(frozen=True)
class Inherited:
    """Initial weights in the child's plan, which of them come from a parent, and how each tensor was coded there."""

    weights: list[Tensor]
    old: list[Tensor]  # bool
    picks: list[Pick | None]


def inherit(plan: Plan, parents: Sequence[Parent], seed: int) -> Inherited:
    """Initial weights of a child: each gene from the first parent that has it, the rest random."""
    fresh = initialise(plan, seed)
    weights = [w.clone() for w in fresh]
    old = [torch.zeros(t.shape, dtype=torch.bool) for t in plan.tensors]
    picks: list[Pick | None] = [None] * len(weights)
    if not parents:
        return Inherited(weights, old, picks)
    for index, scale in _quiet(plan, parents).items():
        weights[index] = weights[index] * scale
    eye = plan.saccade.depth if plan.saccade is not None else 0
    for place, sheet in enumerate(plan.sheets):
        if place < eye and is_tied(sheet):
            _inherit_tied(sheet, parents, weights, old)
            continue
        for branch in (*sheet.incoming, *sheet.recurrent):
            _inherit_motif(plan, branch, parents, weights, old)
        if place < eye:
            _begin_classes(sheet, parents, weights)
    for index, slots in enumerate(plan.tensors):
        parent, source = _find(parents, slots)
        if parent is None:
            continue
        if slots.role in ("readout", "readout_bias"):
            weights[index], old[index] = fill_readout(weights[index], slots, plan, parent.plan, parent.weights[source])
        elif slots.role == "bias":
            weights[index], old[index] = _bias(slots, parent, source)
        picks[index] = parent.picks[source] if bool(old[index].any()) else None
    wake(plan, weights, old, fresh)
    return Inherited(weights, old, picks)


def _find(parents: Sequence[Parent], slots: Slots) -> tuple[Parent | None, int]:
    for parent in parents:
        source = parent.index.get((slots.gene, slots.role)) if slots.gene is not None else None
        if source is not None:
            return parent, source
    return None, -1


def _inherit_motif(
    plan: Plan, branch: Branch, parents: Sequence[Parent], weights: list[Tensor], old: list[Tensor]
) -> None:
    """Fill the motif's own tensors from the first parent that has its gene, in whatever form."""
    parent = _having(branch, parents)
    if parent is None:
        return
    theirs = parent.branches[branch.gene]  # type: ignore[index]  # found by it
    before, now = lead(parent.plan, theirs.source), lead(plan, branch.source)
    kernels = _kernels(theirs, parent.weights, len(branch.stages))
    for place, (stage, kernel) in enumerate(zip(branch.stages, kernels, strict=True)):
        if stage.weight is not None and stage.lender is None:
            separable_taps = place == 0 and len(branch.stages) == 2
            kernel = moved_kernel(kernel, before, now, targets=separable_taps)
            weights[stage.weight], old[stage.weight] = fill(stage, weights[stage.weight], kernel)


def _inherit_tied(sheet: SheetPlan, parents: Sequence[Parent], weights: list[Tensor], old: list[Tensor]) -> None:
    """The one kernel of a sheet of the eye: of what its motifs had, the larger first."""
    stage = sheet.incoming[0].stages[0]
    found = [(b, p) for b in largest_first(sheet) if (p := _having(b, parents)) is not None]
    if found and stage.weight is not None:
        parts = [_kernel(p.branches[b.gene], p.weights) for b, p in found]  # type: ignore[index]  # found by it
        weights[stage.weight], old[stage.weight] = fill(uncut(stage), weights[stage.weight], united(parts))


def _begin_classes(sheet: SheetPlan, parents: Sequence[Parent], weights: list[Tensor]) -> None:
    """Motifs that are new in a sheet of the eye start as the one before them: it had that class, or one less."""
    for before, branch in pairwise(sheet.incoming):
        parent = _having(before, parents)
        if parent is None or _having(branch, parents) is not None:
            continue
        theirs = parent.branches[before.gene]  # type: ignore[index]  # found by it
        for stage, kernel in zip(branch.stages, _kernels(theirs, parent.weights, len(branch.stages)), strict=True):
            if stage.weight is not None and stage.lender is None:  # new weights, though they are copies
                weights[stage.weight], _ = fill(stage, weights[stage.weight], kernel)


def _having(branch: Branch, parents: Sequence[Parent]) -> Parent | None:
    """The first parent with the motif's gene."""
    return next((p for p in parents if branch.gene is not None and branch.gene in p.branches), None)


def _kernel(theirs: Branch, weights: list[Tensor]) -> Kernel:
    """The parent's motif as one stage, with all weights of the kernel that it is cut out of."""
    if len(theirs.stages) == 2:
        return joined(theirs, weights)
    (stage,) = theirs.stages
    return kernel_of(uncut(stage), None if stage.weight is None else weights[stage.weight])


def _kernels(theirs: Branch, weights: list[Tensor], stages: int) -> Sequence[Kernel]:
    """The parent's motif as so many stages: as it is, joined into one, or parted into two."""
    if len(theirs.stages) == stages:
        return [kernel_of(s, None if s.weight is None else weights[s.weight]) for s in theirs.stages]
    if stages == 1:
        return [joined(theirs, weights)]
    (stage,) = theirs.stages
    return parted(kernel_of(stage, None if stage.weight is None else weights[stage.weight]))


def _quiet(plan: Plan, parents: Sequence[Parent]) -> dict[int, float]:
    """The last weights of every branch that is new beside something old, and how small they start.

    Zero adds nothing; but relu and abs have no gradient at zero, a residual branch alone under them would never learn.
    """
    found: dict[int, float] = {}
    at = plan.saccade
    silent = (at.cheap, at.query) if at is not None else ()
    for place, sheet in enumerate(plan.sheets):
        if at is not None and place < at.depth:
            continue  # its motifs are no terms of a sum
        alone = 0.1 if sheet.activation in ("relu", "abs") else 0.0
        for branches, residual in ((sheet.incoming, sheet.add_source is not None), (sheet.recurrent, sheet.add_self)):
            accompanied = sheet.join == "add" and any(_known(branch, parents) for branch in branches)
            for branch in branches:
                last = branch.stages[-1]
                if last.weight is None or last.lender is not None or _known(branch, parents):
                    continue
                if accompanied or residual or place in silent:
                    found[last.weight] = 0.0 if accompanied else alone
    return found


def _known(branch: Branch, parents: Sequence[Parent]) -> bool:
    return _having(branch, parents) is not None


def _bias(slots: Slots, parent: Parent, source: int) -> tuple[Tensor, Tensor]:
    theirs = parent.weights[source]
    sheet: SheetPlan = next(s for s in parent.plan.sheets if s.bias == source)
    if len(theirs) == 1:
        theirs = theirs.expand(1 + sheet.repeats, -1)
    bias, kept = torch.zeros(slots.shape), torch.zeros(slots.shape, dtype=torch.bool)
    rows, channels = min(len(bias), len(theirs)), min(bias.shape[1], theirs.shape[1])
    bias[:rows, :channels] = theirs[:rows, :channels]
    kept[:rows, :channels] = True
    return bias, kept
