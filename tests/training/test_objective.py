"""What a network that looks minimises, term by term, and the phases of it."""

from itertools import permutations, product

import pytest
import torch
import torch.nn.functional as F
from looking_networks import CHEAP, GENOMES, GRID, ONE, PATH, SET, canvases, make_network
from msgspec.structs import replace

from evonet import seeds
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.network import Network
from evonet.network.choosing import Choice
from evonet.network.looking import Looked, Picked, Question
from evonet.training.boxes import centred
from evonet.training.corruptions import mixed
from evonet.training.looking import (
    answer_consistency,
    bounds,
    class_probabilities,
    cost,
    entropy,
    location,
    map_consistency,
    phase,
)
from evonet.training.objective import Objective
from evonet.training.picks import SCORED_NOISE, Noisy, Sampled, Scored
from evonet.training.settings import SaccadeSettings

LAST = phase(1.0)  # bounds are the targets, nothing is drawn


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def objective(network: Network, steps: int = 10, **settings: object) -> Objective:
    return Objective(network, SaccadeSettings(**settings), steps=steps, seed=0)  # type: ignore[arg-type]


def changed(genome: Genome, **fields: object) -> Genome:
    return replace(genome, saccade=replace(genome.saccade, **fields))


def with_budgets(*budgets: int) -> Network:
    return make_network(changed(SET, budgets=budgets))


@pytest.mark.parametrize("budgets", [(2, 1, 0, 0), (2, 0, 0, 0), (0, 1, 0, 0)])
def test_what_meets_the_bounds_meets_the_cost(budgets):
    network, rho = with_budgets(*budgets), 0.3
    prices = [eye.costs.macs for eye in network.plan.saccade.eyes]
    known = [price for price, n in zip(prices, budgets, strict=False) if n]
    looks = torch.zeros(3, 2, 9)
    for k, n in enumerate(budgets[:2]):
        looks[:, k] = rho * max(known) / sum(known) if n else 0.0
    of = objective(network, cost=1.0, rho=rho)
    assert float(of._cost(looks, LAST)) == pytest.approx(0, abs=1e-12)
    assert len(set(prices)) == 2  # so that equal shares of cells are not equal shares of MACs
    for k in (k for k in range(2) if budgets[k]):
        assert float(of._cost(looks.index_fill(1, torch.tensor(k), 0.9), LAST)) > 0.01


def test_a_class_without_a_budget_costs_nothing():
    of, looks = objective(with_budgets(2, 0, 0, 0), cost=1.0), torch.full((2, 2, 9), 0.25)
    assert float(of._cost(looks, LAST)) == pytest.approx(0, abs=1e-12)
    assert torch.equal(of._cost(looks.index_fill(1, torch.tensor(1), 1.0), LAST), of._cost(looks, LAST))


def test_an_eye_without_weights_has_nothing_to_save():
    eye = SheetGene(channels=1, motifs=(MotifGene(mixing="identity"),))
    genome = replace(ONE, sheets=(eye, *ONE.sheets[1:]))
    assert float(objective(make_network(genome), cost=1.0)._cost(torch.ones(1, 1, 9), LAST)) == 0


WIDE = changed(PATH, budgets=(2, 0, 0, 0))  # two cells of one class at each of three fixations
APPLIES = [  # genome, estimator, what picks its cells in training, with noise
    (SET, "weighted", Noisy),
    (SET, "sampled", Sampled),
    (SET, "reinforce", Noisy),  # no path
    (SET, "straight_through", Noisy),
    (ONE, "weighted", Scored),  # one cell: its weight is 1
    (ONE, "sampled", Sampled),
    (ONE, "reinforce", Scored),
    (ONE, "straight_through", Scored),
    (PATH, "weighted", Scored),
    (PATH, "sampled", Scored),
    (changed(PATH, route="threshold"), "weighted", Scored),  # one cell all the same
    (WIDE, "weighted", Noisy),
    (WIDE, "reinforce", Scored),
    (changed(WIDE, route="threshold"), "reinforce", Noisy),  # of no known number
    (GENOMES["two a fixation"], "reinforce", Noisy),  # two classes
    (GRID, "sampled", Noisy),
    (GRID, "reinforce", Noisy),
    (changed(GRID, budgets=(1, 0, 0, 0)), "weighted", Noisy),  # a block of a grid has no weight
    (GENOMES["every"], "reinforce", type(None)),
]


@pytest.mark.parametrize("genome, estimator, wanted", APPLIES)
def test_estimators_apply_to_what_the_settings_say(genome, estimator, wanted):
    of = objective(make_network(genome), estimator=estimator, noise=0.5)
    assert type(of.pick(0, phase(0.0))) is wanted
    assert of.pick(9, phase(0.9)) is None  # as in evaluation


