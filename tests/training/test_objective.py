"""What a network that looks minimises, term by term, and the phases of it."""

import pytest
import torch
from looking_networks import GENOMES, GRID, ONE, PATH, SET, make_network
from msgspec.structs import replace

from evonet.genome import Genome, MotifGene, SheetGene
from evonet.network import Network
from evonet.training.looking import phase
from evonet.training.objective import Objective
from evonet.training.picks import SCORED_NOISE, Noisy, Sampled, Scored
from evonet.training.settings import SaccadeSettings

LAST = phase(1.0)  # bounds are the targets, nothing is drawn


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
