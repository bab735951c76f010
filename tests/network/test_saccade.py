"""Networks that look: blocks against the whole sheet, both traps, and what the unvisited pixels can change."""

from collections.abc import Callable
from math import log
from typing import NamedTuple

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import saccade_genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.network import build
from evonet.network.blocks import Blocks, Everywhere
from evonet.network.elements import elements, pooled_mean
from evonet.network.looking import Looked
from evonet.network.network import Network
from evonet.network.stages import Lowered
from evonet.plan import Plan, Shape, expand
from evonet.training.looking import class_probabilities, entropy, location, map_consistency

WINDOW = MotifGene(radius=2, taps=25)
POINT = MotifGene(radius=0, taps=1)
LENT = MotifGene(weights_from=1)
SIDES = st.tuples(st.integers(1, 2), st.integers(9, 22), st.integers(9, 22))


def plan_of(genome: Genome, shape: Shape) -> Plan | None:
    try:
        plan = expand(genome, input=shape, classes=5)
    except GenomeError:
        return None
    return plan


def network_of(plan: Plan, seed: int = 0, *, masked: bool = False) -> Network:
    """Weights that are nowhere zero, biases included; logits of the glance far enough apart to be chosen alike."""
    network = build(plan, dtype=torch.float64, masked=masked)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p, t in zip(network.weights, plan.tensors, strict=True):
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) / max(1, t.fan_in) ** 0.5)
    return network


def images(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Run(NamedTuple):
    logits: torch.Tensor
    looked: Looked
    gradients: dict[str, torch.Tensor]  # by tensor; and of the images


def run(network: Network, x: torch.Tensor) -> Run:
    x = x.clone().requires_grad_()
    logits, looked = network.look(x)
    each = torch.arange(1.0, 1 + logits.numel(), dtype=x.dtype).reshape(logits.shape).cos()
    (logits * each).sum().backward()
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return Run(logits.detach(), looked.detached(), found | {"images": x.grad})


def assert_same(came: torch.Tensor, expected: torch.Tensor, what: str = "") -> None:
    tolerance = 1e-9 * float(expected.detach().abs().max() + 1)
    torch.testing.assert_close(came, expected, rtol=1e-8, atol=tolerance, msg=lambda m: f"{what}: {m}")


@given(saccade_genomes(), SIDES, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_blocks_are_the_sheets_computed_everywhere(genome, shape, seed):
    """Forward, the gradient of the images, and those of all weights."""
    plan = plan_of(genome, shape)
    assume(plan is not None)
    x = images(3, *shape, seed=seed)
    ours, reference = (run(network_of(plan, seed, masked=masked), x) for masked in (False, True))
    assert torch.equal(ours.looked.cell, reference.looked.cell)
    assert_same(ours.logits, reference.logits, "logits")
    assert ours.gradients.keys() == reference.gradients.keys()
    for name, gradient in ours.gradients.items():
        assert_same(gradient, reference.gradients[name], name)


EVERY = SaccadeGene(route="every", form="conv")
DENSE = {
    "one sheet": (SheetGene(channels=4), SheetGene(channels=4)),
    "two, pooled": (SheetGene(channels=4, reduction="max"), SheetGene(channels=5, reduction="mean"), SheetGene()),
    "three": (SheetGene(channels=4, norm="rms"), SheetGene(channels=4), SheetGene(channels=4, motifs=(WINDOW,))),
    "stride": (SheetGene(channels=4, reduction="stride"), SheetGene(channels=4, reduction="stride"), SheetGene()),
    "separable": (SheetGene(channels=4), SheetGene(channels=6, motifs=(replace(WINDOW, mixing="separable"),))),
    "lattice": (
        SheetGene(channels=4, motifs=(MotifGene(taps=9, long_share=8, pattern="lattice", reach=4),)),
        SheetGene(channels=4, motifs=(MotifGene(taps=7, long_share=9, pattern="scatter", reach=5, seed=3),)),
    ),
    "lent weights": (SheetGene(channels=4), SheetGene(channels=4), SheetGene(channels=4, motifs=(LENT,))),
}


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 13, 19)], ids=str)
@pytest.mark.parametrize("name", DENSE)
def test_every_cell_of_one_class_is_convolution(name, shape):
    """The gene then changes nothing: logits and gradients are those of the genome without it."""
    dense = Genome(sheets=DENSE[name], readout=ReadoutGene(grid=2, pooling="both"))
    for depth in range(1, len(dense.sheets) + 1):
        looking = replace(dense, saccade=replace(EVERY, depth=depth))
        x = images(2, *shape).requires_grad_()
        networks = [network_of(expand(g, input=shape, classes=5)) for g in (dense, looking)]
        for a, b in zip(*(_gradients(network, x) for network in networks), strict=True):
            assert_same(a, b, f"depth {depth}")
        assert networks[0].plan.costs.weights == networks[1].plan.costs.weights