def test_a_score_function_without_noise_draws_from_the_softmax():
    for noise, scale in ((0.0, SCORED_NOISE), (0.5, 0.5)):
        pick = objective(make_network(ONE), noise=noise).pick(5, phase(0.5))
        assert isinstance(pick, Scored)
        assert pick.scale == pick.noisy.scale == scale  # and it does not fade
    assert objective(make_network(SET), noise=0.0).pick(0, phase(0.0)) is None
    assert objective(make_network(SET), noise=1.0).pick(5, phase(0.5)) is None  # this one has faded


def scene(network: Network, count: int = 6):
    """Images, labels and boxes; what the network makes of them and of the corrupted views of step 5."""
    x, labels, boxes = canvases(count, side=network.plan.input[1])
    views = mixed(x, seeds.key(0, "corrupted", 5))
    clean, corrupted = network.look(x, halt=False)[1], network.look(views, halt=False)[1]
    return x, labels, boxes, clean, corrupted


def maps(looked: Looked):
    return looked.scores.flatten(2)


def expected_cost(network: Network, looked: Looked):
    """Two classes, both with a budget."""
    looks, prices = class_probabilities(maps(looked))[:, 1:], [eye.costs.macs for eye in network.plan.saccade.eyes]
    targets = [0.25 * max(prices) / sum(prices)] * 2
    return cost(looks, prices, fixed=0, full=9 * max(prices), target=0.25) + bounds(looks, targets, 1.0)


