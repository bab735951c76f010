"""What a glance is rewarded for: ranges, gradients, extremes, and the collapse that rewards without a task lead to."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

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

INF = float("inf")
ANY = st.sampled_from([-INF, -3e38, -100.0, 0.0, 100.0, 3e38, INF]) | st.floats(-5, 5)
COVERED = torch.tensor([[0.0, 0.25, 1.0, 0.5]]).expand(2, 4)


def spent(logits: Tensor) -> Tensor:
    return cost(class_probabilities(logits)[:, 1:], (2.0, 5.0), fixed=1.0, full=21.0, target=0.3)


def outside(logits: Tensor, tightness: float = 0.9) -> Tensor:
    return bounds(class_probabilities(logits)[:, 1:], (0.2, 0.1), tightness)


def pair(term):
    """A term of two views as one of stacked logits (4, 2, 4)."""
    return lambda z: term(z[:2], z[2:])


# each: the term of logits (4, 2, 4) or (2, 2, 4), and its range
TERMS = {
    "cost": (spent, 0, 0.7**2 + 1e-6),
    "bounds": (outside, 0, 1),
    "answers": (pair(lambda p, q: answer_consistency(p.flatten(1), q.flatten(1))), 0, INF),
    "maps": (pair(map_consistency), 0, log(2) + 1e-6),
    "entropy": (entropy, 0, log(8) + 1e-6),
    "location": (lambda z: location(z[:2], COVERED.to(z)), 0, INF),
}


@pytest.mark.parametrize("name", TERMS)
@settings(max_examples=40)
@given(st.lists(ANY, min_size=32, max_size=32))
def test_terms_are_finite_and_within_their_range(name, numbers):
    term, low, high = TERMS[name]
    logits = torch.tensor(numbers).view(4, 2, 4).requires_grad_()
    value = term(logits)
    assert value.shape == ()
    assert value.isfinite()
    assert low - 1e-6 <= float(value.detach()) <= high
    assert torch.autograd.grad(value, logits)[0].isfinite().all()


@pytest.mark.parametrize("name", TERMS)
def test_terms_have_the_gradient_of_their_value(name):
    logits = torch.randn(4, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(TERMS[name][0], logits)
    assert torch.autograd.grad(TERMS[name][0](logits), logits)[0].any()


def test_cost_counts_multiply_adds():
    looks = torch.zeros(2, 2, 4)
    looks[0, 0, :3], looks[1, 1, 0] = 1, 1  # 3 looks of 2, and 1 look of 5, over two images
    assert cost(looks, (2, 5), fixed=1, full=10, target=0).sqrt() == pytest.approx((1 + (6 + 5) / 2) / 10)
    assert cost(looks, (2, 5), fixed=1, full=10, target=0.65) == pytest.approx(0, abs=1e-12)


def test_bounds_let_anything_pass_at_first_and_the_target_alone_at_last():
    for share in (0.0, 0.2, 1.0):
        looks = torch.full((3, 2, 5), share)
        assert bounds(looks, (0.2, 0.2), 0.0) == 0
        assert bounds(looks, (0.2, 0.2), 1.0) == pytest.approx((share - 0.2) ** 2)
    assert bounds(torch.full((1, 1, 4), 0.9), (0.2,), 0.5) == pytest.approx(0.3**2)  # above 0.6
    assert bounds(torch.full((1, 1, 4), 0.0), (0.2,), 0.5) == pytest.approx(0.1**2)  # below 0.1


def test_consistency_is_zero_for_equal_views_and_largest_for_opposite_ones():
    logits = torch.tensor([[[3.0, -1.0], [0.0, 2.0]]])
    assert answer_consistency(logits[0], logits[0]) == 0
    assert map_consistency(logits, logits) == pytest.approx(0, abs=1e-7)
    on, off = torch.full((1, 1, 2), 60.0), torch.full((1, 1, 2), -60.0)
    assert map_consistency(on, off) == pytest.approx(log(2))
    assert map_consistency(on, off) == map_consistency(off, on)
    p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    by_hand = 0.75 * log(1.5) + 0.25 * log(0.5)
    assert answer_consistency(p.log()[None], q.log()[None]) == pytest.approx(by_hand)


def test_entropy_is_that_of_what_is_drawn_from():
    assert entropy(torch.zeros(2, 2, 4)) == pytest.approx(log(8))
    assert entropy(torch.tensor([[[50.0, 0.0, 0.0]]])) == pytest.approx(0, abs=1e-6)


def test_location_is_least_where_the_map_is_the_box():
    covered = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    right, wrong = 20 * (2 * covered - 1)[:, None], torch.full((1, 1, 4), -20.0)
    assert location(right, covered) == pytest.approx(0, abs=1e-6)
    assert location(wrong, covered) == pytest.approx(10)
    two = torch.full((1, 2, 4), -INF)
    two[0, 1] = right[0, 0]
    assert location(two, covered) == pytest.approx(0, abs=1e-6)  # in any class
    assert location(torch.zeros(1, 2, 1), torch.ones(1, 1)) == pytest.approx(-log(2 / 3))


def test_phases_in_order():
    every, drawn, noise = ([getattr(phase(n / 100), name) for n in range(101)] for name in ("every", "drawn", "noise"))
    assert drawn == [n < 80 for n in range(101)]
    assert every == [n < 10 for n in range(101)]
    assert noise[0] == 1
    assert noise == sorted(noise, reverse=True)
    assert [n for n in range(101) if not noise[n]] == list(range(34, 101))
    assert (phase(0.0).tightness, phase(0.0).location, phase(0.0).temperature) == (0, 1, 5)
    assert phase(1 / 6).tightness == pytest.approx(0.5)
    for n in range(80, 101):
        last = phase(n / 100)
        assert (last.tightness, last.location, last.temperature) == pytest.approx((1, 0, 0.1))
    tight = [phase(n / 100).tightness for n in range(101)]
    assert tight == sorted(tight)
    assert phase(0.34).tightness == 1


def test_what_does_not_fit_is_refused():
    looks = torch.zeros(1, 2, 4)
    with pytest.raises(ValueError, match="1 prices and full = 10, expected 2 and a number above 0"):
        cost(looks, (1,), fixed=0, full=10, target=0)
    with pytest.raises(ValueError, match="2 prices and full = 0, expected 2 and a number above 0"):
        cost(looks, (1, 1), fixed=0, full=0, target=0)
    with pytest.raises(ValueError, match="3 targets, expected one for each of 2 classes"):
        bounds(looks, (0.1, 0.1, 0.1), 0)


def scenes(n: int = 128, cells: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    """(brightness, sign, label): one bright cell among dim ones; its sign is the label, all others' are chance."""
    generator = torch.Generator().manual_seed(0)
    sign = torch.randint(0, 2, (n, cells), generator=generator)
    place = torch.randint(0, cells, (n, 1), generator=generator)
    bright = torch.rand(n, cells, generator=generator).scatter(1, place, 1.5)
    return bright, 2.0 * sign - 1, sign.gather(1, place)[:, 0]