def _gradients(network: Network, x: torch.Tensor) -> list[torch.Tensor]:
    logits = network(x)
    return [logits, *torch.autograd.grad((logits * logits.detach().sin()).sum(), [x, *network.weights])]


def test_positions_outside_the_image_are_zero_between_the_eyes_sheets():
    """Trap 1: with a bias, what lies outside is not zero after the first sheet, but a padded second one reads zeros.

    Where blocks are not masked the border's cells differ by more than 0.1, and those inside by nothing.
    """
    genome = Genome(sheets=(SheetGene(channels=3), SheetGene(channels=3)), saccade=replace(EVERY, depth=2, cell=4))
    plan = expand(genome, input=(1, 12, 12), classes=5)
    network = network_of(plan)
    blocks, everywhere = (
        Blocks(plan, plan.saccade, plan.saccade.eyes[0]),
        Everywhere(plan, plan.saccade, 0, masked=False),
    )
    x, cell = images(1, 1, 12, 12), torch.arange(9)
    masked = [network.weights, torch.zeros(9, dtype=torch.int64)]
    with torch.no_grad():
        expected = everywhere(x, masked[1], cell, masked[0])
        assert_same(blocks(x, masked[1], cell, masked[0]), expected)
        blocks.rows0, blocks.columns0 = torch.ones_like(blocks.rows0), torch.ones_like(blocks.columns0)
        off = (blocks(x, masked[1], cell, masked[0]) - expected).abs().amax((1, 2, 3))
    inside = cell == 4
    assert float(off[~inside].min()) > 0.1
    assert float(off[inside].max()) < 1e-12


TWO = (MotifGene(), WINDOW)
SET = Genome(
    sheets=(
        SheetGene(channels=4, reduction="max", activation="leaky_relu", motifs=TWO),
        SheetGene(channels=6, motifs=(POINT,)),
    ),
    saccade=SaccadeGene(cell=4, downsampling=2, glance=4, budgets=(2, 1, 0, 0)),
)


def looking(**changes: object) -> Genome:
    return replace(SET, saccade=replace(SET.saccade, **changes))


@pytest.mark.parametrize("form", ["set", "conv"])
def test_logits_of_what_was_not_computed_have_no_gradient_but_through_the_choice(form):
    """Trap 2: the network cannot learn what a class would have given where it did not compute it.

    In a set, logits act through the weights of the chosen looks alone. In a grid, through the probability of the
    class that a cell has: other classes of that cell learn of it, cells that were not chosen do not.
    """
    genome = looking(form=form)
    network = network_of(expand(genome, input=(1, 16, 16), classes=5))
    at = network.saccade
    x = images(2, 1, 16, 16)
    scores, features = (v.detach() for v in at.glance(x, network.weights))
    scores.requires_grad_()
    at.glance = lambda *_: (scores, features)
    logits, looked = network.look(x)
    logits.sin().sum().backward()
    cell = looked.cell[:, 0] * at.saccade.grid[1] + looked.cell[:, 1]
    computed = torch.zeros_like(scores, dtype=torch.bool)
    computed[looked.image, looked.kind - 1, cell] = True
    seen = computed.any(1, keepdim=True).expand_as(computed)
    assert bool((scores.grad[computed] != 0).all())
    assert not bool(scores.grad[~seen].any())
    assert bool(scores.grad[seen & ~computed].any()) == (form == "conv")


