"""Growth operators keep the function: before any training a child gives its parent's logits."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.evaluation.inherit import inherit
from evonet.evaluation.parents import Parent
from evonet.genome import Genome
from evonet.genome.check import valid
from evonet.genome.ids import stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.genome.variation import OPERATORS
from evonet.network import build, initialise
from evonet.plan import Plan, expand
from evonet.seeds import Stream

INPUT = (1, 9, 10)
KEEPING = sorted(name for name, operator in OPERATORS.items() if operator.keeps and not operator.looks)
founders = st.integers(0, 2**32).map(lambda seed: sample(Stream("growth", seed), Limits()))


def plan_of(genome: Genome) -> Plan | None:
    try:
        plan = expand(genome, input=INPUT, classes=10)
    except GenomeError:
        return None
    return plan if plan.costs.macs <= 3e6 else None


def logits(plan: Plan, weights: list[torch.Tensor]) -> torch.Tensor:
    x = torch.rand(3, *INPUT, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return build(plan, dtype=torch.float64)(x, [w.double() for w in weights])


def grown_parent(plan: Plan, seed: int) -> Parent:
    """Weights that are nowhere zero, biases included."""
    generator = torch.Generator().manual_seed(seed)
    weights = [w + 0.1 * torch.randn(w.shape, generator=generator) for w in initialise(plan, seed)]
    return Parent(plan, weights, [30] * len(weights))


# What must have been varied before an operator finds anything to free.
FIRST = {"untie": "tie", "free_kernel": "symmetry", "part_tiles": "sharing", "fill_mixing": "mixing"}
LIMITS = Limits(sheets=(1, 6), lend=True, sharings=("sheet", "tile"), symmetries=("none", "even", "odd", "orbit4"))


def varied(name: str, genome: Genome, seed: int) -> Genome | None:
    """The first valid child of some tries that can be expanded."""
    for attempt in range(20):
        child = OPERATORS[name].apply(genome, Stream(name, seed, attempt), LIMITS)
        if child is not None and child != genome and valid(child) and plan_of(child) is not None:
            return child
    return None


@pytest.mark.parametrize("name", KEEPING)
@given(founders | genomes(), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_growth_operators_keep_the_function(name: str, genome: Genome, seed: int) -> None:
    assume(plan_of(genome) is not None)
    if name in FIRST:
        genome = varied(FIRST[name], genome, seed) or genome
    genome = stamp(genome, 1)
    child = varied(name, genome, seed)
    assume(child is not None)
    plan, grown = plan_of(genome), plan_of(stamp(child, 2))
    parent = grown_parent(plan, seed)
    before, after = logits(plan, parent.weights), logits(grown, inherit(grown, [parent], seed).weights)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * float(before.abs().max() + 1))
