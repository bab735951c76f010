"""Inheritance between forms: what a parent stored in one way its child takes over in another."""

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from package.package_examples import sparse_codes
from strategies import genomes

from evonet.compression.express import cut, express
from evonet.errors import GenomeError
from evonet.evaluation.inherit import Inherited, inherit
from evonet.evaluation.measure import long_share
from evonet.evaluation.parents import Parent, read_start
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.job import Start
from evonet.network import build, decoded, initialise
from evonet.package import Package, Quantised, pack, unpack
from evonet.plan import Budget, Plan, expand

replace = msgspec.structs.replace
INPUT = (2, 8, 8)
FIRST = SheetGene(channels=4, activation="tanh", motifs=(MotifGene(),))


def plan_of(genome: Genome) -> Plan:
    return expand(genome, input=INPUT, classes=5)


def parent(genome: Genome) -> Parent:
    plan, generator = plan_of(genome), torch.Generator().manual_seed(3)
    weights = [w + 0.1 * torch.randn(w.shape, generator=generator) for w in initialise(plan, 1)]
    return Parent(plan, weights, [30] * len(weights))


def logits(plan: Plan, weights: list[torch.Tensor]) -> torch.Tensor:
    x = torch.rand(4, *INPUT, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return build(plan, dtype=torch.float64)(x, [w.double() for w in weights])


def between(**fields) -> Genome:
    """Two sheets of four channels, the second with a motif of these fields."""
    return Genome(sheets=(FIRST, SheetGene(channels=4, motifs=(MotifGene(**fields),))))


def child_of(old: Genome, new: Genome) -> tuple[Parent, Plan, Inherited]:
    """The genes of `new` are those of `old`, place by place."""
    old = stamp(old, 1)
    mother, plan = parent(old), plan_of(stamp(named(new, old), 2))
    return mother, plan, inherit(plan, [mother], 7)


def named(new: Genome, old: Genome) -> Genome:
    sheets = tuple(
        replace(s, id=o.id, motifs=tuple(replace(m, id=q.id) for m, q in zip(s.motifs, o.motifs, strict=True)))
        for s, o in zip(new.sheets, old.sheets, strict=True)
    )
    return replace(new, sheets=sheets, readout=replace(new.readout, id=old.readout.id))


def motif_weight(plan: Plan, weights: list[torch.Tensor], stage: int = 0) -> torch.Tensor:
    return weights[plan.sheets[1].incoming[0].stages[stage].weight]


KEPT = {
    "depthwise to full": ({"mixing": "depthwise"}, {}),
    "separable to full": ({"mixing": "separable"}, {}),
    "grouped to full": ({"mixing": "grouped"}, {}),
    "identity to full": ({"mixing": "identity"}, {}),
    "identity to depthwise": ({"mixing": "identity"}, {"mixing": "depthwise"}),
    "depthwise to grouped": ({"mixing": "depthwise"}, {"mixing": "grouped"}),
    "depthwise to separable": ({"mixing": "depthwise"}, {"mixing": "separable"}),
    "even to none": ({"symmetry": "even"}, {}),
    "odd to none": ({"symmetry": "odd"}, {}),
    "orbit4 to none": ({"symmetry": "orbit4", "taps": 5}, {}),
    "orbit8 to none": ({"symmetry": "orbit8", "taps": 6}, {}),
    "sheet to tiles": ({}, {"sharing": "tile", "tile": 3}),
    "tiles to finer tiles": ({"sharing": "tile", "tile": 2}, {"sharing": "tile", "tile": 4}),
    "tiles to positions": ({"sharing": "tile", "tile": 3}, {"sharing": "position"}),
    "separable even tiles to all": (
        {"mixing": "separable", "symmetry": "even", "sharing": "tile"},
        {"sharing": "tile"},
    ),
    "more taps": ({"taps": 5}, {"taps": 20, "radius": 2}),
    "edited": ({"taps": 5}, {"taps": 5, "edits": ((2, 2), (3, 0))}),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_form_that_can_say_more_keeps_the_function(name):
    old, new = KEPT[name]
    mother, plan, child = child_of(between(**old), between(**new))
    torch.testing.assert_close(logits(plan, child.weights), logits(mother.plan, mother.weights), rtol=1e-5, atol=1e-5)
    assert bool(motif_weight(plan, child.old).any())


@pytest.mark.parametrize("name", [n for n in KEPT if not n.startswith(("identity", "edited", "depthwise to sep"))])
def test_and_back_again_gives_the_weights_that_were(name):
    old, new = KEPT[name]
    mother, plan, child = child_of(between(**old), between(**new))
    back = inherit(mother.plan, [Parent(plan, child.weights, [30] * len(child.weights))], 8)
    if between(**old).sheets[1].motifs[0].mixing != "separable":
        for a, b in zip(back.weights, mother.weights, strict=True):
            torch.testing.assert_close(a, b)
    torch.testing.assert_close(
        logits(mother.plan, back.weights), logits(mother.plan, mother.weights), rtol=1e-5, atol=1e-5
    )


def test_a_symmetry_takes_the_mean_of_what_it_ties():
    mother, plan, child = child_of(between(), between(symmetry="odd"))
    whole, odd = motif_weight(mother.plan, mother.weights), motif_weight(plan, child.weights)
    torch.testing.assert_close(
        odd, (whole[..., :4] - whole[..., 5:].flip(-1)) / 2
    )  # (-1,-1) .. (0,-1), less their opposites
    mother, plan, child = child_of(between(), between(symmetry="orbit4"))
    whole, stored = motif_weight(mother.plan, mother.weights), motif_weight(plan, child.weights)
    turned = [torch.rot90(whole[o].reshape(4, 3, 3), -o, (1, 2)).flatten(1) for o in range(4)]
    torch.testing.assert_close(stored[0], sum(turned) / 4)


def test_larger_tiles_take_the_mean_over_their_positions():
    mother, plan, child = child_of(between(sharing="tile", tile=4), between(sharing="tile", tile=2))
    fine, coarse = motif_weight(mother.plan, mother.weights), motif_weight(plan, child.weights)
    torch.testing.assert_close(coarse, fine.unflatten(0, (2, 2, 2, 2)).mean((1, 3)).flatten(0, 1))


def test_fewer_connections_keep_those_that_stay():
    mother, plan, child = child_of(between(), between(mixing="depthwise"))
    whole, diagonal = motif_weight(mother.plan, mother.weights), motif_weight(plan, child.weights)
    assert torch.equal(diagonal, whole[range(4), range(4)])
    mother, plan, child = child_of(between(), between(mixing="grouped", groups=2))
    whole, grouped = motif_weight(mother.plan, mother.weights), motif_weight(plan, child.weights)
    assert torch.equal(grouped, torch.cat((whole[:2, :2], whole[2:, 2:])))


def test_a_full_kernel_that_is_separable_is_parted_into_the_same():
    old = between(mixing="separable")
    mother, full, child = child_of(old, between())
    plan = mother.plan
    back = inherit(plan, [Parent(full, child.weights, [30] * len(child.weights))], 8)
    taps, mix = motif_weight(plan, back.weights), motif_weight(plan, back.weights, 1)
    made = mix[:, :, 0, None] * taps[None]
    torch.testing.assert_close(made, motif_weight(full, child.weights))


def test_an_untied_motif_starts_with_the_weights_that_it_had():
    tied = replace(
        between(), sheets=(*between().sheets, SheetGene(channels=4, motifs=(MotifGene(weights_from=1, seed=9),)))
    )
    free = replace(tied, sheets=(*tied.sheets[:2], SheetGene(channels=4, motifs=(MotifGene(seed=9),))))
    mother, plan, child = child_of(tied, free)
    torch.testing.assert_close(logits(plan, child.weights), logits(mother.plan, mother.weights))


def test_a_motif_of_which_no_tap_is_left_starts_anew():
    _, plan, child = child_of(between(taps=1, radius=0), between(taps=1, radius=0, edits=((0, 0), (0, 1))))
    weight = motif_weight(plan, child.weights)
    assert bool(weight.all())
    assert not bool(motif_weight(plan, child.old).any())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"grid": 1}, {"grid": 2}),
        ({"grid": 2}, {"grid": 4}),
        ({"grid": 1}, {"grid": 8}),
        ({"grid": 2}, {"grid": 2, "pooling": "both"}),
        ({"grid": 2, "pooling": "max"}, {"grid": 2, "pooling": "both"}),
    ],
)
def test_a_readout_that_sees_more_keeps_the_function(old, new):
    before, after = (replace(between(), readout=ReadoutGene(**fields)) for fields in (old, new))
    mother, plan, child = child_of(before, after)
    torch.testing.assert_close(logits(plan, child.weights), logits(mother.plan, mother.weights), rtol=1e-5, atol=1e-5)


