"""Estimators of the gradient, against exact enumeration of all that could have been drawn: no Monte Carlo."""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product

import pytest
import torch
from torch import Tensor

from evonet.network.choosing import choose, gumbel, weights
from evonet.network.estimators import (
    annealed_temperature,
    fixate,
    reinforce,
    sampled,
    sampled_without_replacement,
    straight_through,
)

INF = float("inf")
Weighted = tuple[float, Tensor]  # the probability of a draw, and what is computed from it


class Tiny:
    """Logits and features of one image of 2x2 cells, float64, with a linear loss <direction, Phi>."""

    def __init__(self, classes: int) -> None:
        generator = torch.Generator().manual_seed(classes)
        self.logits = torch.randn(1, classes, 4, generator=generator, dtype=torch.float64).requires_grad_()
        self.features = torch.randn(classes, 4, 3, generator=generator, dtype=torch.float64).requires_grad_()
        self.direction = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
        self.pairs = range(4 * classes)

    @property
    def probability(self) -> Tensor:
        return self.logits.flatten().softmax(0)

    @property
    def mean(self) -> Tensor:
        """(F,), exact."""
        return (self.probability[:, None] * self.features.flatten(0, 1)).sum(0)

    def at(self, image: Tensor, cell: Tensor, kind: Tensor) -> Tensor:
        assert not image.any()
        return self.features[kind - 1, cell]

    def independent(self, draws: int, **options: bool) -> Iterator[Weighted]:
        """Every sequence of draws: uniforms in the middle of each one's part of the cumulative probability."""
        p = self.probability.detach()
        middle = p.cumsum(0) - p / 2
        for drawn in product(self.pairs, repeat=draws):
            index = torch.tensor(drawn)
            yield float(p[index].prod()), sampled(self.logits, self.at, draws, middle[index][None], **options)[0]

    def without_replacement(self, draws: int) -> Iterator[Weighted]:
        for drawn in permutations(self.pairs, draws):
            phi = sampled_without_replacement(self.logits, self.at, draws, self.noise(drawn))[0]
            yield plackett_luce(self.probability.detach(), drawn), phi

    def noise(self, drawn: Sequence[int]) -> Tensor:
        """Such that the largest of logits + noise are `drawn`, in order."""
        noise = -self.logits.detach().flatten()
        noise[list(drawn)] += torch.arange(len(drawn), 0, -1)
        return noise.view_as(self.logits)

    def gradients(self, loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, (self.logits, self.features)))


def plackett_luce(p: Tensor, drawn: Sequence[int]) -> float:
    left, probability = 1.0, 1.0
    for index in drawn:
        probability *= float(p[index]) / left
        left -= float(p[index])
    return probability


