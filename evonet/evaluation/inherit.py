"""Weights from parents, slot by slot: what survives is copied, what is new keeps the function where it can.

Slot identity = (gene id, role, tap offset, out channel, in channel). New taps start at zero; new channels are random
inward and zero outward; a new residual sheet or self motif ends in zero weights, so that it adds nothing at first
(small ones under relu and abs, which would not learn from zero).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evonet.compression.choice import first_step
from evonet.compression.codes import dequantise
from evonet.errors import PackageError
from evonet.genome.code import decode
from evonet.genome.genes import GeneId
from evonet.genome.ids import with_ids
from evonet.job import Start
from evonet.network import initialise
from evonet.package import Quantised, unpack
from evonet.plan import Budget, Expression, Plan, expand
from evonet.plan.types import Stage
from evonet.plan.types import Tensor as Slots

Key = tuple[GeneId, str]


@dataclass(frozen=True)
class Parent:
    """A start, expanded: its full plan, its weights in that plan, and the steps of its package."""

    plan: Plan
    weights: list[Tensor]
    steps: list[int]

    @cached_property
    def index(self) -> dict[Key, int]:
        return {(t.gene, t.role): i for i, t in enumerate(self.plan.tensors) if t.gene is not None}


@dataclass(frozen=True)
class Inherited:
    """Initial weights in the child's plan, which of them come from a parent, and known steps per tensor."""

    weights: list[Tensor]
    old: list[Tensor]  # bool
    steps: list[int | None]


def read_start(start: Start, *, input: tuple[int, int, int], classes: int, budget: Budget, shadow: bool) -> Parent:
    """Expand a parent. `shadow`: take the float16 weights before rounding where there are any, not the decoded ones."""
    genome = with_ids(decode(start.genome), start.ids)
    plan = expand(genome, input=input, classes=classes, budget=budget)
    package = unpack(start.package)
    if shadow and start.shadow:
        weights = unpack_shadow(start.shadow, plan)
    else:
        weights = _decoded(plan, package.expression, package.tensors)
    # A tensor of zeros has no step in the file; the one it comes back with, the finest, would hold weights below 1/8.
    steps = [q.step if q.codes.any() else first_step(w) for q, w in zip(package.tensors, weights, strict=True)]
    return Parent(plan, weights, steps)


def pack_shadow(weights: Sequence[Tensor]) -> bytes:
    """float16, little endian, in the order of the full plan's tensors."""
    flat = torch.cat([w.detach().reshape(-1) for w in weights]).cpu().clamp(-65504, 65504)
    return flat.numpy().astype("<f2").tobytes()


def unpack_shadow(data: bytes, plan: Plan) -> list[Tensor]:
    sizes = [t.size for t in plan.tensors]
    if len(data) != 2 * sum(sizes):
        raise PackageError(f"shadow is of {len(data)} bytes, expected {2 * sum(sizes)} for its genome")
    flat = np.frombuffer(data, dtype="<f2").astype(np.float32)
    pieces = torch.split(torch.from_numpy(flat), sizes)
    return [p.reshape(t.shape) for p, t in zip(pieces, plan.tensors, strict=True)]


def _decoded(plan: Plan, expression: Expression, tensors: Sequence[Quantised]) -> list[Tensor]:
    """Decoded weights in the full plan; dead taps are zero."""
    weights = [dequantise(q) for q in tensors]
    for stage, live in zip(plan.stages, expression, strict=True):
        if stage.weight is not None:
            full = torch.zeros(plan.tensors[stage.weight].shape)
            full[..., torch.tensor(live)] = weights[stage.weight]
            weights[stage.weight] = full
    return weights


def inherit(plan: Plan, parents: Sequence[Parent], seed: int) -> Inherited:
    """Initial weights of a child: each gene from the first parent that has it, the rest random."""
    fresh = initialise(plan, seed)
    stages = {s.weight: s for s in plan.stages if s.weight is not None}
    quiet = _quiet(plan) if parents else {}
    weights: list[Tensor] = []
    old: list[Tensor] = []
    steps: list[int | None] = []
    for index, slots in enumerate(plan.tensors):
        parent, source = _find(parents, slots)
        if parent is None:
            weight = fresh[index] * quiet.get(index, 1.0)
            weights.append(weight)
            old.append(torch.zeros(slots.shape, dtype=torch.bool))
            steps.append(None)
            continue
        weight, kept = _copy(fresh[index], slots, stages.get(index), plan, parent, source)
        weights.append(weight)
        old.append(kept)
        steps.append(parent.steps[source] if bool(kept.any()) else None)
    return Inherited(weights, old, steps)


