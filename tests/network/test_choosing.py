"""Which cells are looked at: laws over all logits, budgets and cells taken, and the corner cases of each."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evonet.network.choosing import Choice, choose, gumbel, uniform, weights

INF = float("inf")
NUMBERS = torch.tensor([-INF, -3e38, -20.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 17.0, 18.0, 3e38, INF])


@st.composite
def cases(draw) -> tuple[Tensor, list[int], Tensor]:
    """Logits full of ties and extremes, or of neither; budgets, and cells taken that leave enough free."""
    images = draw(st.integers(1, 3))
    classes, cells = draw(st.sampled_from([(2, 6), (3, 9), (1, 4), (2, 3), (3, 6), (1, 1)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shape = images, classes, cells
    logits = NUMBERS[torch.randint(len(NUMBERS), shape, generator=generator)]
    if draw(st.booleans()):
        logits = torch.randn(shape, generator=generator)
    # Each cell goes to a class, to nobody, or is taken: whatever they are, these budgets can be had.
    owners = torch.randint(-1, classes + 1, (cells,), generator=generator)
    owners[int(torch.randint(cells, (), generator=generator))] = draw(st.integers(1, classes))
    budgets = [int((owners == k).sum()) for k in range(1, classes + 1)]
    taken = torch.stack([(owners == -1)[torch.randperm(cells, generator=generator)] for _ in range(images)])
    return logits, budgets, taken


def looks(choice: Choice, image: int, kind: int | None = None) -> list[int]:
    """The cells of an image, in order."""
    of = choice.image == image
    return choice.cell[of if kind is None else of & (choice.kind == kind)].tolist()


def log_odds(logits: Tensor, budgets: list[int]) -> Tensor:
    """(B, K, cells) in float64, from the definition."""
    known = logits.double().clamp(-1e30, 1e30)
    known[:, [n == 0 for n in budgets]] = -INF
    with_none = torch.cat((torch.zeros_like(known[:, :1]), known), dim=1)
    rest = [with_none.index_fill(1, torch.tensor([k + 1]), -INF).logsumexp(1) for k in range(len(budgets))]
    return known - torch.stack(rest, dim=1)


@given(cases(), st.booleans())
def test_one_class_per_cell_in_order_and_weights_that_sum_to_one(case, threshold):
    logits, budgets, taken = case
    choice = choose(logits, budgets, threshold=threshold, taken=taken)
    places = list(zip(choice.kind.tolist(), choice.image.tolist(), strict=True))
    assert places == sorted(places)
    total = torch.zeros(len(logits)).index_add(0, choice.image, weights(choice, logits))
    torch.testing.assert_close(total, torch.ones(len(logits)))
    torch.testing.assert_close(choice.log_weight.exp(), weights(choice, logits))
    for image in range(len(logits)):
        cells = looks(choice, image)
        assert len(set(cells)) == len(cells) > 0
        assert not taken[image, cells].any()
        for k, n in enumerate(budgets):
            assert (len(looks(choice, image, k + 1)) <= n) if threshold else len(looks(choice, image, k + 1)) == n


@given(cases())
def test_each_class_in_turn_takes_the_best_of_what_is_free(case):
    logits, budgets, taken = case
    choice = choose(logits, budgets, threshold=False, taken=taken)
    scores = log_odds(logits, budgets)
    for image in range(len(logits)):
        free = ~taken[image]
        for k in range(len(budgets)):
            score, mine = scores[image, k], looks(choice, image, k + 1)
            free[mine] = False
            left = score[free].tolist()
            slack = 1e-5 * (1 + abs(score[mine]))  # float32 against float64
            assert all(s + d >= max(left, default=-INF) for s, d in zip(score[mine].tolist(), slack, strict=True))
            assert all(a + d >= b for a, b, d in zip(score[mine], score[mine][1:], slack, strict=False))


@given(cases(), st.booleans())
def test_of_equal_cells_the_lower_comes_first(case, threshold):
    logits, budgets, taken = case
    choice = choose(logits, budgets, threshold=threshold, taken=taken)
    for image in range(len(logits)):
        order = looks(choice, image)
        rank = {cell: place for place, cell in enumerate(order)}
        for cell in order:
            same = (logits[image] == logits[image, :, cell : cell + 1]).all(0) & ~taken[image]
            before = torch.nonzero(same)[:, 0].tolist()
            assert all(rank[c] < rank[cell] for c in before if c < cell)


@given(cases())
def test_a_threshold_expresses_the_most_probable_class_or_the_one_best_look(case):
    logits, budgets, taken = case
    choice = choose(logits, budgets, threshold=True, taken=taken)
    present = logits.clone()
    present[:, [n == 0 for n in budgets]] = -INF
    for image in range(len(logits)):
        found = present[image].clamp(-3e36, 3e36)  # what is infinite or huge is one number
        expressed = (found == found.amax(0)) & (found > 0) & ~taken[image]
        first = expressed & (expressed.cumsum(0) == 1)
        for k, n in enumerate(budgets):
            mine = looks(choice, image, k + 1)
            if first.any():
                assert first[k, mine].all()
                assert len(mine) == min(n, int(first[k].sum()))
        if not first.any():
            (cell,), best = looks(choice, image), log_odds(present, budgets)[image][:, ~taken[image]].max()
            kind = int(choice.kind[choice.image == image])
            assert log_odds(present, budgets)[image, kind - 1, cell] >= best - 1e-5 * (1 + abs(best))


@given(cases(), st.booleans())
def test_images_do_not_know_of_each_other(case, threshold):
    logits, budgets, taken = case
    whole = choose(logits, budgets, threshold=threshold, taken=taken)
    for image in range(len(logits)):
        one = slice(image, image + 1)
        alone = choose(logits[one], budgets, threshold=threshold, taken=taken[one])
        assert torch.equal(alone.cell, whole.cell[whole.image == image])
        assert torch.equal(alone.kind, whole.kind[whole.image == image])


def test_a_blank_image_has_an_answer():
    choice = choose(torch.full((2, 2, 9), -3.0), (4, 2), threshold=True)
    assert looks(choice, 0) == looks(choice, 1) == [0]
    assert choice.log_weight.tolist() == [0, 0]


@given(cases(), st.booleans())
def test_logits_that_are_no_numbers_are_told_by_the_answer(case, threshold):
    """And change nothing for other images."""
    logits, budgets, taken = case
    broken = torch.cat((logits, torch.full_like(logits[:1], torch.nan)))
    choice = choose(broken, budgets, threshold=threshold, taken=torch.cat((taken, taken[:1])))
    last = choice.image == len(logits)
    assert bool(last.any())
    assert bool(choice.log_weight[last].isnan().all())
    assert torch.equal(choice.cell[~last], choose(logits, budgets, threshold=threshold, taken=taken).cell)


def test_cells_that_are_sure_are_still_told_apart():
    """In float32 log p is 0 for all of them."""
    assert looks(choose(torch.tensor([[[18.0, 30.0, 25.0, 90.0]]]), (3,), threshold=False), 0) == [3, 1, 2]


def test_a_class_takes_cells_that_are_its_own_rather_than_those_with_large_logits():
    logits = torch.tensor([[[2.0, 3.0], [0.0, 5.0]]])
    choice = choose(logits, (1, 1), threshold=False)
    assert (choice.cell.tolist(), choice.kind.tolist()) == ([0, 1], [1, 2])


def test_without_a_threshold_nothing_waits_for_the_device():
    """Tensors of the device "meta" have shapes and no values: whatever looks at one fails. A CPU need not wait."""
    logits, noise = torch.zeros(2, 5, 3, 16, device="meta")
    choice = choose(logits, (2, 0, 3), threshold=False, noise=noise)
    assert choice.cell.shape == choice.log_weight.shape == (25,)


@given(st.lists(st.sampled_from([-INF, -1.0, 0.0, 0.25, 0.5, 1.0, INF]), min_size=2, max_size=12), st.data())
def test_the_best_are_those_of_a_stable_sort(values, data):
    """Whether or not any two of them are equal."""
    n = data.draw(st.integers(1, len(values)))
    logits = torch.tensor(values)
    choice = choose(logits[None, None], (n,), threshold=False)
    assert choice.cell.tolist() == logits.sort(descending=True, stable=True).indices[:n].tolist()


@pytest.mark.parametrize("threshold", [False, True])
def test_noise_draws_without_replacement_from_the_softmax(threshold):
    """Ordered pairs out of four cells, against the Plackett-Luce probabilities, within four standard errors."""
    draws, logits = 40_000, torch.tensor([0.5, 2.0, 1.0, -0.5])
    noise = gumbel((draws, 1, 4), key=3)
    if threshold:
        noise, logits = noise + 20, logits  # above the threshold, all of them
    choice = choose(logits.expand(draws, 1, 4), (2,), threshold=threshold, noise=noise)
    first, second = choice.cell.view(draws, 2).T
    p = logits.softmax(0).tolist()
    for i, j in permutations(range(4), 2):
        expected = p[i] * p[j] / (1 - p[i])
        error = (expected * (1 - expected) / draws) ** 0.5
        assert abs(float(((first == i) & (second == j)).double().mean()) - expected) < 4 * error


def test_noise_is_a_function_of_its_key():
    assert torch.equal(gumbel((4, 5), key=7), gumbel((4, 5), key=7))
    assert not torch.equal(gumbel((4, 5), key=7), gumbel((4, 5), key=8))
    torch.testing.assert_close(gumbel((3,), key=3), torch.tensor([-1.21734822, -0.22248623, 1.35640061]))
    many = gumbel((100_000,), key=1)
    assert many.isfinite().all()
    assert abs(float(many.mean()) - 0.57722) < 0.02
    assert abs(float(many.var()) - torch.pi**2 / 6) < 0.05
    assert 0 <= float(uniform((1000,), key=1).min()) < float(uniform((1000,), key=1).max()) < 1


def test_weights_are_differentiable():
    logits = torch.tensor([[[0.5, 1.0, -1.0, 2.0], [0.1, 0.3, 1.5, -0.2]]] * 2, dtype=torch.float64)
    logits[1] -= torch.arange(4)
    choice = choose(logits, (2, 2), threshold=True)
    assert len(looks(choice, 0)) != len(looks(choice, 1))
    assert torch.autograd.gradcheck(lambda z: weights(choice, z), logits.requires_grad_())


def test_the_gradient_of_extreme_logits_is_finite():
    logits = torch.tensor([[[INF, -INF, 3e38, -3e38, 0.0]]], requires_grad=True)
    (choose(logits, (5,), threshold=False).log_weight.exp() * torch.arange(5)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    "logits, budgets, others, message",
    [
        (torch.zeros(1, 2, 4), (3, 2), {}, r"budgets = \[3, 2\] are 5 cells, expected at most the 4"),
        (torch.zeros(1, 2, 4), (3,), {}, r"budgets = \[3\], expected one of 0 or more for each of 2 classes"),
        (torch.zeros(1, 2, 4), (0, 0), {}, "not all 0"),
        (torch.zeros(1, 2, 4), (2, -1), {}, "0 or more"),
        (torch.zeros(2, 4), (1, 1), {}, r"logits of shape \(2, 4\), expected \(images, classes, cells\)"),
        (torch.zeros(1, 1, 4), (1,), {"noise": torch.zeros(1, 4)}, "noise of shape"),
        (torch.zeros(1, 1, 4), (1,), {"taken": torch.zeros(1, 4)}, "taken is torch.float32"),
        (
            torch.zeros(1, 1, 4),
            (2,),
            {"taken": torch.tensor([[True, True, True, False]])},
            "taken leaves 1 of 4 cells of an image free, expected at least 2",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused(logits, budgets, others, message):
    with pytest.raises(ValueError, match=message):
        choose(logits, budgets, threshold=False, **others)