def test_a_coarser_readout_adds_up_what_its_cells_had():
    before, after = (replace(between(), readout=ReadoutGene(grid=grid)) for grid in (4, 2))
    mother, plan, child = child_of(before, after)
    fine, coarse = mother.weights[mother.plan.readout.weight], child.weights[plan.readout.weight]
    torch.testing.assert_close(coarse, fine.unflatten(1, (4, 2, 2, 2, 2)).sum((3, 5)).flatten(1))


def sparse_package(genome: Genome) -> tuple[Package, list[Quantised], Plan]:
    """A package in which a channel of the first sheet, a tap and a channel between the stages are off or zero."""
    plan, numbers = plan_of(genome), np.random.default_rng(5)
    tensors = [Quantised(38, numbers.integers(1, 9, t.shape).astype(np.int16)) for t in plan.tensors]
    first, taps, mix = tensors[0], tensors[2], tensors[3]
    assert [plan.tensors[i].role for i in (0, 2, 3)] == ["tap", "tap", "mix"]
    first.codes[..., 4] = 0
    taps.codes[1] = 0
    mix.codes[:, 1] = 0
    expression = express(plan, tensors)
    live = expand(genome, input=INPUT, classes=5, expression=expression)
    package = Package(genome=genome, input=INPUT, classes=5, expression=expression, tensors=tuple(cut(live, tensors)))
    return package, tensors, plan