def expected(tiny: Tiny, draws: Iterator[Weighted], loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
    """(mean of Phi, means of the gradients of `loss`), over all draws."""
    phi, gradients, whole = torch.zeros(3, dtype=torch.float64), [torch.zeros(()), torch.zeros(())], 0.0
    for p, drawn in draws:
        found = tiny.gradients(loss(drawn))
        phi, gradients, whole = (
            phi + p * drawn.detach(),
            [a + p * b for a, b in zip(gradients, found, strict=True)],
            whole + p,
        )
    assert whole == pytest.approx(1, abs=1e-12)
    return phi, gradients


KINDS: dict[str, Callable[[Tiny], Iterator[Weighted]]] = {
    "1 draw": lambda tiny: tiny.independent(1),
    "2 draws": lambda tiny: tiny.independent(2),
    "2 draws, leave one out": lambda tiny: tiny.independent(2, leave_one_out=True),
    "1 without replacement": lambda tiny: tiny.without_replacement(1),
    "2 without replacement": lambda tiny: tiny.without_replacement(2),
    "3 without replacement": lambda tiny: tiny.without_replacement(3),
}


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_sampling_is_unbiased_in_value_and_gradient(kind, classes):
    tiny = Tiny(classes)
    phi, gradients = expected(tiny, KINDS[kind](tiny), lambda phi: phi @ tiny.direction)
    torch.testing.assert_close(phi, tiny.mean.detach(), rtol=0, atol=1e-10)
    exact = tiny.gradients(tiny.mean @ tiny.direction)
    for mine, theirs in zip(gradients, exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


def test_one_draw_has_the_gradient_of_the_paper():
    """dL/da_q = <dL/dPhi, f_q> / (N a_q) for what was drawn, 0 for the rest, carried back through the softmax."""
    tiny = Tiny(1)
    (_, phi), *_ = tiny.independent(1)
    found = tiny.gradients(phi @ tiny.direction)[0].flatten()
    a = tiny.probability.detach()
    wanted = torch.zeros(4, dtype=torch.float64)
    wanted[0] = (tiny.features[0, 0].detach() @ tiny.direction) / a[0]
    torch.testing.assert_close(found, a * (wanted - a @ wanted))


def variance(tiny: Tiny, draws: Iterator[Weighted]) -> float:
    """Of the gradient of the logits, summed over them."""
    found = [(p, tiny.gradients(phi @ tiny.direction)[0]) for p, phi in draws]
    mean = sum(p * g for p, g in found)
    return float(sum(p * (g - mean).square().sum() for p, g in found))


def test_more_draws_and_a_baseline_save_variance():
    tiny = Tiny(2)
    with torch.no_grad():
        tiny.features += 20  # what they have in common, as all features after a ReLU do
    plain, two = variance(tiny, tiny.independent(1)), variance(tiny, tiny.independent(2))
    assert two == pytest.approx(plain / 2)
    assert variance(tiny, tiny.independent(2, leave_one_out=True)) < 0.1 * two
    assert variance(tiny, tiny.without_replacement(2)) < 0.1 * two


def test_without_replacement_saves_variance_where_few_hold_the_mass():
    tiny = Tiny(2)
    with torch.no_grad():
        tiny.logits *= 4
    assert variance(tiny, tiny.without_replacement(3)) < 0.8 * variance(tiny, tiny.independent(3))


def test_drawing_everything_is_exact():
    tiny = Tiny(2)
    phi = sampled_without_replacement(tiny.logits, tiny.at, 8, tiny.noise(range(8)))[0]
    torch.testing.assert_close(phi, tiny.mean)
    for mine, exact in zip(tiny.gradients(phi.sum()), tiny.gradients(tiny.mean.sum()), strict=True):
        torch.testing.assert_close(mine, exact)


def test_a_loss_that_is_not_linear_is_biased_by_one_over_the_draws():
    tiny, loss = Tiny(1), lambda phi: phi.square().sum()
    exact = tiny.gradients(loss(tiny.mean))[0]
    biases = [expected(tiny, tiny.independent(n), loss)[1][0] - exact for n in (1, 2, 3)]
    assert biases[0].abs().max() > 0.05
    torch.testing.assert_close(biases[1], biases[0] / 2)
    torch.testing.assert_close(biases[2], biases[0] / 3)


def test_only_what_is_drawn_is_computed_and_each_image_has_its_own():
    asked = []

    def features(image: Tensor, cell: Tensor, kind: Tensor) -> Tensor:
        asked.extend(zip(image.tolist(), cell.tolist(), kind.tolist(), strict=True))
        return torch.stack((image, cell, kind), dim=1).float()

    logits = torch.full((2, 2, 3), -50.0)
    logits[0, 0, 2] = logits[1, 1, 0] = 50.0
    phi = sampled(logits, features, 2, torch.tensor([[0.1, 0.9], [0.4, 0.5]], dtype=torch.float64))
    assert asked == [(0, 2, 1)] * 2 + [(1, 0, 2)] * 2
    assert phi.tolist() == [[0, 2, 1], [1, 0, 2]]


def test_what_has_no_probability_is_not_drawn():
    """Neither at the lower end of the uniforms nor where one has been rounded up to 1."""
    logits, drawn = torch.tensor([[[-INF, -INF, 0.0, 0.0, -INF]]]), []
    uniforms = torch.tensor([[0.0, 0.49, 0.5, 1.0]], dtype=torch.float64)
    sampled(logits, lambda i, c, k: drawn.append(c) or torch.zeros(len(c), 1), 4, uniforms)
    assert drawn[0].tolist() == [2, 2, 3, 3]


@pytest.mark.parametrize("extreme", [INF, -INF, 3e38, 200.0])
def test_extreme_logits_give_finite_values_and_gradients(extreme):
    logits = torch.tensor([[[extreme, 0.0, extreme, 1.0]]], requires_grad=True)
    features = torch.arange(8.0).view(4, 2)
    last = torch.nextafter(torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    uniforms = torch.stack((torch.zeros(1, dtype=torch.float64), last), dim=1)
    results = [
        sampled(logits, lambda i, c, k: features[c], 2, uniforms),
        sampled_without_replacement(logits, lambda i, c, k: features[c], 3, gumbel((1, 1, 4), key=0)),
        straight_through(logits, gumbel((1, 1, 4), key=0), 0.1),
        fixate(logits[:, 0])[1],
    ]
    for result in results:
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
        """(policy loss, baseline loss, probability, baseline), of the sequence that noise forces."""
        cells = self.glance.shape[1]
        none = torch.zeros(1, cells, dtype=torch.bool)
        wish = 100 * torch.eye(cells, dtype=torch.float64)
        cell, here = fixate(self.glance, wish[[first]], none)
        visited = none.index_fill(1, cell, True)
        then, there = fixate(self.glance + self.memory[cell], wish[[second]], visited)
        assert (int(cell), int(then)) == (first, second)
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


def test_a_visited_cell_is_not_fixated_again():
    logits, visited = torch.tensor([[9.0, 1.0, 0.0]]), torch.tensor([[True, False, False]])
    cell, log_p = fixate(logits, None, visited)
    assert int(cell) == 1
    torch.testing.assert_close(log_p, torch.tensor([1.0, 0.0]).log_softmax(0)[:1])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda z: sampled(z, Tiny(1).at, 0, torch.zeros(1, 0)), "draws = 0, expected at least 1"),
        (lambda z: sampled(z, Tiny(1).at, 1, torch.zeros(1, 1), leave_one_out=True), "draws = 1, expected at least 2"),
        (lambda z: sampled(z, Tiny(1).at, 2, torch.zeros(1, 3)), "uniforms of shape"),
        (lambda z: sampled_without_replacement(z, Tiny(1).at, 5, z), r"draws = 5, expected 1\.\.4"),
        (lambda z: sampled_without_replacement(z, Tiny(1).at, 1, z[0]), "noise of shape"),
        (lambda z: straight_through(z, None, 0.0), "temperature = 0.0, expected a number above 0"),
        (lambda z: straight_through(z, z[0], 1.0), "noise of shape"),
        (lambda z: reinforce(z[0], torch.zeros(2), z[0]), r"of shapes \(1, 4\), \(2,\) and \(1, 4\)"),
    ],
)
def test_what_cannot_be_estimated_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(1, 1, 4))