@pytest.mark.parametrize("budgets", [(2, 0, 0, 0), (0, 2, 0, 0)])
@pytest.mark.parametrize("form", ["set", "conv"])
def test_a_class_without_a_budget_exists_nowhere(form, budgets):
    """It has no probability, teaches nothing and learns nothing; and all that is made of the logits stays finite."""
    network = network_of(expand(looking(form=form, budgets=budgets), input=(1, 16, 16), classes=5))
    plan = network.plan
    (weight,) = [at for at, t in enumerate(plan.tensors) if t.name == "logits.motif0.taps"]
    x, absent = images(2, 1, 16, 16), budgets.index(0)
    logits, looked = network.look(x)
    scores = looked.scores.flatten(2)
    assert bool((scores[:, absent] == -torch.inf).all())
    assert bool(scores[:, 1 - absent].isfinite().all())
    p = class_probabilities(scores)
    assert not bool(p[:, 1 + absent].any())
    torch.testing.assert_close(p[:, 2 - absent], scores[:, 1 - absent].sigmoid())  # as if there were the other alone
    everywhere = (
        location(scores, torch.ones_like(scores[:, 0])) - entropy(scores) + map_consistency(scores, scores.flip(2))
    )
    total = logits.sin().sum() + everywhere + p[:, 1:].mean()
    found = torch.autograd.grad(total, network.weights, allow_unused=True)
    assert bool(total.isfinite())
    assert all(bool(g.isfinite().all()) for g in found if g is not None)
    assert not bool(found[weight][absent].any())
    assert bool(found[weight][1 - absent].any())
    with torch.no_grad():
        network.weights[weight][absent] += 50
    assert torch.equal(network.look(x)[0], logits)
    assert entropy(scores) <= log(scores.shape[2]) + 1e-6


HELD: dict[str, Callable[[], Genome]] = {
    "set": lambda: SET,
    "threshold": lambda: looking(route="threshold"),
    "relative": lambda: looking(coordinates="relative"),
    "fixations": lambda: looking(fixations=3),
    "halting": lambda: looking(fixations=3, halting=2, coordinates="relative", route="threshold"),
    "grid": lambda: looking(form="conv"),
    "tied": lambda: looking(tie=True),
}


@pytest.mark.parametrize("name", HELD)
def test_unvisited_pixels_cannot_matter(name):
    """With cells and weights held, noise in every pixel outside all windows changes not one bit of any logit."""
    plan = expand(HELD[name](), input=(1, 17, 23), classes=5)
    network, x = network_of(plan), images(4, 1, 17, 23)
    with torch.no_grad():
        logits, looked = network.look(x)
        assert torch.equal(network.answer(x, looked), logits)
        visited = _visited(network, looked, x)
        assert 0 < int(visited.sum()) < visited.numel()
        noisy = torch.where(visited, x, images(*x.shape, seed=2))
        assert torch.equal(network.answer(noisy, looked), logits)
        assert not torch.equal(network.answer(torch.where(visited, images(*x.shape, seed=2), x), looked), logits)


def _visited(network: Network, looked: Looked, x: torch.Tensor) -> torch.Tensor:
    visited = torch.zeros_like(x, dtype=torch.bool)
    for image, (y0, x0, y1, x1) in zip(looked.image.tolist(), network.windows(looked).tolist(), strict=True):
        visited[image, :, max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return visited


@given(saccade_genomes(), SIDES)
@settings(max_examples=30, deadline=None)
def test_an_answer_to_what_was_looked_at_is_the_logits(genome, shape):
    plan = plan_of(genome, shape)
    assume(plan is not None)
    network, x = network_of(plan), images(3, *shape)
    with torch.no_grad():
        logits, looked = network.look(x)
        assert torch.equal(network.answer(x, looked), logits)
        assert torch.equal(network(x), logits)
        assert torch.equal(looked.answers[:, -1], logits)


@given(saccade_genomes(), st.sampled_from([(1, 9, 12), (2, 16, 11)]))
@settings(max_examples=30, deadline=None)
def test_blank_images_have_an_answer(genome, shape):
    """With logits that are all equal the cells are the first ones, the same in every image."""
    plan = plan_of(genome, shape)
    assume(plan is not None)
    network, x = network_of(plan), torch.zeros(3, *shape, dtype=torch.float64)
    with torch.no_grad():
        for k in plan.saccade.glance[-1:]:
            for branch in plan.sheets[k].incoming:
                network.weights[branch.stages[0].weight].zero_()
        logits, looked = network.look(x)
    assert bool(logits.isfinite().all())
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))  # a product's rows may differ in the last bit
    per_image = [looked.cell[(looked.image == image) & (looked.time == 0)].tolist() for image in range(3)]
    assert per_image[0] == per_image[1] == per_image[2] != []