def _find(parents: Sequence[Parent], slots: Slots) -> tuple[Parent | None, int]:
    for parent in parents:
        source = parent.index.get((slots.gene, slots.role)) if slots.gene is not None else None
        if source is not None and len(parent.plan.tensors[source].shape) == len(slots.shape):
            return parent, source
    return None, -1


def _quiet(plan: Plan) -> dict[int, float]:
    """The last weights of every residual branch, and how small they start when they are new.

    Zero adds nothing; but relu and abs have no gradient at zero, a branch that starts there would never learn.
    """
    found = {}
    for sheet in plan.sheets:
        scale = 0.1 if sheet.activation in ("relu", "abs") else 0.0
        if sheet.add_source and sheet.incoming[-1].weight is not None:
            found[sheet.incoming[-1].weight] = scale
        if sheet.add_self and sheet.recurrent and sheet.recurrent[-1].weight is not None:
            found[sheet.recurrent[-1].weight] = scale
    return found


def _copy(
    fresh: Tensor, slots: Slots, stage: Stage | None, plan: Plan, parent: Parent, source: int
) -> tuple[Tensor, Tensor]:
    """The child's tensor filled from the parent's: (weights, which of them are the parent's)."""
    theirs = parent.weights[source]
    if slots.role in ("readout", "readout_bias"):
        return _copy_readout(fresh, slots, plan, parent, theirs)
    if slots.role == "bias":
        applications = next(1 + s.repeats for s in parent.plan.sheets if s.bias == source)
        return _overlap(torch.zeros_like(fresh), theirs.expand(applications, -1) if len(theirs) == 1 else theirs)
    assert stage is not None  # noqa: S101 - every other role belongs to a stage
    taps = next(s.taps for s in parent.plan.stages if s.weight == source)
    where = {tap: i for i, tap in enumerate(taps)}
    mine = [i for i, tap in enumerate(stage.taps) if tap in where]
    out = min(fresh.shape[0], theirs.shape[0])
    weight, kept = fresh.clone(), torch.zeros(fresh.shape, dtype=torch.bool)
    weight[:out] = 0  # old targets: new taps and new sources come in at zero
    if mine:
        at = [where[stage.taps[i]] for i in mine]
        if stage.mixing == "full":
            inputs = min(fresh.shape[1], theirs.shape[1])
            weight[:out, :inputs, mine] = theirs[:out, :inputs, at]
            kept[:out, :inputs, mine] = True
        else:
            weight[:out, mine] = theirs[:out, at]
            kept[:out, mine] = True
    return weight, kept


def _overlap(base: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    part = tuple(slice(0, min(a, b)) for a, b in zip(base.shape, theirs.shape, strict=True))
    kept = torch.zeros(base.shape, dtype=torch.bool)
    base[part] = theirs[part]
    kept[part] = True
    return base, kept


def _copy_readout(fresh: Tensor, slots: Slots, plan: Plan, parent: Parent, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """Features are (pool, channel, cell): channels match by index; another grid or pooling starts anew."""
    if slots.role == "readout_bias":
        return _overlap(fresh.clone(), theirs)
    new, old = plan.readout, parent.plan.readout
    if new.grid != old.grid or new.pooling != old.pooling:
        return fresh, torch.zeros(fresh.shape, dtype=torch.bool)
    pools, cells = (2 if new.pooling == "both" else 1), new.grid[0] * new.grid[1]
    weight, kept = _overlap(
        torch.zeros(len(fresh), pools, fresh.shape[1] // pools // cells, cells),
        theirs.reshape(len(theirs), pools, -1, cells),
    )
    return weight.reshape(fresh.shape), kept.reshape(fresh.shape)
