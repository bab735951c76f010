"""The step loop: deterministic, scheduled, and honest about numbers that are not finite."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evonet.genome.genes import Genome, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand
from evonet.training.batches import Images, shifted
from evonet.training.quality import quality
from evonet.training.rounding import Grid, rate_bits, round_codes, straight_through
from evonet.training.settings import TrainingSettings
from evonet.training.trainer import NonFinite, Trainer, schedule

PLAN = expand(Genome(sheets=(SheetGene(channels=4, reduction="max"),)), input=(1, 6, 6), classes=2)


def images(n: int = 64) -> Images:
    """Bright upper half or bright lower half."""
    labels = np.arange(n) % 2
    pixels = np.random.default_rng(0).integers(0, 60, (n, 1, 6, 6), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[0, 3 * label : 3 * label + 3] += 150
        image[0, 0, 0] = 255 * label
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), scale=255)


def trainer(**changes) -> Trainer:
    options = {"steps": 60, "seed": 1} | changes
    settings = options.pop("settings", TrainingSettings(lr=0.05, batch=16))
    return Trainer(build(PLAN), initialise(PLAN, 0), images(), settings, **options)


def test_training_learns_and_is_deterministic():
    first, second, other = trainer(), trainer(), trainer(seed=2)
    losses = [t.run(60, None) for t in (first, second, other)]
    assert losses[0] < 0.5
    assert losses[0] == losses[1]
    assert torch.equal(first.theta, second.theta)
    assert not torch.equal(first.theta, other.theta)
    assert quality(first.network, images(), weights=first.weights)[1] > 0.95


def test_pieces_train_as_one():
    """Rounds without rounding are one training: the schedule, the moments and the batches go on."""
    whole, pieces = trainer(), trainer()
    whole.run(60, None)
    for steps in (10, 25, 25):
        pieces.run(steps, None)
    assert torch.equal(whole.theta, pieces.theta)


def test_rates_hold_weights_still():
    rates = [torch.zeros(t.shape) if t.role == "tap" else torch.ones(t.shape) for t in PLAN.tensors]
    t = trainer(rates=rates)
    before = [w.clone() for w in t.weights]
    t.run(5, None)
    moved = [not torch.equal(a, b) for a, b in zip(before, t.weights, strict=True)]
    assert moved == [x.role != "tap" for x in PLAN.tensors]


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_not_finite_is_told_with_its_step():
    t = trainer()
    t.replace([torch.full(x.shape, float("nan")) for x in PLAN.tensors])
    with pytest.raises(NonFinite, match="training loss is nan at step 0") as caught:
        t.run(3, None)
    assert caught.value.step == 0


def test_a_weight_that_is_not_finite_is_not_blamed_on_the_loss():
    t = trainer(settings=TrainingSettings(optimizer="sgd", lr=0.05, batch=16, clip=0.0), rates=None)
    last = t.theta.numel() - 1
    t.theta.register_hook(lambda g: g.index_fill(0, torch.tensor([last]), float("inf")))
    with pytest.raises(NonFinite, match="a weight is not finite at step 0"):
        t.run(1, None)


def test_a_rate_price_shrinks_the_code():
    grid = Grid(torch.full((sum(x.size for x in PLAN.tensors),), 0.05), 0.1)
    free, priced = trainer(), trainer(rate_price=0.01)
    for t in (free, priced):
        t.run(60, grid)
    assert rate_bits(priced.theta, grid) < 0.7 * rate_bits(free.theta, grid)


@pytest.mark.parametrize("kind", ["trapezoid", "cosine", "constant"])
def test_schedules_warm_up_and_end_as_named(kind):
    settings = TrainingSettings(schedule=kind, warmup=0.1, decay=0.3)
    rates = [schedule(step, 100, settings) for step in range(100)]
    assert all(0 < r <= 1 for r in rates)
    assert rates[0] < 0.2
    assert rates[11] > 0.9
    assert (rates[99] < 0.05) == (kind != "constant")


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.floats(0.01, 4), st.floats(0, 0.4))
def test_rounding_is_nearest_but_for_the_wider_zero(values, step, dead_zone):
    theta = torch.tensor(values)
    grid = Grid(torch.tensor(step), dead_zone)
    codes = round_codes(theta, grid)
    scaled = (theta / step).double()
    assert torch.equal(codes, codes.round())
    assert codes.abs().max() <= 127
    inside = scaled.abs() < 127
    assert ((codes - scaled).abs()[inside & (codes != 0)] <= 0.5 + 1e-6).all()
    assert (scaled.abs()[codes == 0] <= 0.5 + dead_zone + 1e-6).all()
    assert torch.equal(round_codes(-theta, grid), -codes)


def test_straight_through_rounds_forward_and_passes_the_gradient():
    theta = torch.tensor([0.26, -0.9, 0.1], requires_grad=True)
    grid = Grid(torch.tensor(0.5), 0.0)
    out = straight_through(theta, grid)
    assert out.tolist() == [0.5, -1.0, 0.0]
    (out * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert theta.grad.tolist() == [1.0, 2.0, 3.0]


def test_shifted_images_are_translations():
    x = torch.zeros(200, 1, 5, 5)
    x[:, 0, 2, 2] = 1
    moved = shifted(x, 1, torch.Generator().manual_seed(0))
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(200))
    places = {tuple(p) for p in moved[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(y, x) for y in (1, 2, 3) for x in (1, 2, 3)}


def test_quality_mixes_in_the_uniform_and_flags_nan():
    network = build(PLAN)
    logits_zero = quality(network, images())
    assert logits_zero[0] == pytest.approx(1.0)
    sure_and_wrong = [torch.zeros(t.shape) for t in PLAN.tensors]
    sure_and_wrong[-1] = torch.tensor([1e4, -1e4])
    loss, accuracy = quality(network, images(), weights=sure_and_wrong)
    assert accuracy == 0.5
    assert loss == pytest.approx(0.5 * -np.log2(0.005) + 0.5 * -np.log2(0.995), rel=1e-6)
    bad = [torch.full(t.shape, float("nan")) for t in PLAN.tensors]
    assert all(np.isnan(v) for v in quality(network, images(), weights=bad))


def test_epochs_visit_every_image_and_samples_are_spread():
    data = images(64)
    batches = data.batches(16, torch.Generator().manual_seed(0))
    seen = torch.cat([next(batches)[0] for _ in range(4)])
    assert len(torch.unique(seen.flatten(1), dim=0)) == 64
    assert data.sample(8).labels.tolist() == data.labels[::8].tolist()
    assert len(data.sample(1000)) == 64
