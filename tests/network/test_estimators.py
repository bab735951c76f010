"""Estimators of the gradient, against exact enumeration of all that could have been drawn: no Monte Carlo."""

from collections.abc import Sequence
from itertools import permutations

import pytest
import torch
from torch import Tensor

from evonet.network.choosing import choose, gumbel, weights
from evonet.network.estimators import annealed_temperature, inverted, reinforce, straight_through

INF = float("inf")


def plackett_luce(p: Tensor, drawn: Sequence[int]) -> float:
    left, probability = 1.0, 1.0
    for index in drawn:
        probability *= float(p[index]) / left
        left -= float(p[index])
    return probability


def test_what_has_no_probability_is_not_drawn():
    """Neither at the lower end of the uniforms nor where one has been rounded up to 1."""
    log_a = torch.tensor([[-INF, -INF, 0.5, 0.5, -INF]]).log_softmax(1)
    uniforms = torch.tensor([[0.0, 0.49, 0.5, 1.0]], dtype=torch.float64)
    assert inverted(log_a, uniforms).tolist() == [[2, 2, 3, 3]]


@pytest.mark.parametrize("extreme", [INF, -INF, 3e38, 200.0])
def test_extreme_logits_give_finite_values_and_gradients(extreme):
    logits = torch.tensor([[[extreme, 0.0, extreme, 1.0]]], requires_grad=True)
    result = straight_through(logits, gumbel((1, 1, 4), key=0), 0.1)
    assert result.isfinite().all()
    assert torch.autograd.grad(result.sum(), logits)[0].isfinite().all()


def weighted_top_two(logits: Tensor, features: Tensor, noise: Tensor | None = None) -> Tensor:
    choice = choose(logits, (2,), threshold=False, noise=noise)
    return (weights(choice, logits) * features[choice.cell]).sum()


def test_weighted_top_k_is_biased():
    """What is worth looking at is never chosen: no gradient says so. With noise it is chosen, but weighs too little."""
    logits = torch.tensor([[[1.0, 0.5, 0.0, -0.5]]], dtype=torch.float64, requires_grad=True)
    features = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    p = logits.flatten().softmax(0)
    exact = torch.autograd.grad(p @ features, logits)[0].flatten()
    assert exact[3] > 0.08
    hard = weighted_top_two(logits, features)
    assert hard == 0
    assert not torch.autograd.grad(hard, logits)[0].any()

    value, gradient = 0.0, torch.zeros(4, dtype=torch.float64)
    for pair in permutations(range(4), 2):
        noise = -logits.detach()
        noise[0, 0, list(pair)] += torch.tensor([2, 1])
        probability, drawn = plackett_luce(p.detach(), pair), weighted_top_two(logits, features, noise)
        value += probability * float(drawn.detach())
        gradient += probability * torch.autograd.grad(drawn, logits)[0].flatten()
    assert value < 0.6 * float(p[3].detach())
    assert (gradient - exact)[3] < -0.02  # it does not see that larger logits are chosen more often


def test_straight_through_is_one_hot_with_the_gradient_of_the_softmax():
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    noise, direction = gumbel((2, 3, 4), key=1).double(), gumbel((2, 3, 4), key=2).double()
    hard = straight_through(logits, noise, 0.66)
    assert set(hard.unique().tolist()) == {0, 1}
    assert torch.equal(hard.argmax(1), (logits + noise).argmax(1))
    assert torch.equal(hard.sum(1), torch.ones(2, 4, dtype=torch.float64))
    soft = ((logits + noise) / 0.66).softmax(1)
    mine, theirs = (torch.autograd.grad((x * direction).sum(), logits)[0] for x in (hard, soft))
    torch.testing.assert_close(mine, theirs)
    assert torch.equal(straight_through(torch.zeros(1, 3, 2), None, 1.0)[0, 0], torch.ones(2))  # equals: the lower


def test_the_temperature_falls_from_five_to_a_tenth():
    shares = [annealed_temperature(n / 4) for n in range(5)]
    assert shares[0] == 5
    assert shares[-1] == pytest.approx(0.1)
    assert shares[2] ** 2 == pytest.approx(shares[0] * shares[4])
    assert annealed_temperature(2.0) == shares[-1]


class Walk:
    """Two fixations over a few cells without coming back; the second one's logits depend on where the first was."""

    def __init__(self, cells: int) -> None:
        generator = torch.Generator().manual_seed(cells)
        draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
        self.glance, self.memory = draw(1, cells).requires_grad_(), draw(cells, cells).requires_grad_()
        self.rewards, self.baselines = draw(cells, cells), draw(1 + cells)
        self.early = torch.zeros(cells, dtype=torch.float64)  # what the first fixation brings at once

    def losses(self, first: int, second: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(policy loss, baseline loss, probability, baseline), of one sequence."""
        here = self.glance.log_softmax(1)[:, first]
        visited = torch.zeros_like(self.glance, dtype=torch.bool).index_fill(1, torch.tensor(first), True)
        there = (self.glance + self.memory[[first]]).masked_fill(visited, -INF).log_softmax(1)[:, second]
        log_probability = torch.stack((here, there), dim=1)
        baseline = self.baselines[[0, 1 + first]][None].requires_grad_()
        reward = self.rewards[first, [second]]
        if self.early.any():
            reward = torch.stack((self.early[[first]] + reward, reward), dim=1)
        policy, fit = reinforce(log_probability, reward, baseline)
        return policy, fit, log_probability.sum().exp(), baseline


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("cells", [2, 3])
def test_reinforce_is_unbiased_over_all_sequences(cells, early):
    """Of the reward at the end, and of what comes after each fixation."""
    walk = Walk(cells)
    if early:
        walk.early = torch.linspace(-1, 2, cells, dtype=torch.float64)
    parameters = (walk.glance, walk.memory)
    worth, estimate, whole = torch.zeros(()), [torch.zeros(()), torch.zeros(())], 0.0
    for first, second in permutations(range(cells), 2):
        policy, _, probability, _ = walk.losses(first, second)
        found = torch.autograd.grad(policy, parameters, retain_graph=True)
        estimate = [a + float(probability.detach()) * b for a, b in zip(estimate, found, strict=True)]
        worth, whole = (
            worth + probability * (walk.early[first] + walk.rewards[first, second]),
            whole + float(probability.detach()),
        )
    assert whole == pytest.approx(1)
    exact = torch.autograd.grad(-worth, parameters)
    for mine, theirs in zip(estimate, exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


def test_policy_and_baseline_are_trained_apart():
    walk = Walk(3)
    walk.rewards.requires_grad_()
    policy, fit, _, baseline = walk.losses(0, 2)
    apart = (baseline, walk.rewards)
    assert torch.autograd.grad(policy, apart, allow_unused=True, retain_graph=True) == (None, None)
    assert torch.autograd.grad(policy, walk.glance, retain_graph=True)[0].any()
    others = (walk.glance, walk.memory, walk.rewards)
    assert torch.autograd.grad(fit, others, allow_unused=True, retain_graph=True) == (None, None, None)
    wanted = baseline.detach() - walk.rewards[0, 2].detach()
    torch.testing.assert_close(torch.autograd.grad(fit, baseline)[0], wanted)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda z: straight_through(z, None, 0.0), "temperature = 0.0, expected a number above 0"),
        (lambda z: straight_through(z, z[0], 1.0), "noise of shape"),
        (lambda z: reinforce(z[0], torch.zeros(2), z[0]), r"of shapes \(1, 4\), \(2,\) and \(1, 4\)"),
    ],
)
def test_what_cannot_be_estimated_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(1, 1, 4))
