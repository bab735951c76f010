"""Picks for training: what they choose, and that their gradients are those of the expectation, by enumeration."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor

from evonet.network.looking import Question, greedy
from evonet.training import picks
from evonet.training.picks import Noisy, Sampled, Scored


def question(logits: Tensor, *budgets: int, taken: Tensor | None = None, threshold: bool = False) -> Question:
    images = torch.arange(len(logits))
    return Question(logits, taken, 0, images, budgets, threshold, (1, logits.shape[2]))


def random_logits(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_without_noise_the_pick_is_that_of_evaluation():
    asked = question(random_logits(4, 2, 9), 2, 1)
    ours, theirs = Noisy(1, 0.0)(asked), greedy(asked)
    assert torch.equal(ours.choice.cell, theirs.choice.cell)
    assert torch.equal(ours.weight, theirs.weight)


def test_noise_changes_the_choice_and_not_what_a_choice_weighs():
    logits = random_logits(16, 1, 25)
    noisy = Noisy(1, 1.0)(question(logits, 3))
    assert not torch.equal(noisy.choice.cell, greedy(question(logits, 3)).choice.cell)
    assert torch.equal(Noisy(1, 1.0)(question(logits, 3)).choice.cell, noisy.choice.cell)  # a function of its key
    picked = logits[noisy.choice.image, 0, noisy.choice.cell].view(16, 3).softmax(1)
    torch.testing.assert_close(noisy.weight.view(16, 3), picked)


class Tiny:
    """One image, float64: four pairs of class and cell, each with three features."""

    def __init__(self, *budgets: int, common: float = 0.0) -> None:
        self.budgets, self.cells = budgets, 4 // len(budgets)
        self.logits = random_logits(1, len(budgets), self.cells).requires_grad_()
        self.features = random_logits(4, 3) + common
        self.a = self.logits.flatten().softmax(0)
        self.mean = self.a @ self.features

    def outcomes(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[float, Tensor]]:
        """Every sequence of draws: its probability, and the pooled features. Uniforms are the middles of parts."""
        a = self.a.detach()
        middles = a.cumsum(0) - a / 2
        for outcome in product(range(4), repeat=sum(self.budgets)):
            monkeypatch.setattr(picks, "uniform", lambda *_, marks=middles[list(outcome)][None]: marks)
            picked = Sampled(0)(question(self.logits, *self.budgets))
            at = (picked.choice.kind - 1) * self.cells + picked.choice.cell
            assert at.tolist() == list(outcome)
            yield float(a[list(outcome)].prod()), picked.weight @ self.features[at]

    def slope(self, loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, self.logits, retain_graph=True)[0]


DIRECTION = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


@pytest.mark.parametrize("budgets", [(1,), (2,), (1, 1), (2, 1)])
def test_sampled_weights_estimate_the_softmax_mean_without_bias(budgets, monkeypatch):
    """All outcomes, each with its probability: value and gradient are exactly those of the mean."""
    tiny = Tiny(*budgets)
    value, gradient = torch.zeros(3).double(), torch.zeros_like(tiny.logits)
    for chance, phi in tiny.outcomes(monkeypatch):
        value += chance * phi.detach()
        gradient += chance * tiny.slope(phi @ DIRECTION)
    torch.testing.assert_close(value, tiny.mean.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, tiny.slope(tiny.mean @ DIRECTION), rtol=0, atol=1e-12)


def test_one_draw_has_the_gradient_of_the_paper(monkeypatch):
    """dL/da_q = <dL/dPhi, f_q> / (N a_q) for what was drawn, 0 for the rest, carried back through the softmax."""
    tiny = Tiny(1)
    (_, phi), *_ = tiny.outcomes(monkeypatch)
    a, wanted = tiny.a.detach(), torch.zeros(4, dtype=torch.float64)
    wanted[0] = (tiny.features[0] @ DIRECTION) / a[0]
    torch.testing.assert_close(tiny.slope(phi @ DIRECTION).flatten(), a * (wanted - a @ wanted))


def test_what_all_features_have_in_common_adds_no_variance(monkeypatch):
    def variance(*budgets: int) -> float:
        tiny = Tiny(*budgets, common=20.0)  # as after a ReLU
        found = [(p, tiny.slope(phi @ DIRECTION)) for p, phi in tiny.outcomes(monkeypatch)]
        mean = sum(p * g for p, g in found)
        return float(sum(p * (g - mean).square().sum() for p, g in found))

    assert variance(2) < 0.05 * variance(1)


def test_a_loss_that_is_not_linear_is_biased_by_one_over_the_draws(monkeypatch):
    biases = []
    for draws in (1, 2, 3):
        tiny = Tiny(draws)
        worth = sum(p * float(phi.detach().square().sum()) for p, phi in tiny.outcomes(monkeypatch))
        biases.append(worth - float(tiny.mean.detach().square().sum()))
    assert biases[0] > 0.1
    assert biases[1:] == pytest.approx([biases[0] / 2, biases[0] / 3])


@pytest.mark.parametrize("extreme", [float("inf"), -float("inf"), 3e38, 200.0])
def test_extreme_logits_give_finite_weights_and_gradients(extreme):
    logits = torch.tensor([[[extreme, 0.0, extreme, 1.0]]], requires_grad=True)
    asked = question(logits, 2)
    scored = Scored(0, 1.0)
    scored(asked)
    for result in (Noisy(0, 1.0)(asked).weight[:1], Sampled(0)(asked).weight[:1], scored.kept[0]):
        assert result.isfinite().all()
        assert torch.autograd.grad(result.sum(), logits)[0].isfinite().all()


def test_a_class_without_a_budget_is_never_drawn():
    logits = random_logits(64, 2, 4)
    logits[:, 1] += 50
    assert set(Sampled(5)(question(logits, 2, 0)).choice.kind.tolist()) == {1}


def test_scored_keeps_the_log_probability_of_its_draw_in_order():
    logits = random_logits(2, 1, 4).requires_grad_()
    taken = torch.tensor([[True, False, False, False]] * 2)
    scored = Scored(7, 1.0)
    picked = scored(question(logits, 2, taken=taken))
    (log_p,) = scored.kept
    for image in (0, 1):
        cells = picked.choice.cell[picked.choice.image == image].tolist()
        left = [c for c in range(4) if c != 0]
        p = 1.0
        for cell in cells:
            p *= float((logits[image, 0, cell].exp() / logits[image, 0, left].exp().sum()).detach())
            left.remove(cell)
        assert float(log_p[image].detach().exp()) == pytest.approx(p)
    assert picked.weight.tolist() == [0.5] * 4
    assert log_p.requires_grad
    assert not picked.weight.requires_grad
