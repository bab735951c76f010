"""What a network that looks minimises, term by term, and the phases of it."""

import pytest
import torch
from looking_networks import SET, make_network
from msgspec.structs import replace

from evonet.network import Network
from evonet.training.looking import phase
from evonet.training.objective import Objective
from evonet.training.settings import SaccadeSettings

LAST = phase(1.0)  # bounds are the targets, nothing is drawn


def objective(network: Network, steps: int = 10, **settings: object) -> Objective:
    return Objective(network, SaccadeSettings(**settings), steps=steps, seed=0)  # type: ignore[arg-type]


def with_budgets(*budgets: int) -> Network:
    return make_network(replace(SET, saccade=replace(SET.saccade, budgets=budgets)))


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
