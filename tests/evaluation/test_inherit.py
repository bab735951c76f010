"""Inheritance by slots: what survives is copied, growth keeps the function."""

import msgspec
import numpy as np
import pytest
import torch

from evonet.compression.codes.base import nearest_step
from evonet.evaluation.inherit import inherit
from evonet.evaluation.parents import Parent, pack_shadow, read_start
from evonet.genome.code import encode
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.job import Start
from evonet.network import build, initialise
from evonet.package import Package, Quantised, pack
from evonet.plan import Budget, Plan, expand

replace = msgspec.structs.replace

SELF = MotifGene(source=0, mixing="separable")
BASE = stamp(
    Genome(
        sheets=(
            SheetGene(channels=4, reduction="stride", activation="tanh"),
            SheetGene(channels=6, motifs=(MotifGene(mixing="separable", taps=5), SELF), residual=True, repeats=2),
            SheetGene(channels=6, activation="tanh"),
        ),
        readout=ReadoutGene(pooling="both", grid=2),
    ),
    1,
)


def plan_of(genome: Genome) -> Plan:
    return expand(genome, input=(1, 9, 9), classes=4)


def parent(genome: Genome, seed: int = 1) -> Parent:
    plan = plan_of(genome)
    weights = [
        w + 0.1 * torch.randn(w.shape, generator=torch.Generator().manual_seed(seed)) for w in initialise(plan, seed)
    ]
    return Parent(plan, weights, [10 + i for i in range(len(weights))])


def logits(plan: Plan, weights: list[torch.Tensor]) -> torch.Tensor:
    x = torch.rand(5, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return build(plan)(x, weights)


def edit(sheet: int, **changes) -> Genome:
    sheets = list(BASE.sheets)
    sheets[sheet] = replace(sheets[sheet], **changes)
    return stamp(replace(BASE, sheets=tuple(sheets)), 2)


def edit_motif(sheet: int, motif: int, **changes) -> Genome:
    motifs = list(BASE.sheets[sheet].motifs)
    motifs[motif] = replace(motifs[motif], **changes)
    return edit(sheet, motifs=tuple(motifs))


def insert(sheet: SheetGene, at: int) -> Genome:
    return stamp(replace(BASE, sheets=(*BASE.sheets[:at], sheet, *BASE.sheets[at:])), 2)


GROWTH = {
    "nothing": BASE,
    "more taps": edit_motif(1, 0, taps=8),
    "long taps": edit_motif(2, 0, taps=14, long_share=6, reach=3),
    "larger radius": edit_motif(0, 0, radius=2, taps=25),
    "wider first sheet": edit(0, channels=8),
    "wider last sheet": edit(2, channels=10),
    "a new residual sheet": insert(SheetGene(channels=6, residual=True, activation="gelu"), 2),
    "a new separable residual sheet": insert(
        SheetGene(channels=4, residual=True, activation="leaky_relu", motifs=(MotifGene(mixing="separable"),)), 1
    ),
    "a new self motif": edit(0, residual=True, motifs=(BASE.sheets[0].motifs[0], SELF), repeats=3, bias="repeat"),
    "bias per repeat": edit(1, bias="repeat"),
}


@pytest.mark.parametrize("name", GROWTH)
def test_growth_keeps_the_function(name):
    old = parent(BASE)
    plan = plan_of(GROWTH[name])
    child = inherit(plan, [old], seed=7)
    torch.testing.assert_close(logits(plan, child.weights), logits(old.plan, old.weights), rtol=1e-5, atol=1e-5)


def test_shrinking_keeps_what_survives():
    old = parent(BASE)
    plan = plan_of(edit(0, channels=3))
    child = inherit(plan, [old], seed=7)
    assert torch.equal(child.weights[0], old.weights[0][:3])
    assert torch.equal(child.weights[2], old.weights[2][:3])  # depthwise taps of the next sheet, if in that order
    assert all(bool(kept.all()) for kept in child.old)


def test_known_steps_come_with_inherited_tensors_only():
    old = parent(BASE)
    plan = plan_of(GROWTH["a new residual sheet"])
    child = inherit(plan, [old], seed=7)
    new = [i for i, t in enumerate(plan.tensors) if t.gene is not None and t.gene[0] == 2]
    assert new
    assert [s is None for s in child.picks] == [i in new for i in range(len(plan.tensors))]
    assert [bool(kept.any()) for kept in child.old] == [i not in new for i in range(len(plan.tensors))]


def test_genes_the_first_parent_lacks_come_from_the_second():
    other = stamp(Genome(sheets=(SheetGene(channels=4, reduction="stride"),)), 9)
    child = replace(BASE, sheets=(other.sheets[0], *BASE.sheets[1:]))
    first, second = parent(BASE), parent(other, seed=5)
    found = inherit(plan_of(child), [first, second], seed=7)
    assert torch.equal(found.weights[0], second.weights[0])
    assert torch.equal(found.weights[2], first.weights[2])


def test_founders_are_random_everywhere():
    plan = plan_of(BASE)
    found = inherit(plan, [], seed=7)
    for mine, fresh in zip(found.weights, initialise(plan, 7), strict=True):
        assert torch.equal(mine, fresh)
    assert found.picks == [None] * len(plan.tensors)


def test_a_new_branch_under_abs_can_learn():
    base = stamp(Genome(sheets=(SheetGene(channels=4, activation="abs"),)), 1)
    sheet = replace(base.sheets[0], motifs=(*base.sheets[0].motifs, SELF), residual=True, bias="repeat")
    plan = plan_of(stamp(replace(base, sheets=(sheet,)), 2))
    child = inherit(plan, [parent(base)], seed=7)
    weights = [w.clone().requires_grad_() for w in child.weights]
    build(plan)(torch.rand(2, 1, 9, 9), weights).square().sum().backward()
    last = plan.sheets[0].recurrent[-1].stages[-1].weight
    assert float(weights[last].grad.abs().sum()) > 0


def test_a_tensor_of_zeros_passes_on_no_step():
    """Its step is not in the file; the one that comes back, the finest, would clamp the child's weights at 1/8."""
    plan = plan_of(BASE)
    codes = [Quantised(40, np.full(t.shape, 3, dtype=np.int16)) for t in plan.tensors]
    zeros = next(i for i, t in enumerate(plan.tensors) if t.role == "bias")
    codes[zeros] = Quantised(40, np.zeros(plan.tensors[zeros].shape, dtype=np.int16))
    held = Package(genome=BASE, input=(1, 9, 9), classes=4, expression=plan.expression, tensors=tuple(codes))
    weights = pack_shadow([torch.full(t.shape, 0.3) for t in plan.tensors])
    start = Start(genome=encode(BASE), ids=ids_of(BASE), package=pack(held), shadow=weights)
    steps = [p.step for p in read_start(start, input=(1, 9, 9), classes=4, budget=Budget(), shadow=True).picks]
    assert [steps[i] for i in range(len(steps)) if i != zeros] == [40] * (len(steps) - 1)
    assert steps[zeros] == nearest_step(0.15)