def test_what_was_cut_comes_back_as_zero_and_wakes():
    """Inward random and at the full rate, outward zero: the child computes what its parent did, and can learn more."""
    genome = stamp(between(mixing="separable"), 1)
    package, tensors, plan = sparse_package(genome)
    assert package.expression.channels[0] == (True, False, True, True)
    assert sum(package.expression.taps[0]) == 8
    start = Start(genome=encode(genome), ids=ids_of(genome), package=pack(package), shadow=b"")
    mother = read_start(start, input=INPUT, classes=5, budget=Budget(), shadow=True)
    for weight, quantised, tensor in zip(mother.weights, tensors, plan.tensors, strict=True):
        want = torch.from_numpy(quantised.weights).clone()
        if tensor.name in ("sheet0.motif0.taps", "sheet0.bias"):
            want.movedim(0 if tensor.role == "tap" else 1, 0)[1] = 0  # nothing reads the channel, so it reads nothing
        assert torch.equal(weight, want)
    child = inherit(plan, [mother], 7)
    x = torch.rand(4, *INPUT, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(build(plan)(x, child.weights), decoded(unpack(pack(package)))(x))
    assert bool(child.weights[0][1].all())
    assert bool(child.weights[2][1].all())
    assert not bool(child.old[0][1].any())
    assert not bool(child.old[2][1].any())
    assert not bool(child.weights[3][:, 1].any())
    weights = [w.clone().requires_grad_() for w in child.weights]
    build(plan)(x, weights).square().sum().backward()
    assert bool(weights[3].grad[:, 1].any())


@given(genomes(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_whatever_sleeps_wakes_without_a_change_of_the_function(genome, seed):
    genome, numbers = stamp(genome, 1), np.random.default_rng(seed)
    try:
        plan = expand(genome, input=(1, 8, 9), classes=10)
    except GenomeError:
        assume(False)
    assume(plan.costs.macs <= 1e6)
    weights = [torch.from_numpy(q.weights) for q in sparse_codes(plan, numbers)]
    child = inherit(plan, [Parent(plan, weights, [30] * len(weights))], 7)
    x = torch.rand(3, 1, 8, 9, dtype=torch.float64)
    network = build(plan, dtype=torch.float64)
    with torch.no_grad():
        before, after = (network(x, [w.double() for w in ws]) for ws in (weights, child.weights))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * float(before.abs().max() + 1))


@given(st.integers(0, 2**32), st.sampled_from(["none", "even", "odd", "orbit4"]), st.sampled_from(["zero", "wrap"]))
@settings(max_examples=25, deadline=None)
def test_the_long_share_is_of_the_kernel(seed, symmetry, boundary):
    """Against a loop over the kernel: a weight counts once for every tap that has it."""
    motif = MotifGene(
        taps=12, long_share=8, reach=7, pattern="scatter", seed=seed % 256, symmetry=symmetry, boundary=boundary
    )
    genome = Genome(sheets=(SheetGene(channels=4, motifs=(motif,)),))
    plan = expand(genome, input=(1, 17, 17), classes=5)
    network = build(plan)
    with torch.no_grad():
        network.weights[0].copy_(torch.randn(plan.tensors[0].shape, generator=torch.Generator().manual_seed(seed)))
    (stage,), stored = plan.stages, network.weights[0].detach()
    far = total = 0.0
    for o in range(4):
        for t, (dy, dx) in enumerate(stage.taps):
            n = 1 if stage.tying is None else len(stage.tying.taps)
            place = t if stage.tying is None else stage.tying.taps[o % n][t]
            size = 0.0 if place < 0 else abs(float(stored[o // n, 0, place]))
            total += size
            far += size * (max(abs(dy), abs(dx)) > 3)
    assert long_share(network) == pytest.approx(far / total)


def test_what_covers_its_source_has_no_distance():
    sheets = (SheetGene(channels=3), SheetGene(channels=4, reduction="all"))
    plan = expand(Genome(sheets=sheets), input=(1, 9, 9), classes=5)
    network = build(plan)
    with torch.no_grad():
        for weight in network.weights:
            weight.fill_(1.0)
    assert long_share(network) == 0.0
