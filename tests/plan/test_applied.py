"""What is computed how often adds up to the plan's costs, and what it spends where is told."""

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes, saccade_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.plan import Plan, expand
from evonet.plan.applied import applied
from evonet.plan.costs import application_macs, connections
from evonet.plan.lowering import choose, cost, predicted
from evonet.plan.tradeoffs import trade_offs
from evonet.report.expansion import costs
from evonet.timing import CostTable

ONE = MotifGene(radius=0, taps=1)
PATH = Genome(
    sheets=(
        SheetGene(channels=4, motifs=(MotifGene(), MotifGene(radius=2, taps=25))),
        SheetGene(channels=8, motifs=(ONE,)),
        SheetGene(channels=8, motifs=(ONE, replace(ONE, source=0))),
    ),
    saccade=SaccadeGene(budgets=(2, 1, 0, 0), fixations=3),
)


def readout_of(plan: Plan) -> int:
    """Multiply-adds and connections of the readout."""
    rounds = max(1, plan.saccade.fixations) if plan.saccade and plan.saccade.form == "set" else 1
    return 0 if plan.readout.weight is None else rounds * plan.classes * plan.readout.features


@given(genomes() | saccade_genomes(), st.integers(9, 28), st.integers(9, 28))
@settings(max_examples=100, deadline=None)
def test_all_that_is_applied_is_all_that_it_costs(genome, height, width):
    try:
        plan = expand(genome, input=(2, height, width), classes=10)
    except GenomeError:
        reject()
    found = applied(plan)
    assert sum(a.times * application_macs(a.stage) for a in found) + readout_of(plan) == plan.costs.macs
    assert sum(a.times * connections(a.stage) for a in found) + readout_of(plan) == plan.costs.connections
    names = {stage.name for stage in plan.stages} - {a.stage.name for a in found}
    assert not names or plan.saccade is not None, "only motifs of classes without cells are not computed"


def test_the_prediction_grows_with_budgets_and_fixations_by_what_they_cost():
    table = CostTable()

    def plan_of(**fields: object) -> Plan:
        return expand(replace(PATH, saccade=replace(PATH.saccade, **fields)), input=(1, 64, 64), classes=10)

    eye = plan_of(fixations=0).saccade.eyes[0]
    (stage,) = eye.sheets[0].incoming[0].stages
    few, many = plan_of(budgets=(2, 1, 0, 0), fixations=0), plan_of(budgets=(10, 1, 0, 0), fixations=0)
    blocks = [cost(stage, choose(stage), table, batch=128 * n) for n in (10, 2)]
    added = predicted(many, table) - predicted(few, table)
    assert added > blocks[0] - blocks[1] > 0
    once, thrice = plan_of(fixations=1), plan_of(fixations=3)
    assert 2 * predicted(once, table) < predicted(thrice, table) < 3 * predicted(once, table) + 10**6


def test_a_few_cells_of_a_large_image_are_predicted_to_take_a_fraction_of_all():
    sheets = (SheetGene(channels=16, reduction="max"), SheetGene(channels=16, reduction="max"))
    gene = SaccadeGene(cell=16, depth=2, form="set", budgets=(8, 0, 0, 0))
    plain, looking = (
        expand(Genome(sheets=sheets, saccade=saccade), input=(1, 256, 256), classes=10) for saccade in (None, gene)
    )
    assert predicted(looking, CostTable()) < predicted(plain, CostTable()) / 8


def test_trade_offs_are_those_of_the_plan():
    plan = expand(PATH, input=(1, 40, 32), classes=10)
    found = trade_offs(plan)
    assert (found.cell, found.grid, found.budgets, found.fixations) == (8, (5, 4), (2, 1), 3)
    assert found.cell_macs == (64 * 4 * 9, 64 * 4 * 25)
    assert found.cells_macs == 3 * (2 * 64 * 4 * 9 + 64 * 4 * 25)
    assert found.everywhere_macs == 20 * 64 * 4 * 25
    assert found.glance_macs == 10 * 8 * 8 * 9 + 5 * 4 * 2 * 8 * 9
    assert found.rows() == {
        "cells": "5x4 of 8x8 pixels",
        "looked at, at most": "2 of class 1, 1 of class 2, at each of 3 fixations: 9 of 20",
        "multiply-adds of the glance": "8,640",
        "multiply-adds of a cell of class 1": "2,304",
        "multiply-adds of a cell of class 2": "6,400",
        "multiply-adds of all cells looked at": "33,024 (128,000 in every cell)",
        "multiply-adds of all else": f"{plan.costs.macs - 8640 - 33024:,}",
        "predicted for a training step on 128 images": f"{predicted(plan, CostTable()) / 1e6:,.1f} ms "
        "(default cost table)",
    }
    assert trade_offs(expand(Genome(sheets=(SheetGene(),)), input=(1, 8, 8), classes=10)) is None


@pytest.mark.parametrize("genome", [PATH, replace(PATH, saccade=replace(PATH.saccade, fixations=0))])
def test_the_table_of_an_expansion_adds_up_for_a_network_that_looks(genome):
    plan = expand(genome, input=(1, 40, 32), classes=10)
    header, lines = costs(plan)
    figures = [dict(zip(header, line, strict=True)) for line in lines]
    assert sum(int(f["MACs"].replace(",", "")) for f in figures) + readout_of(plan) == plan.costs.macs
    assert sum(float(f["ms a step"].replace(",", "")) for f in figures) == pytest.approx(
        predicted(plan, CostTable()) / 1e6, abs=0.01 * len(figures)
    )
    assert {"sheet0.motif0.taps in class 1", "sheet0.motif1.taps in class 2"} <= {f["stage"] for f in figures}
