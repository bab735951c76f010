"""Picks for training: what they choose, and that their gradients are those of the expectation, by enumeration."""

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


def test_sampled_weights_estimate_the_softmax_mean_without_bias(monkeypatch):
    """All outcomes of two draws, each with its probability: value and gradient are exactly those of the mean."""
    logits, features = random_logits(1, 2, 3).requires_grad_(), random_logits(6, 1, 1).flatten()
    a = logits.flatten().softmax(0)
    exact = (a * features).sum()
    (slope,) = torch.autograd.grad(exact, logits)
    edges = torch.cat((torch.zeros(1, dtype=torch.float64), a.detach().cumsum(0)))
    middles = (edges[1:] + edges[:-1]) / 2
    value, gradient = 0.0, torch.zeros_like(logits)
    for outcome in product(range(6), repeat=2):
        monkeypatch.setattr(picks, "uniform", lambda *_, marks=middles[list(outcome)][None]: marks)
        picked = Sampled(0)(question(logits, 1, 1))
        at = (picked.choice.kind - 1) * 3 + picked.choice.cell
        assert at.tolist() == list(outcome)
        estimate = (picked.weight * features[at]).sum()
        chance = float(a.detach()[list(outcome)].prod())
        value += chance * float(estimate.detach())
        gradient += chance * torch.autograd.grad(estimate, logits)[0]
    assert value == pytest.approx(float(exact.detach()), abs=1e-12)
    torch.testing.assert_close(gradient, slope, rtol=0, atol=1e-12)


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
