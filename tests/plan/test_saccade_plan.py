"""The planned part of a saccade: grid, blocks, costs in closed form, and images that it does not fit."""

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import saccade_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.plan import Budget, expand

WINDOW = MotifGene(radius=2, taps=25)
POINT = MotifGene(radius=0, taps=1)
BASE = Genome(
    sheets=(
        SheetGene(channels=4, reduction="max"),
        SheetGene(channels=6, reduction="max", motifs=(MotifGene(), WINDOW)),
        SheetGene(channels=16, motifs=(POINT,)),
    ),
    saccade=SaccadeGene(depth=2, budgets=(2, 1, 0, 0)),
)


def plan_of(shape=(1, 32, 32), sheets=BASE.sheets, **changes):
    genome = replace(BASE, sheets=sheets, saccade=replace(BASE.saccade, **changes))
    return expand(genome, input=shape, classes=10)


@pytest.mark.parametrize(
    "shape, changes, message",
    [
        (
            (1, 7, 32),
            {},
            r"^saccade\.cell = 8 on images of 7x32, expected at most their sides: use smaller cells, or larger images$",
        ),
        (
            (1, 16, 16),
            {"budgets": (3, 2, 0, 0)},
            r"^saccade\.budgets = \(3, 2, 0, 0\), together 5 cells, but a grid of 2x2 has 4: lower them, or use",
        ),
        (
            (1, 16, 16),
            {"fixations": 2},
            r"^saccade\.budgets = \(2, 1, 0, 0\) at each of 2 fixations, together 6 cells, but a grid of 2x2 has 4",
        ),
        ((1, 1, 40), {}, r"^saccade\.cell = 8 on images of 1x40"),
    ],
)
def test_images_that_a_gene_does_not_fit_are_refused(shape, changes, message):
    with pytest.raises(GenomeError, match=message):
        plan_of(shape, **changes)


def test_every_cell_fits_any_image_of_a_cell():
    one = (SheetGene(channels=4), SheetGene(channels=4))
    assert plan_of((1, 8, 9), one, depth=1, form="conv", route="every", budgets=(96, 0, 0, 0)).saccade.budgets == (2,)


def test_the_grid_holds_every_position_and_blocks_their_halo():
    at = plan_of((1, 30, 33)).saccade
    assert at.grid == (4, 4)  # 30 and 33 pixels are 7 and 8 positions of 4 pixels, two of them in a cell
    assert at.steps == (4, 2)
    small, large = at.eyes
    # Pooled in twos: two positions need four, a 3x3 halo makes it six (sheet 0's), twelve before pooling, and 14.
    assert small.first == ((-3, -3), (-1, -1), (0, 0))
    assert small.sheets[0].incoming[0].stages[0].source == (1, 14, 14)
    assert large.first == ((-5, -5), (-2, -2), (0, 0))
    assert large.sheets[0].incoming[0].stages[0].source == (1, 18, 18)
    assert at.view == (1, 8, 8)
    assert at.budgets == (2, 1)


def test_costs_are_counted_by_hand():
    """Blocks by class and budget, the set by its positions, the glance once, the readout once."""
    plan = plan_of()
    small = 12 * 12 * 9 * 4 + 4 * 4 * 9 * 4 * 6
    large = 16 * 16 * 9 * 4 + 4 * 4 * 25 * 4 * 6
    assert [eye.costs.macs for eye in plan.saccade.eyes] == [small, large]
    eye = 2 * small + large
    later = 3 * 4 * (6 + 2) * 16
    glance = 8 * 8 * 9 * 8 + 4 * 4 * 9 * 8 * 2
    assert plan.costs.macs == eye + later + glance + 16 * 10
    assert plan.costs.weights == sum(t.size for t in plan.tensors)


def test_what_fixations_cost_grows_with_their_number():
    """The eye, the set and the readout of every fixation; a query before each but the first; one glance."""
    once, thrice = plan_of((1, 64, 64)), plan_of((1, 64, 64), fixations=3)
    glance = 16 * 16 * 9 * 8 + 8 * 8 * 9 * 8 * 2
    last = 3 * 4 * 8 * 16  # pooled before the last sheet, it is computed once for a look, not at every position
    single = once.costs.macs - glance - last + 8 * 16
    assert thrice.costs.macs == glance + 3 * single + 2 * 16 * 8
    assert thrice.saccade.query is not None
    assert once.saccade.query is None


def test_the_cost_of_an_image_grows_with_its_glance_alone():
    sides = (32, 64, 128)
    glances = [(s // 4) ** 2 * 9 * 8 + (s // 8) ** 2 * 9 * 8 * 2 for s in sides]
    rest = {plan_of((1, s, s)).costs.macs - g for s, g in zip(sides, glances, strict=True)}
    assert len(rest) == 1


def test_tied_motifs_have_one_kernel():
    free, tied = plan_of(), plan_of(tie=True)
    assert free.costs.weights - tied.costs.weights == 6 * 4 * 9
    own, other = (branch.stages[0] for branch in tied.sheets[1].incoming)
    assert other.lender is not None
    assert own.all_taps == other.all_taps
    assert (len(own.taps), len(other.taps)) == (9, 25)


def test_a_budget_is_checked_before_blocks_are_made():
    genome = replace(BASE, saccade=replace(BASE.saccade, budgets=(128, 64, 0, 0)))
    with pytest.raises(GenomeError, match=r"saccade\.budgets"):
        expand(genome, input=(1, 256, 256), classes=10, budget=Budget(macs=10**6))


@given(saccade_genomes(), st.tuples(st.integers(1, 2), st.integers(9, 40), st.integers(9, 40)))
@settings(max_examples=60, deadline=None)
def test_plans_hang_together(genome, shape):
    """Expansion is pure; blocks lie as the grid says; weights are those of the tensors."""
    try:
        plan = expand(genome, input=shape, classes=5)
    except GenomeError:
        assume(False)
    assert expand(genome, input=shape, classes=5) == plan
    at = plan.saccade
    assert plan.costs.weights == sum(t.size for t in plan.tensors)
    _, height, width = plan.sheets[at.depth - 1].shape
    assert at.grid == (-(-height // at.steps[-1]), -(-width // at.steps[-1]))
    for eye in at.eyes:
        for before, sheet in pairwise(eye.sheets):
            assert sheet.incoming[0].stages[0].source[1:] == before.shape[1:]
    assert all(eye.sheets[-1].shape[1:] == (at.steps[-1],) * 2 for eye in at.eyes)
    assert all(t.gene for t in plan.tensors if t.name.startswith(("glance", "logits", "cheap", "query")))
