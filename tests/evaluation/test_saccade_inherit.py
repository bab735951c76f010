"""Children of networks that look: growth keeps the function, coordinates and tied kernels keep their weights."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import saccade_genomes

from evonet.errors import GenomeError
from evonet.evaluation.inherit import Inherited, inherit
from evonet.evaluation.parents import Parent
from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.check import valid
from evonet.genome.ids import stamp
from evonet.genome.limits import Limits
from evonet.genome.variation import OPERATORS, varied
from evonet.network import build, initialise
from evonet.plan import Plan, expand
from evonet.seeds import Stream

INPUT = (1, 18, 21)
POINT = MotifGene(radius=0, taps=1)
WINDOW = MotifGene(radius=2, taps=25)
BASE = stamp(
    Genome(
        sheets=(
            SheetGene(channels=4, reduction="max", activation="leaky_relu"),
            SheetGene(channels=5, motifs=(MotifGene(), WINDOW)),
            SheetGene(channels=6, motifs=(POINT,)),
        ),
        saccade=SaccadeGene(cell=4, downsampling=2, glance=4, depth=2, budgets=(3, 1, 0, 0)),
    ),
    1,
)
GRID = replace(BASE, saccade=replace(BASE.saccade, form="conv"))


def plan_of(genome: Genome) -> Plan:
    return expand(genome, input=INPUT, classes=4)


def parent_of(genome: Genome, seed: int = 1) -> Parent:
    """Weights that are nowhere zero."""
    plan, generator = plan_of(genome), torch.Generator().manual_seed(seed)
    weights = [w + 0.1 * torch.randn(w.shape, generator=generator) for w in initialise(plan, seed)]
    return Parent(plan, weights, [30] * len(weights))


def logits(plan: Plan, weights: list[torch.Tensor]) -> torch.Tensor:
    x = torch.rand(4, *INPUT, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return build(plan, dtype=torch.float64)(x, [w.double() for w in weights])


def looking(of: Genome = BASE, **changes: object) -> Genome:
    return replace(of, saccade=replace(of.saccade, **changes))


def sheet(k: int, of: Genome = BASE, **changes: object) -> Genome:
    sheets = list(of.sheets)
    sheets[k] = replace(sheets[k], **changes)
    return stamp(replace(of, sheets=tuple(sheets)), 2)


def child_of(genome: Genome, parent: Parent) -> tuple[Plan, Inherited]:
    plan = plan_of(stamp(genome, 2))
    return plan, inherit(plan, [parent], seed=7)


def assert_keeps(before: Genome, after: Genome) -> None:
    parent = parent_of(before)
    plan, child = child_of(after, parent)
    wanted = logits(parent.plan, parent.weights)
    torch.testing.assert_close(
        logits(plan, child.weights), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max() + 1)
    )


SEPARABLE = sheet(2, motifs=(replace(POINT, mixing="separable"),))
DIRECT = replace(BASE, sheets=BASE.sheets[:2])  # the readout sees the eye
LOOKS = looking(fixations=3, budgets=(2, 1, 0, 0))
WIDER = replace(BASE.sheets[1].motifs[1], radius=3, taps=49)
SAME = {
    "nothing": (BASE, BASE),
    "coordinates": (looking(coordinates="none"), looking(coordinates="fourier")),
    "coordinates of a separable sheet": (looking(SEPARABLE, coordinates="none"), SEPARABLE),
    "coordinates of the readout": (looking(DIRECT, coordinates="none"), DIRECT),
    "coordinates with fixations": (
        looking(LOOKS, coordinates="none"),
        looking(LOOKS, coordinates="relative"),
    ),
    "a class without a budget": (BASE, sheet(0, motifs=(*BASE.sheets[0].motifs, replace(MotifGene(), seed=3)))),
    "a third class without a budget": (BASE, sheet(1, motifs=(*BASE.sheets[1].motifs, WINDOW))),
    "a class without a budget gone": (
        looking(budgets=(3, 0, 0, 0)),
        sheet(1, looking(budgets=(3, 0, 0, 0)), motifs=BASE.sheets[1].motifs[:1]),
    ),
    "a fill": (sheet(1, GRID, activation="tanh"), sheet(1, looking(GRID, fill="cheap"), activation="tanh")),
    "motifs no longer tied": (looking(tie=True), looking(tie=False)),
    "more taps of a tied kernel": (
        looking(tie=True),
        sheet(1, looking(tie=True), motifs=(BASE.sheets[1].motifs[0], WIDER)),
    ),
    "wider eye": (BASE, sheet(0, channels=6)),
    "wider eye of a set": (BASE, sheet(1, channels=8)),
    "wider eye of a grid": (looking(GRID, fill="cheap"), sheet(1, looking(GRID, fill="cheap"), channels=8)),
    "wider last sheet": (LOOKS, sheet(2, LOOKS, channels=8)),
}


@pytest.mark.parametrize("name", SAME)
def test_the_function_is_kept(name):
    assert_keeps(*SAME[name])


def test_a_gene_that_leaves_nothing_out_comes_and_goes_unnoticed():
    dense = stamp(Genome(sheets=(SheetGene(channels=4, reduction="max"), SheetGene(channels=6))), 1)
    for depth in (1, 2):
        every = replace(dense, saccade=SaccadeGene(form="conv", route="every", depth=depth))
        assert_keeps(dense, every)
        assert_keeps(every, dense)


KEEPING = sorted(name for name, operator in OPERATORS.items() if operator.keeps and name != "untie")  # weights lent
LIMITS = Limits(sheets=(1, 6), motifs_max=4, saccades=("set", "conv"))


def child(name: str, genome: Genome, seed: int) -> Genome | None:
    """The first valid child of some tries that can be expanded."""
    for attempt in range(10):
        found = varied(name, genome, Stream(name, seed, attempt), LIMITS)
        if found is not None and found != genome and valid(found):
            try:
                plan_of(found)
            except GenomeError:
                continue
            return found
    return None


@pytest.mark.parametrize("name", KEEPING)
@given(saccade_genomes(), st.integers(0, 2**32))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_growth_operators_keep_the_function(name, genome, seed):
    """Two are no growth here: a self motif of the last sheet with fixations, where a mean over them becomes a
    recurrence, and more taps of a motif whose weights a larger one has already.
    """
    try:
        plan_of(genome)
    except GenomeError:
        assume(False)
    genome = stamp(replace(genome, saccade=None) if name == "add_every_cell" else genome, 1)
    grown = child(name, genome, seed)
    assume(grown is not None)
    assume(not (name == "grow_taps" and genome.saccade.tie))
    assume(not (name == "add_self_motif" and genome.saccade.fixations and grown.sheets[-1] != genome.sheets[-1]))
    assert_keeps(genome, grown)


def stored(plan: Plan, weights: list[torch.Tensor], name: str) -> torch.Tensor:
    return weights[next(i for i, t in enumerate(plan.tensors) if t.name == name)]


def test_all_of_a_tied_kernel_is_inherited():
    """The ring that only the larger motif has, too."""
    parent = parent_of(looking(tie=True))
    plan, found = child_of(sheet(2, looking(tie=True), channels=8), parent)
    name = "sheet1.motif0.taps"
    kernel = stored(plan, found.weights, name)
    assert kernel.shape[-1] == 25
    assert torch.equal(kernel, stored(parent.plan, parent.weights, name))
    assert bool(stored(plan, found.old, name).all())


def test_motifs_that_become_tied_start_as_the_larger_one():
    parent = parent_of(BASE)
    plan, found = child_of(looking(tie=True), parent)
    larger = stored(parent.plan, parent.weights, "sheet1.motif1.taps")
    assert torch.equal(stored(plan, found.weights, "sheet1.motif0.taps"), larger)


def test_a_new_class_starts_as_the_one_before_it_and_learns_as_new_weights_do():
    parent = parent_of(BASE)
    grown = sheet(1, looking(budgets=(3, 1, 1, 0)), motifs=(*BASE.sheets[1].motifs, replace(WINDOW, radius=3, taps=49)))
    plan, found = child_of(grown, parent)
    eyes = build(plan).saccade.eyes
    x, image, cell = torch.rand(2, *INPUT), torch.tensor([0, 1, 1]), torch.tensor([3, 0, 5])
    second, third = (eyes[k](x, image, cell, found.weights) for k in (1, 2))
    torch.testing.assert_close(third, second)
    assert not bool(stored(plan, found.old, "sheet1.motif2.taps").any())
    assert bool(stored(plan, found.old, "sheet1.motif1.taps").all())


def test_the_glance_is_inherited_by_its_place_whatever_genes_there_are():
    parent = parent_of(BASE)
    plan, found = child_of(looking(glance=6, budgets=(1, 1, 0, 0)), parent)
    for name in ("glance0.motif0.taps", "logits.motif0.taps"):
        ours, theirs = stored(plan, found.weights, name), stored(parent.plan, parent.weights, name)
        rows, columns = (min(a, b) for a, b in zip(ours.shape[:2], theirs.shape[:2], strict=True))
        assert torch.equal(ours[:rows, :columns], theirs[:rows, :columns])


def test_a_child_that_gains_the_gene_keeps_its_weights():
    """Of later windows that become points the centre."""
    dense = stamp(Genome(sheets=(SheetGene(channels=4, reduction="max"), SheetGene(channels=6))), 1)
    parent = parent_of(dense)
    point = replace(dense.sheets[1], motifs=(replace(dense.sheets[1].motifs[0], radius=0, taps=1),))
    gained = replace(dense, sheets=(dense.sheets[0], point), saccade=SaccadeGene(cell=4, downsampling=2))
    plan, found = child_of(gained, parent)
    assert torch.equal(found.weights[0], parent.weights[0])
    kernel = stored(plan, found.weights, "sheet1.motif0.taps")
    assert torch.equal(kernel[:, 2:, 0], stored(parent.plan, parent.weights, "sheet1.motif0.taps")[:, :, 4])
    assert not bool(kernel[:, :2].any())


def test_other_coordinates_start_at_zero_and_features_keep_their_place():
    parent = parent_of(BASE)
    for coordinates, extra in (("relative", 2), ("fourier", 16), ("none", 0)):
        plan, found = child_of(looking(coordinates=coordinates), parent)
        kernel = stored(plan, found.weights, "sheet2.motif0.taps")
        assert torch.equal(kernel[:, extra:], stored(parent.plan, parent.weights, "sheet2.motif0.taps")[:, 2:])
        assert not bool(kernel[:, :extra].any())
        assert not bool(stored(plan, found.old, "sheet2.motif0.taps")[:, :extra].any())


def test_a_deeper_eye_takes_its_coordinates_along():
    """A sheet of the set that comes into the eye no longer reads coordinates; the one behind it does."""
    base = replace(BASE, sheets=(*BASE.sheets, SheetGene(channels=4, motifs=(POINT,))))
    parent = parent_of(stamp(base, 1))
    plan, found = child_of(looking(stamp(base, 1), depth=3), parent)
    second, third = ("sheet2.motif0.taps", "sheet3.motif0.taps")
    theirs = [stored(parent.plan, parent.weights, name) for name in (second, third)]
    assert torch.equal(stored(plan, found.weights, second), theirs[0][:, 2:])
    assert torch.equal(stored(plan, found.weights, third)[:, 2:], theirs[1])


def test_a_new_class_with_other_taps_than_the_one_before_it_is_not_silent():
    """Motifs of an eye are no terms of a sum, where a new one would start at zero."""
    point = sheet(1, looking(budgets=(3, 0, 0, 0)), motifs=(replace(POINT, id=(1, 3)),))
    around = replace(MotifGene(), edits=((0, 0),))
    grown = sheet(1, looking(point, budgets=(3, 1, 0, 0)), motifs=(point.sheets[1].motifs[0], around))
    plan, found = child_of(grown, parent_of(point))
    assert bool(stored(plan, found.weights, "sheet1.motif1.taps").any())
