"""A parent as a child sees it: its plan, and its weights in the plan of its whole genome."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evonet.compression.choice import Pick
from evonet.compression.codes import dequantise
from evonet.compression.codes.base import first_step
from evonet.errors import PackageError
from evonet.genome.code import decode
from evonet.genome.genes import GeneId
from evonet.genome.ids import with_ids
from evonet.job import Start
from evonet.package import Book, Coded, Half, Package, Quantised, Transformed, unpack
from evonet.plan import Branch, Budget, Plan, expand

Key = tuple[GeneId, str]


@dataclass(frozen=True)
class Parent:
    """A start, expanded: its full plan, its weights in that plan, and how its package codes them."""

    plan: Plan
    weights: list[Tensor]
    picks: list[Pick]

    @cached_property
    def index(self) -> dict[Key, int]:
        """Tensors by gene and role."""
        return {(t.gene, t.role): i for i, t in enumerate(self.plan.tensors) if t.gene is not None}

    @cached_property
    def branches(self) -> dict[GeneId, Branch]:
        """Motifs by gene, those too that borrow their weights or have none."""
        found = (branch for sheet in self.plan.sheets for branch in (*sheet.incoming, *sheet.recurrent))
        return {branch.gene: branch for branch in found if branch.gene is not None}


def read_start(start: Start, *, input: tuple[int, int, int], classes: int, budget: Budget, shadow: bool) -> Parent:
    """Expand a parent. `shadow`: take the float16 weights before rounding where there are any, not the decoded ones."""
    genome = with_ids(decode(start.genome), start.ids)
    plan = expand(genome, input=input, classes=classes, budget=budget)
    package = unpack(start.package)
    from_shadow = shadow and start.shadow
    weights = unpack_shadow(start.shadow, plan) if from_shadow else _decoded(plan, package, budget)
    return Parent(plan, weights, [_pick(q, w) for q, w in zip(package.tensors, weights, strict=True)])


def _pick(coded: Coded, weight: Tensor) -> Pick:
    """The code of a tensor in a package; signs and ternary codes are a grid there."""
    match coded:
        # A tensor of zeros has no step in the file; the one it comes back with would hold weights below 1/8.
        case Quantised() | Transformed() if not coded.zeros:
            return Pick("grid" if isinstance(coded, Quantised) else "dct", coded.step)
        case Book():
            return Pick("book", first_step(weight.numpy()))
        case Half():
            return Pick("half", first_step(weight.numpy()))
    return Pick("grid", first_step(weight.numpy()))


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


def _decoded(plan: Plan, package: Package, budget: Budget) -> list[Tensor]:
    """Decoded weights in the full plan; what is switched off is zero."""
    live = expand(package.genome, input=plan.input, classes=plan.classes, expression=package.expression, budget=budget)
    weights = []
    for whole, part, quantised in zip(plan.tensors, live.tensors, package.tensors, strict=True):
        weight = dequantise(quantised)
        if part.shape != whole.shape and part.kept is not None:
            full = torch.zeros(whole.shape)
            full[np.ix_(*part.kept)] = weight
            weight = full
        weights.append(weight)
    return weights
