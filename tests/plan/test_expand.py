"""Expansion: shapes, slots and costs in integers, and refusals before anything is allocated."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan import Budget, expand
from evonet.plan.costs import application_macs, connections
from evonet.plan.masks import mask, slots
from evonet.plan.types import Plan, Stage

INPUTS = st.tuples(st.integers(1, 3), st.integers(4, 13), st.integers(4, 13))


def expand_or_none(genome: Genome, shape: tuple[int, int, int]) -> Plan | None:
    try:
        return expand(genome, input=shape, classes=10)
    except GenomeError:
        return None


def weight_size(plan: Plan, stage: Stage) -> int:
    return 0 if stage.weight is None else plan.tensors[stage.weight].size


@given(genomes(), INPUTS)
@settings(max_examples=60, deadline=None)
def test_expand_is_pure_and_its_costs_are_those_of_its_masks(genome, shape):
    plan = expand_or_none(genome, shape)
    if plan is None:
        return
    assert plan == expand(genome, input=shape, classes=10)
    assert plan.costs.weights == sum(t.size for t in plan.tensors)
    for stage in plan.stages:
        if stage.source[0] * stage.target[0] > 500:
            continue
        wiring = mask(stage)
        assert int(wiring.sum()) == connections(stage)
        assert connections(stage) <= max(
            application_macs(stage), connections(stage) if stage.mixing == "identity" else 0
        )


@given(genomes(), INPUTS)
@settings(max_examples=60, deadline=None)
def test_slots_name_every_weight_and_lie_under_the_mask(genome, shape):
    plan = expand_or_none(genome, shape)
    if plan is None:
        return
    for stage in plan.stages:
        if stage.source[0] * stage.target[0] > 500:
            continue
        table = slots(stage)
        np.testing.assert_array_equal(table >= 0, mask(stage))
        if stage.weight is not None:
            assert set(np.unique(table[table >= 0])) == set(range(weight_size(plan, stage)))


def test_a_mask_follows_its_definition_neuron_by_neuron():
    genome = Genome(sheets=(SheetGene(channels=3, reduction="stride", motifs=(MotifGene(taps=5, seed=7),)),))
    (stage,) = expand(genome, input=(2, 7, 6), classes=4).stages
    wiring = mask(stage)
    for o in range(3):
        for y in range(3):
            for x in range(3):
                for i in range(2):
                    for v in range(7):
                        for u in range(6):
                            joined = (v - 2 * y, u - 2 * x) in stage.taps
                            assert wiring[(o * 3 + y) * 3 + x, (i * 7 + v) * 6 + u] == joined


@pytest.mark.parametrize(
    "reduction, shape", [("stride", (4, 3, 3)), ("max", (4, 3, 3)), ("mean", (4, 3, 3)), ("none", (4, 7, 6))]
)
def test_reductions_halve_with_floor(reduction, shape):
    plan = expand(Genome(sheets=(SheetGene(channels=4, reduction=reduction),)), input=(1, 7, 6), classes=3)
    assert plan.sheets[0].shape == shape


def test_bias_rows_follow_the_applications():
    motifs = (MotifGene(), MotifGene(source=0, mixing="depthwise"))
    for bias, rows in (("channel", 1), ("repeat", 4)):
        gene = SheetGene(channels=4, bias=bias, repeats=3, motifs=motifs)
        plan = expand(Genome(sheets=(gene,)), input=(1, 6, 6), classes=3)
        assert plan.tensors[plan.sheets[0].bias].shape == (rows, 4)


def test_repeats_cost_macs_but_no_weights():
    def costs(repeats):
        gene = SheetGene(channels=4, repeats=repeats, motifs=(MotifGene(), MotifGene(source=0, mixing="depthwise")))
        return expand(Genome(sheets=(gene,)), input=(1, 6, 6), classes=3).costs

    assert costs(1).weights == costs(4).weights
    assert costs(4).macs - costs(1).macs == 3 * 4 * 9 * 36


def test_taps_that_touch_nothing_are_no_weights():
    plan = expand(
        Genome(sheets=(SheetGene(channels=2, motifs=(MotifGene(radius=2, taps=25),)),)), input=(1, 2, 2), classes=3
    )
    assert plan.stages[0].taps == tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def test_expression_switches_taps_off():
    genome = Genome(sheets=(SheetGene(channels=2),))
    full = expand(genome, input=(1, 5, 5), classes=3)
    live = expand(genome, input=(1, 5, 5), classes=3, expression=((True,) + (False,) * 7 + (True,),))
    assert live.stages[0].taps == (full.stages[0].taps[0], full.stages[0].taps[8])
    assert live.stages[0].all_taps == full.stages[0].taps
    assert live.expression == ((True,) + (False,) * 7 + (True,),)


@pytest.mark.parametrize(
    "expression, message",
    [
        (((True,) * 8,), r"sheets\[0\]\.motifs\[0\]: expression has 8 bits with 8 on, expected 9 bits"),
        (((False,) * 9,), r"9 bits with 0 on, expected 9 bits with at least one on"),
        (((True,) * 9, (True,)), r"expression is of 2 stages, expected 1"),
    ],
)
def test_an_expression_that_does_not_fit_is_refused(expression, message):
    with pytest.raises(GenomeError, match=message):
        expand(Genome(sheets=(SheetGene(channels=2),)), input=(1, 5, 5), classes=3, expression=expression)


def test_a_sheet_reduced_to_nothing_is_refused():
    genome = Genome(sheets=(SheetGene(reduction="max"),) * 3)
    with pytest.raises(GenomeError, match=r"sheets\[2\]\.reduction = 'max' halves a sheet of 1x1 to nothing"):
        expand(genome, input=(1, 4, 4), classes=3)


def test_taps_all_outside_the_source_are_refused():
    motif = MotifGene(radius=4, taps=4, long_share=16, reach=6)
    with pytest.raises(GenomeError, match=r"sheets\[0\]\.motifs\[0\]: no tap falls inside its source of 3x3"):
        expand(Genome(sheets=(SheetGene(motifs=(motif,)),)), input=(1, 3, 3), classes=3)


def test_direct_readout_wants_a_channel_per_class():
    genome = Genome(sheets=(SheetGene(channels=8),), readout=ReadoutGene(kind="direct"))
    with pytest.raises(
        GenomeError, match=r"readout.kind = 'direct' has 8 pooled features, expected one per class \(10\)"
    ):
        expand(genome, input=(1, 5, 5), classes=10)
    assert expand(genome, input=(1, 5, 5), classes=8).readout.weight is None


@pytest.mark.parametrize(
    "limit, message",
    [("weights", "weights reach"), ("macs", "macs reach"), ("neurons", "neurons reach")],
)
def test_a_plan_over_budget_is_refused_at_the_gene_that_breaks_it(limit, message):
    genome = Genome(sheets=(SheetGene(channels=1), SheetGene(channels=64)))
    costs = expand(Genome(sheets=(SheetGene(channels=1),)), input=(1, 9, 9), classes=3).costs
    budget = msgspec.structs.replace(Budget(), **{limit: getattr(costs, limit) + 1})
    with pytest.raises(GenomeError, match=rf"sheets\[1\].*{message}"):
        expand(genome, input=(1, 9, 9), classes=3, budget=budget)


def test_absurd_inputs_are_refused_before_allocation():
    genome = Genome(sheets=(SheetGene(channels=64),) * 15)
    with pytest.raises(GenomeError, match="input = 1x100000x100000, expected"):
        expand(genome, input=(1, 100_000, 100_000), classes=3)
    with pytest.raises(GenomeError, match=r"sheets\[0\]: neurons reach"):
        expand(genome, input=(1, 4096, 4096), classes=3)
    with pytest.raises(GenomeError, match="classes = 0"):
        expand(genome, input=(1, 8, 8), classes=0)