TERMS = {  # what a weight of 1 adds at half of the training, of (network, boxes, labels, clean and corrupted looks)
    "corrupted": lambda n, boxes, y, clean, other: F.cross_entropy(other.answers[:, -1], y),
    "consistency": lambda n, boxes, y, clean, other: answer_consistency(clean.answers[:, -1], other.answers[:, -1]),
    "map": lambda n, boxes, y, clean, other: map_consistency(maps(clean), maps(other)),
    "cost": lambda n, boxes, y, clean, other: expected_cost(n, clean),
    "entropy": lambda n, boxes, y, clean, other: -entropy(maps(clean)),
    "location": lambda n, boxes, y, clean, other: (
        phase(0.5).location * location(maps(clean), centred(boxes, (3, 3), 8))
    ),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("genome", [SET, GRID], ids=["set", "grid"])
def test_a_weight_adds_that_much_of_its_term_and_of_no_other(name, genome):
    network = make_network(genome, blind=True)
    x, labels, boxes, clean, corrupted = scene(network)
    for weight in (0.0, 0.5, 1.0):
        task, total = objective(network, **{name: weight})(x, labels, network.weights, 5, boxes)
        assert float(task) == pytest.approx(float(F.cross_entropy(clean.answers[:, -1], labels)), rel=1e-6)
        wanted = weight * float(TERMS[name](network, boxes, labels, clean, corrupted))
        assert float(total - task) == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        assert (total is task or torch.equal(total, task)) == (weight == 0)


def test_after_every_fixation_there_is_an_answer_to_be_learnt():
    network = make_network(changed(PATH, budgets=(2, 0, 0, 0)))
    x, labels, *_ = scene(network)
    answers = network.look(x, halt=False)[1].answers
    each = [float(F.cross_entropy(answers[:, t], labels)) for t in range(3)]
    assert float(objective(network)(x, labels, network.weights, 9)[0]) == pytest.approx(sum(each) / 3)


def test_location_fades_and_needs_boxes_and_a_glance():
    network = make_network(SET)
    x, labels, boxes, *_ = scene(network)
    of = objective(network, location=1.0)
    assert of.wants_boxes
    assert not objective(network).wants_boxes
    assert not objective(make_network(GENOMES["every"]), location=1.0).wants_boxes
    added = [float(torch.sub(*reversed(of(x, labels, network.weights, step, boxes)))) for step in range(10)]
    assert added == sorted(added, reverse=True)
    assert added[0] > added[7] > 0
    assert added[8:] == [0, 0]
    task, total = of(x, labels, network.weights, 0, None)
    assert torch.equal(task, total)


def test_bounds_tighten_with_the_training():
    network = make_network(SET)
    x, labels, *_ = scene(network)
    of = objective(network, steps=30, cost=1.0, rho=1.0)
    added = [float(torch.sub(*reversed(of(x, labels, network.weights, step)))) for step in (0, 5, 10, 29)]
    assert added[0] < added[1] < added[2] == pytest.approx(added[3])


@pytest.mark.parametrize("budgets", [(2, 1, 0, 0), (0, 2, 0, 0)])
def test_straight_through_learns_kernels_first_then_their_choice_then_what_is_evaluated(budgets, monkeypatch):
    network = make_network(changed(GRID, budgets=budgets), blind=True)
    x, labels, *_ = scene(network)
    chosen = []
    whole = network.saccade.mixed

    def spied(x, w, one_hot):
        return whole(x, w, lambda scores: chosen.append(one_hot(scores)) or chosen[-1])

    monkeypatch.setattr(network.saccade, "mixed", spied)
    of = objective(network, steps=100, estimator="straight_through", noise=1.0)
    for step in (0, 50, 90):
        of(x, labels, network.weights, step)
    first, later = (one.detach().mean((0, 2)) for one in chosen)  # and the last fifth only looks
    known = [k for k, n in enumerate(budgets[:2], 1) if n]
    for share in (first, later):
        assert float(share.sum()) == pytest.approx(1)
        assert all(share[k] > 0 for k in known)
        assert all(share[k] == 0 for k in (1, 2) if k not in known)
    assert first[0] == 0 < later[0]


@pytest.mark.parametrize("genome", [GRID, CHEAP], ids=["grid", "cheap"])
def test_all_classes_in_all_cells_is_the_network_itself_for_its_own_choice(genome):
    network = make_network(changed(genome, route="threshold", budgets=(4, 3, 0, 0)), blind=True).double()
    x = canvases(4)[0].double()
    logits, looked = network.look(x)
    assert set(looked.kind.tolist()) == {1, 2}
    own = torch.zeros(4, 3, 9, dtype=torch.float64)
    own[:, 0] = 1
    cell = looked.cell[:, 0] * 3 + looked.cell[:, 1]
    own[looked.image, 0, cell], own[looked.image, looked.kind, cell] = 0, 1
    answers = network.saccade.mixed(x, network.weights, lambda _: own).answers
    torch.testing.assert_close(answers[:, 0], logits, rtol=0, atol=1e-12)
    other = network.saccade.mixed(x, network.weights, lambda _: own.roll(1, 2)).answers
    assert not torch.allclose(other, answers)


class Forced(Scored):
    """Looks along given cells, one row an image, and keeps what their probabilities were."""

    def __init__(self, paths: list[tuple[int, ...]], scale: float) -> None:
        super().__init__(0, scale)
        self.paths, self.noisy = paths, self  # type: ignore[assignment]

    def choice(self, question: Question) -> Choice:
        cells = torch.tensor([path[question.time] for path in self.paths])
        return Choice(torch.arange(len(cells)), cells, torch.ones_like(cells), torch.zeros(len(cells)).double())

    def __call__(self, question: Question) -> Picked:
        return super().__call__(question)


@torch.enable_grad()
def test_the_score_function_has_the_gradient_of_the_mean_over_all_scan_paths(monkeypatch):
    """All that two images could have looked at, each with its probability: no Monte Carlo."""
    small = changed(PATH, cell=4, downsampling=4, glance=2, fixations=2)
    network = make_network(replace(small, sheets=(SheetGene(channels=2), *small.sheets[1:])), side=8, blind=True)
    network = network.double()
    generator = torch.Generator().manual_seed(0)
    for weight in network.weights:
        weight.data = 0.6 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    x, labels = torch.rand(2, 1, 8, 8, generator=generator, dtype=torch.float64), torch.tensor([0, 2])
    of, picks = objective(network), []
    monkeypatch.setattr(of, "pick", lambda *_: picks[-1])
    worth, whole, estimate = torch.zeros(()), 0.0, [torch.zeros(()).double() for _ in network.weights]
    for paths in product(permutations(range(4), 2), repeat=2):
        picks.append(Forced(list(paths), SCORED_NOISE))
        task, total = of(x, labels, network.weights, 0)
        probability = torch.stack(picks[-1].kept).sum().exp()
        worth, p = worth + probability * task, float(probability.detach())
        whole += p
        found = torch.autograd.grad(total, network.weights, retain_graph=True, materialize_grads=True)
        estimate = [a + p * b for a, b in zip(estimate, found, strict=True)]
    assert whole == pytest.approx(1)
    exact = torch.autograd.grad(worth, network.weights, materialize_grads=True)
    for tensor, mine, theirs in zip(network.plan.tensors, estimate, exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
        if tensor.name in ("logits.motif0.taps", "query.motif0.taps"):
            assert float(theirs.abs().max()) > 1e-4


@torch.enable_grad()
@pytest.mark.parametrize("estimator", ["weighted", "sampled", "reinforce", "straight_through"])
@pytest.mark.parametrize("genome", [SET, ONE, PATH, CHEAP], ids=["set", "one", "path", "cheap"])
def test_labels_can_be_kept_from_the_glance(genome, estimator):
    network = make_network(genome, blind=True)
    x, labels, boxes, *_ = scene(network)
    choosing = [k for k, t in enumerate(network.plan.tensors) if t.name.split(".")[0] in (*GLANCE, "query")]
    assert len(choosing) >= 4 + (genome is PATH)

    def gradients(**settings: float) -> list[torch.Tensor]:
        of = objective(network, estimator=estimator, noise=1.0, **settings)
        total = of(x, labels, network.weights, 5, boxes)[1]
        return list(torch.autograd.grad(total, network.weights, allow_unused=True, materialize_grads=True))

    answers = {"corrupted": 1.0, "consistency": 1.0}
    with_labels, without = gradients(**answers), gradients(taught=False, **answers)
    assert any(with_labels[k].any() for k in choosing)
    assert not any(without[k].any() for k in choosing)
    assert without[network.plan.readout.weight].any()
    of_map = {"map": 1.0, "cost": 1.0, "entropy": 0.01, "location": 1.0}
    (bias,) = (k for k, t in enumerate(network.plan.tensors) if t.name == "logits.bias")
    for name, weight in of_map.items():
        assert gradients(taught=False, **{name: weight})[bias].any()


@torch.enable_grad()
@pytest.mark.parametrize("genome", [SET, GRID], ids=["set", "grid"])
def test_the_level_of_a_threshold_in_a_set_is_taught_by_cost_and_location_alone(genome):
    """One number added to all logits of an image changes no weight; in a grid it changes probabilities."""
    network = make_network(changed(genome, route="threshold", budgets=(4, 0, 0, 0)), blind=True)
    x, labels, boxes, *_ = scene(network)
    (bias,) = (k for k, t in enumerate(network.plan.tensors) if t.name == "logits.bias")

    def slope(**settings: float) -> float:
        total = objective(network, **settings)(x, labels, network.weights, 5, boxes)[1]
        return float(torch.autograd.grad(total, network.weights, materialize_grads=True)[bias][0, 0].abs())

    assert slope(cost=1.0) > 1e-4
    assert slope(location=1.0) > 1e-4
    assert (slope() > 1e-6) == (genome is GRID)


GLANCE = ("glance0", "logits")


def stripes(count: int):
    """Images (count, 1, 16, 16) of 4x4 striped cells; the label says whether the one bright cell's run up and down."""
    generator = torch.Generator().manual_seed(0)
    tiles = torch.zeros(2, 4, 4)
    tiles[0, ::2], tiles[1, :, ::2] = 1, 1
    kinds = torch.randint(0, 2, (count, 16), generator=generator)
    bright = torch.randint(0, 16, (count, 1), generator=generator)
    light = (0.4 * torch.rand(count, 16, generator=generator)).scatter(1, bright, 1.0)
    cells = (tiles[kinds] * light[:, :, None, None]).view(count, 4, 4, 4, 4)
    return cells.transpose(2, 3).reshape(count, 1, 16, 16), kinds.gather(1, bright)[:, 0]


def test_rewards_alone_make_the_map_of_a_network_the_same_for_all_images():
    """Collapse: zeros and consistency are satisfied by a constant map. With the labels it tells the images apart."""
    sheets = (SheetGene(channels=4, reduction="max"), SheetGene(channels=4, motifs=(MotifGene(radius=0, taps=1),)))
    saccade = replace(SET.saccade, cell=4, downsampling=4, glance=2, budgets=(2, 0, 0, 0))
    network, (x, labels) = make_network(Genome(sheets=sheets, saccade=saccade), side=16, blind=True), stripes(96)

    def trained(*, taught: bool, steps: int = 120) -> torch.Tensor:
        """P(looked at) (images, cells) after so many steps more."""
        of = objective(network, steps, taught=taught, cost=1.0, map=1.0, rho=0.125)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        for step in range(steps):
            optimizer.zero_grad()
            with torch.enable_grad():
                of(x, labels, network.weights, step)[1].backward()
            optimizer.step()
        return class_probabilities(maps(network.look(x)[1]))[:, 1]

    seeing = trained(taught=True)
    collapsed = trained(taught=False)
    assert float(seeing.std(0).max()) > 0.1
    assert float(collapsed.std(0).max()) < 0.05
    assert float(collapsed.mean()) == pytest.approx(0.125, abs=0.02)  # and yet the budget is kept