def test_one_image_alone_looks_where_it_does_among_others():
    for name, genome in HELD.items():
        network, x = network_of(expand(genome(), input=(1, 16, 16), classes=5)), images(5, 1, 16, 16)
        with torch.no_grad():
            together = network(x)
            alone = torch.cat([network(image[None]) for image in x])
        assert_same(alone, together, name)


def test_an_image_that_is_sure_looks_no_further():
    """Halting changes how many fixations an image takes, and of those that it took nothing."""
    genome = looking(fixations=4, halting=1, budgets=(1, 0, 0, 0))
    network, x = network_of(expand(genome, input=(1, 20, 20), classes=5), seed=3), 4 * images(64, 1, 20, 20)
    with torch.no_grad():
        halted, long = network.look(x)[1], network.look(x, halt=False)[1]
    assert set(long.fixations.tolist()) == {4}
    assert 1 in halted.fixations
    assert 4 in halted.fixations
    for i, n in enumerate(halted.fixations.tolist()):
        sure = long.answers[i].softmax(1).amax(1) > 0.5
        assert n == next((t + 1 for t in range(3) if sure[t]), 4)
        assert_same(halted.answers[i, n - 1], long.answers[i, n - 1])
        assert bool((halted.answers[i, n:] == halted.answers[i, n - 1]).all())
    seen = [set(map(tuple, long.cell[long.image == i].tolist())) for i in range(64)]
    assert {len(cells) for cells in seen} == {4}  # no cell twice


@pytest.mark.parametrize("shape", [(14, 19), (16, 24)])
def test_a_set_holds_the_positions_of_its_cells_and_shares_their_weights_evenly(shape):
    """Each image's weights sum to one, also where a cell lies partly outside the eye's last sheet."""
    plan = expand(looking(coordinates="xy"), input=(1, *shape), classes=5)
    at, last = plan.saccade, plan.sheets[0].shape
    cells = at.cells
    image, cell = torch.tensor([0, 0, 1]), torch.tensor([0, cells - 1, cells - 1])
    blocks = torch.arange(3.0 * 4 * 4).reshape(3, 4, 2, 2)
    found = elements(blocks, image, cell, torch.tensor([0.75, 0.25, 1.0]), at, last)
    total = pooled_mean(torch.ones(len(found.image), 1), found.image, found.weight, 2)
    torch.testing.assert_close(total, torch.ones(2, 1))
    expected = []
    for look in range(3):
        row, column = divmod(int(cell[look]), at.grid[1])
        spots = [(2 * row + i, 2 * column + j) for i in (0, 1) for j in (0, 1)]
        inside = [(y, x) for y, x in spots if y < last[1] and x < last[2]]
        for y, x in inside:  # a position is two pixels wide
            value = blocks[look, :, y - 2 * row, x - 2 * column].tolist()
            expected.append(([2 * y + 1.0, 2 * x + 1.0], value, [0.75, 0.25, 1.0][look] / len(inside)))
    assert found.place.tolist() == [place for place, _, _ in expected]
    assert found.features.tolist() == [value for _, value, _ in expected]
    assert found.weight.tolist() == [weight for _, _, weight in expected]


def multiplications(network: Network, x: torch.Tensor) -> int:
    """Multiply-adds per image: of what every stage really gave, from the shapes of outputs and kernels."""
    counted = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        stage = module.kernel.stage
        if stage.weight is not None:
            live = [len(stage.taps)] if stage.tying is None else [sum(p >= 0 for p in row) for row in stage.tying.taps]
            taps = sum(live[o % len(live)] for o in range(output.shape[1]))
            counted += len(output) * output[0, 0].numel() * taps * stage.inputs

    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, Lowered)]
    with torch.no_grad():
        network.look(x, halt=False)
    for hook in hooks:
        hook.remove()
    readout = network.plan.readout
    rounds = max(1, network.plan.saccade.fixations)
    assert counted % len(x) == 0
    return counted // len(x) + (rounds * network.plan.classes * readout.features if readout.weight is not None else 0)


@given(saccade_genomes(routes=("budget", "every")), st.sampled_from([(1, 16, 24), (2, 24, 16)]))
@settings(max_examples=40, deadline=None)
def test_costs_are_the_multiplications_that_are_made(genome, shape):
    """On images whose sides whole cells fill: elsewhere positions outside the image are counted, but not computed."""
    plan = plan_of(genome, shape)
    assume(plan is not None)
    assert plan.costs.macs == multiplications(network_of(plan), images(2, *shape))