def trained(task: float, steps: int = 300) -> Tensor:
    """P(looked at) (images, cells) after training a glance of two weights on zeros, consistency and `task` x labels."""
    bright, sign, label = scenes()
    weight = torch.tensor([1.0, 0.0], requires_grad=True)  # of brightness, and a bias: at first it does see objects
    optimizer = torch.optim.Adam([weight], lr=0.1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        noisy = bright + 0.3 * torch.randn(bright.shape, generator=generator)
        logits, corrupted = ((x * weight[0] + weight[1])[:, None] for x in (bright, noisy))
        zeros = cost(class_probabilities(logits)[:, 1:], (1,), fixed=0, full=9, target=1 / 9)
        answer = 4 * (logits[:, 0].softmax(1) * sign).sum(1)
        labels = F.binary_cross_entropy_with_logits(answer, label.float())
        loss = 10 * zeros + 20 * map_consistency(logits, corrupted) + task * labels
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return class_probabilities((bright * weight[0] + weight[1])[:, None])[:, 1].detach()


def information(looked: Tensor) -> float:
    """Mutual information of the image and the class of a cell, nats, mean over cells: 0 for a map that is constant."""

    def uncertain(p: Tensor) -> Tensor:
        return -(torch.special.xlogy(p, p) + torch.special.xlogy(1 - p, 1 - p))

    return float((uncertain(looked.mean(0)) - uncertain(looked).mean(0)).mean())


def test_rewards_without_a_task_collapse_to_a_constant_map_and_the_task_prevents_it():
    before, collapsed, seeing = trained(task=0.0, steps=0), trained(task=0.0), trained(task=10.0)
    assert information(before) > 0.01
    assert information(collapsed) < 1e-4
    assert float(collapsed.std(0).max()) < 0.01
    assert float(collapsed.mean()) == pytest.approx(1 / 9, abs=0.02)  # and yet the budget is kept
    assert information(seeing) > 0.07
    assert float(seeing.mean()) < 1 / 9
