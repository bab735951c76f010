"""Saccade genes come, go and move; what operators and crossover give is settled. Without saccades nothing differs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes, saccade_genomes

from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import check, check_ranges, valid
from evonet.genome.crossover import cross
from evonet.genome.ids import anonymous, genes_of, ids_of, stamp
from evonet.genome.limits import Limits, breaches
from evonet.genome.looking import classes
from evonet.genome.sampling import sample
from evonet.genome.settling import adapted, followed, settled
from evonet.genome.variation import OPERATORS, varied, vary
from evonet.seeds import Stream

POINT = MotifGene(radius=0, taps=1)
LIMITS = Limits(sheets=(1, 5), motifs_max=4, saccades=("set", "conv"))
SAMPLE = stamp(
    Genome(
        sheets=(
            SheetGene(channels=6, reduction="max"),
            SheetGene(channels=8, motifs=(MotifGene(), MotifGene(radius=2, taps=25))),
            SheetGene(channels=8, motifs=(POINT,)),
        ),
        saccade=SaccadeGene(depth=2, budgets=(2, 1, 0, 0), fixations=3, halting=3),
    ),
    1,
)
DENSE = replace(SAMPLE, saccade=None)
LOOKS = [name for name, operator in OPERATORS.items() if operator.looks]
PLAIN = [name for name in OPERATORS if name not in LOOKS]


def looking(**changes: object) -> Genome:
    return replace(SAMPLE, saccade=replace(SAMPLE.saccade, **changes))


def children(name: str, genome: Genome = SAMPLE, limits: Limits = LIMITS, n: int = 40) -> list[Genome]:
    """What operator `name` alone gives, settled."""
    drawn = (varied(name, genome, Stream(name, i), limits) for i in range(n))
    return [child for child in drawn if child is not None]


GRID = looking(form="conv", fixations=0, halting=0)
START = {"add_saccade": DENSE, "add_every_cell": DENSE, "fill": GRID}


@pytest.mark.parametrize("name", LOOKS)
def test_every_operator_gives_valid_children_with_kept_ids(name):
    start = START.get(name, SAMPLE)
    found = children(name, start)
    assert found == children(name, start)
    good = [child for child in found if valid(child)]
    assert len(good) >= 15
    for child in good:
        assert breaches(child, LIMITS) == 0
        assert set(ids_of(start)) >= {gene.id for gene in genes_of(child)} - {None}
        assert anonymous(child) != anonymous(start)


@given(saccade_genomes(), st.sampled_from(sorted(OPERATORS)), st.integers(0, 2**32))
@settings(deadline=None, max_examples=100)
def test_every_operator_stays_in_range_and_is_pure(genome, name, seed):
    before = stamp(genome, 0)
    child = varied(name, before, Stream(seed), LIMITS)
    assert before == stamp(genome, 0)
    if child is not None:
        check_ranges(child)
        assert {g.id for g in genes_of(child)} <= {None, *ids_of(before)}
        assert varied(name, before, Stream(seed), LIMITS) == child
        assert settled(child) == child


@given(saccade_genomes(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_vary_is_valid_in_valid_out(genome, seed):
    before = stamp(genome, 0)
    child, name = vary(before, Stream(seed), LIMITS)
    check(child)
    assert anonymous(child) != genome
    assert breaches(child, LIMITS) <= breaches(genome, LIMITS)
    assert vary(before, Stream(seed), LIMITS) == (child, name)


def test_long_walks_stay_within_limits_and_use_every_operator():
    """But for those that want what a genome of the walk has only by chance."""
    used = set()
    for start in (SAMPLE, GRID, DENSE):
        genome = start
        for i in range(300):
            genome, name = vary(stamp(genome, 2 + i), Stream("look", i), LIMITS, dict.fromkeys(OPERATORS, 1.0))
            used |= set(name.split("+"))
            assert breaches(genome, LIMITS) == 0
            genome = start if i % 20 == 19 else genome
    assert used == set(OPERATORS)


def test_one_operator_alone_nearly_always_gives_a_child():
    """An operator that knows nothing of saccades is drawn again where settling undoes it, but seldom in vain."""
    founders = [sample(Stream("founder", i), LIMITS) for i in range(120)]
    lookers = [stamp(genome, 0) for genome in founders if genome.saccade]
    names = [vary(genome, Stream("one", i), LIMITS)[1] for i, genome in enumerate(lookers)]
    assert sum("reseed" in name for name in names) < 0.05 * len(names)


@pytest.mark.parametrize("allowed", [(), ("set",), ("conv",)])
def test_which_genomes_may_look_is_a_limit(allowed):
    limits = replace(LIMITS, saccades=allowed)
    found = [sample(Stream("some", i), limits) for i in range(60)]
    forms = {genome.saccade.form for genome in found if genome.saccade}
    assert forms == set(allowed)
    assert all(breaches(genome, limits) == 0 for genome in found)
    assert bool(children("add_saccade", DENSE, limits)) == bool(allowed)
    assert not any(genome.saccade for genome in children("channels", DENSE, limits))
    for form in ("set", "conv"):
        assert breaches(looking(form=form, fixations=0, halting=0), limits) == (form not in allowed)


@given(genomes(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_without_saccades_no_draw_differs(genome, seed):
    """Where they are not allowed and a genome has none, rates of their operators change nothing."""
    limits, before = Limits(), stamp(genome, 0)
    rates = dict.fromkeys(LOOKS, 0.0)
    assert vary(before, Stream(seed), limits) == vary(before, Stream(seed), limits, rates)
    assert vary(before, Stream(seed), limits, dict.fromkeys(PLAIN, 0.0)) == (before, "clone")


def test_a_genome_given_by_hand_is_varied_though_others_get_no_gene():
    names = {vary(SAMPLE, Stream("hand", i), Limits(), {"budget": 50.0})[1] for i in range(20)}
    assert any("budget" in name for name in names)


@pytest.mark.parametrize("depth, k, expected", [(2, 0, 3), (2, 1, 2), (1, 0, 1), (3, 2, 3)])
def test_the_eye_is_made_of_the_sheets_that_it_was_made_of(depth, k, expected):
    """A sheet in between makes it deeper, one behind its last sheet does not."""
    parent = looking(depth=depth)
    new = SheetGene(channels=parent.sheets[k].channels)
    child = replace(parent, sheets=(*parent.sheets[: k + 1], new, *parent.sheets[k + 1 :]))
    assert followed(child, parent).saccade.depth == expected
    assert followed(parent, parent) == parent


def test_settling_leaves_a_valid_genome_as_it_is():
    for genome in (SAMPLE, GRID, DENSE):
        assert settled(genome) == genome


@given(genomes(sheets_max=4), saccade_genomes())
@settings(deadline=None, max_examples=30)
def test_any_gene_over_any_sheets_is_settled_to_a_valid_genome(genome, other):
    found = settled(replace(genome, saccade=other.saccade))
    if found is not None:
        assert valid(found) or not valid(replace(found, saccade=None)) or other.saccade.tie
        assert settled(found) == found


def test_a_class_that_no_budget_names_and_a_residual_in_the_eye_are_no_children():
    sheets = list(SAMPLE.sheets)
    sheets[0] = replace(sheets[0], motifs=(MotifGene(),) * 3)
    assert adapted(replace(SAMPLE, sheets=tuple(sheets)), SAMPLE) is None
    sheets[0] = replace(SAMPLE.sheets[0], residual=True)
    assert adapted(replace(SAMPLE, sheets=tuple(sheets)), SAMPLE) is None


def test_a_new_class_is_larger_and_gets_one_cell():
    for child in children("add_class"):
        assert classes(child, child.saccade) == 3
        assert child.saccade.budgets == (2, 1, 1, 0)
        new = child.sheets[1].motifs[2]
        assert (new.id, new.radius, new.taps) == (None, 3, 25)
    for child in children("drop_class"):
        assert child.saccade.budgets == (2, 0, 0, 0)
        assert len(child.sheets[1].motifs) == 1


def test_the_last_classes_of_a_lender_give_their_borrowers_weights_of_their_own():
    lent = replace(POINT, weights_from=1)
    sheets = (*SAMPLE.sheets[:2], replace(SAMPLE.sheets[2], motifs=(POINT,)), SheetGene(channels=8, motifs=(lent,)))
    genome = stamp(Genome(sheets=sheets, saccade=replace(SAMPLE.saccade, fixations=0, halting=0)), 0)
    for name in ("add_class", "drop_class"):
        (child, *_) = children(name, genome)
        check(child)
        assert child.sheets[3].motifs[0].weights_from == 1


def test_budgets_move_on_their_ladder():
    seen = {child.saccade.budgets for child in children("budget")}
    assert seen == {(1, 1, 0, 0), (3, 1, 0, 0), (2, 0, 0, 0), (2, 2, 0, 0)}


def test_every_cell_is_growth_and_a_budget_is_its_next_step():
    plain = stamp(Genome(sheets=(SheetGene(), SheetGene())), 0)
    (child, *_) = children("add_every_cell", plain)
    assert (child.saccade.route, child.saccade.form) == ("every", "conv")
    assert {c.saccade.route for c in children("route", child)} == {"budget", "threshold"}


def test_a_set_of_a_dense_genome_sees_positions():
    dense = stamp(
        Genome(
            sheets=(SheetGene(reduction="max"), SheetGene(), SheetGene(norm="instance", motifs=(MotifGene(source=3),))),
            readout=ReadoutGene(grid=2),
        ),
        0,
    )
    found = settled(replace(dense, saccade=SaccadeGene(depth=1)))
    assert found.sheets[1].motifs[0].taps == 1
    assert found.sheets[2].motifs[0] == replace(POINT, source=2, id=found.sheets[2].motifs[0].id)
    assert (found.sheets[2].norm, found.readout.grid) == ("none", 1)


@given(saccade_genomes() | genomes(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_relatives_give_valid_children_with_the_gene_of_one(genome, seed):
    a = b = stamp(genome, 0)
    for i in range(3):
        a = stamp(vary(a, Stream(seed, "a", i), LIMITS)[0], 10 + i)
        b = stamp(vary(b, Stream(seed, "b", i), LIMITS)[0], 20 + i)
    child = cross(a, b, Stream(seed))
    check(child)
    assert cross(a, b, Stream(seed)) == child
    assert (child.saccade is None) <= (a.saccade is None or b.saccade is None)


def test_the_gene_is_of_either_parent_over_the_sheets_that_both_have():
    other = replace(SAMPLE, saccade=replace(SAMPLE.saccade, cell=16, budgets=(4, 2, 0, 0)))
    cells = [cross(SAMPLE, other, Stream(i)).saccade for i in range(20)]
    assert {gene.cell for gene in cells} == {8, 16}
    assert {gene.budgets for gene in cells} == {(2, 1, 0, 0), (4, 2, 0, 0)}
    assert {cross(DENSE, SAMPLE, Stream(i)).saccade for i in range(20)} == {None, SAMPLE.saccade}
    deeper = stamp(replace(DENSE, sheets=(SAMPLE.sheets[0], SheetGene(channels=6), *DENSE.sheets[1:])), 2)
    assert {g.saccade.depth for i in range(20) if (g := cross(deeper, SAMPLE, Stream(i))).saccade} == {3}
