"""The choice of a lowering: a pure function of the stage and a table of integers."""

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.plan import Budget, Stage, expand
from evonet.plan.lowering import (
    ConvPart,
    GatherPart,
    LinearPart,
    PlacesPart,
    RegionPart,
    choose,
    cost,
    forward_milliseconds,
    options,
    predicted,
)
from evonet.timing import CostTable

NAMES = [field.name for field in msgspec.structs.fields(CostTable)]
SCATTER = MotifGene(radius=0, taps=6, long_share=16, pattern="scatter", reach=13, seed=3)


def stage_of(motif: MotifGene, *, channels: int = 32, **fields: str) -> Stage:
    wired = SheetGene(channels=channels, motifs=(motif,), **fields)
    genome = Genome(sheets=(SheetGene(channels=channels, reduction="stride"), wired))
    return expand(genome, input=(1, 28, 28), classes=10, budget=Budget(macs=2**34, weights=2**26)).stages[-1]


def test_a_window_is_one_dense_convolution():
    (part,) = choose(stage_of(MotifGene()))
    assert isinstance(part, ConvPart)
    assert part.dense
    assert (part.kernel, part.dilation) == ((3, 3), (1, 1))


def test_a_complete_lattice_ring_is_one_dilated_convolution():
    motif = MotifGene(radius=0, long_share=14, pattern="lattice", basis=(4, 0, 0, 4))
    (part,) = choose(stage_of(motif))
    assert isinstance(part, ConvPart)
    assert part.dense
    assert (part.kernel, part.dilation) == ((3, 3), (4, 4))


def test_a_window_and_a_lattice_ring_are_two_convolutions():
    motif = MotifGene(radius=1, taps=18, long_share=8, pattern="lattice", basis=(4, 0, 0, 4), reach=4)
    near, far = choose(stage_of(motif))
    assert isinstance(near, ConvPart)
    assert near.dense
    assert isinstance(far, ConvPart)
    assert far.dilation == (4, 4)


def test_scatter_is_gathered():
    (part,) = choose(stage_of(SCATTER))
    assert isinstance(part, GatherPart)


def test_few_scattered_taps_leave_a_large_window_its_convolution():
    motif = MotifGene(radius=3, taps=52, long_share=1, pattern="scatter", reach=9, seed=1)
    near, far = choose(stage_of(motif))
    assert isinstance(near, ConvPart)
    assert near.kernel == (7, 7)
    assert isinstance(far, GatherPart)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({"reduction": "all"}, LinearPart), ({"sharing": "tile"}, RegionPart), ({"sharing": "position"}, PlacesPart)],
    ids=str,
)
def test_other_forms(fields, kind):
    sheet = {k: v for k, v in fields.items() if k == "reduction"}
    motif = MotifGene(**{k: v for k, v in fields.items() if k != "reduction"})
    (part,) = choose(stage_of(motif, channels=8, **sheet))
    assert isinstance(part, kind)


def test_another_table_chooses_otherwise():
    slow = CostTable(gather=10**6)
    (part,) = choose(stage_of(SCATTER), slow)
    assert isinstance(part, ConvPart)


@given(genomes(), st.lists(st.integers(0, 10**6), min_size=len(NAMES), max_size=len(NAMES)))
def test_the_choice_is_the_cheapest_and_a_cost_is_a_sum_of_shares(genome, entries):
    try:
        plan = expand(genome, input=(2, 9, 8), classes=10)
    except GenomeError:
        reject()
    table = CostTable(**dict(zip(NAMES, entries, strict=True)))
    for stage in plan.stages:
        found = options(stage)
        costs = [cost(stage, parts, table) for parts in found]
        assert choose(stage, table) == found[costs.index(min(costs))]
        none = dict.fromkeys(NAMES, 0)
        each = sum(cost(stage, found[0], CostTable(**(none | {n: e}))) for n, e in zip(NAMES, entries, strict=True))
        assert abs(each - costs[0]) <= len(NAMES)  # rounded down once, or once an entry


def test_a_prediction_counts_every_application():
    once, thrice = (
        expand(
            Genome(sheets=(SheetGene(repeats=n, motifs=(MotifGene(), MotifGene(source=0))),)),
            input=(1, 8, 8),
            classes=2,
        )
        for n in (1, 3)
    )
    table = CostTable()
    again = cost(once.stages[1], choose(once.stages[1]), table)
    assert predicted(thrice, table) == predicted(once, table) + 2 * again


def test_cells_are_predicted_as_one_batch_for_each_class_and_fixation():
    table = CostTable()
    sheets = (SheetGene(), SheetGene(motifs=(MotifGene(radius=0, taps=1), MotifGene())))
    at = SaccadeGene(depth=2, budgets=(3, 2, 0, 0), fixations=2)
    plan = expand(Genome(sheets=sheets, saccade=at), input=(1, 64, 64), classes=10)
    glance = [s for k in plan.saccade.glance for s in plan.sheets[k].incoming[0].stages]
    query = plan.sheets[plan.saccade.query].incoming[0].stages
    eyes = [
        (eye.count, s) for eye in plan.saccade.eyes for sheet in eye.sheets for s in sheet.incoming[0].stages
    ]  # fmt: skip
    by_hand = sum(cost(s, choose(s, table), table) for s in (*glance, *query))
    by_hand += 2 * sum(cost(s, choose(s, table), table, batch=128 * count) for count, s in eyes)
    assert predicted(plan, table) == by_hand


def test_a_forward_pass_is_a_third_of_a_step():
    plan, table = expand(Genome(sheets=(SheetGene(),)), input=(1, 8, 8), classes=2), CostTable()
    assert forward_milliseconds(plan, table) == predicted(plan, table, batch=1) // 3 / 1e6
    assert 1 < forward_milliseconds(plan, table, batch=64) / forward_milliseconds(plan, table) < 64
