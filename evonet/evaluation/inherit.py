"""Weights from parents, slot by slot: what survives is copied, what is new keeps the function where it can.

Slot identity = (gene id, role, tile, tap offset, out channel, in channel). New taps start at zero; new channels are
random inward and zero outward; a new motif beside old ones, a new residual sheet and a new self motif end in zero
weights, so that they add nothing at first (small ones under relu and abs, which would not learn from zero). Channels
that were cut wake as new ones do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evonet.compression.choice import Pick
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
    for sheet in plan.sheets:
        for branch in (*sheet.incoming, *sheet.recurrent):
            _inherit_motif(branch, parents, weights, old)
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


def _inherit_motif(branch: Branch, parents: Sequence[Parent], weights: list[Tensor], old: list[Tensor]) -> None:
    """Fill the motif's own tensors from the first parent that has its gene, in whatever form."""
    parent = next((p for p in parents if branch.gene is not None and branch.gene in p.branches), None)
    if parent is None:
        return
    theirs = parent.branches[branch.gene]  # type: ignore[index]  # found by it
    for stage, kernel in zip(branch.stages, _kernels(theirs, parent.weights, len(branch.stages)), strict=True):
        if stage.weight is not None and stage.lender is None:
            weights[stage.weight], old[stage.weight] = fill(stage, weights[stage.weight], kernel)


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
    for sheet in plan.sheets:
        alone = 0.1 if sheet.activation in ("relu", "abs") else 0.0
        for branches, residual in ((sheet.incoming, sheet.add_source is not None), (sheet.recurrent, sheet.add_self)):
            accompanied = sheet.join == "add" and any(_known(branch, parents) for branch in branches)
            for branch in branches:
                last = branch.stages[-1]
                if last.weight is None or last.lender is not None or _known(branch, parents):
                    continue
                if accompanied or residual:
                    found[last.weight] = 0.0 if accompanied else alone
    return found


def _known(branch: Branch, parents: Sequence[Parent]) -> bool:
    return branch.gene is not None and any(branch.gene in parent.branches for parent in parents)


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
