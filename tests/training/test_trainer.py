"""The step loop: deterministic, scheduled, and honest about numbers that are not finite."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evonet.genome.genes import Genome, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand
from evonet.training.batches import Batches, augmented, shifted
from evonet.training.images import Images
from evonet.training.quality import quality, slopes
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_captured_steps_are_those_that_are_launched_one_by_one(monkeypatch):
    """Through a grid, with the rate term, moved images and weights that are held; on the last GPU there is."""
    ends, gpu = [], torch.device("cuda", torch.cuda.device_count() - 1)
    for fewest in (1, 1000):
        monkeypatch.setattr("evonet.training.captured.FEWEST", fewest)
        settings = TrainingSettings(lr=0.05, batch=16, shift=1, rotation=5.0)
        on_gpu = Images(images().images.to(gpu), images().labels.to(gpu), scale=255)
        t = Trainer(build(PLAN).to(gpu), initialise(PLAN, 0), on_gpu, settings, steps=60, seed=1, rate_price=1e-4)
        step = torch.full((len(t.theta),), 0.1)
        grid = Grid(step, 0.1, torch.zeros_like(step), torch.full_like(step, 127.0))
        t.run(20, None)
        t.run(20, grid)
        t.hold(torch.arange(len(t.theta)) % 2 == 0, t.weights)
        t.run(20, grid)
        ends.append(t.theta.detach().cpu())
    torch.testing.assert_close(*ends, rtol=0.02, atol=0.02)


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


def test_codes_that_are_no_grid_are_left_alone_and_signs_have_no_zero():
    theta = torch.tensor([0.3, -0.04, 0.04, 5.0, -5.0])
    grid = Grid(
        torch.tensor([0.0, 0.1, 0.1, 0.1, 0.1]),
        0.1,
        least=torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]),
        most=torch.tensor([127.0, 1.0, 1.0, 1.0, 127.0]),
    )
    torch.testing.assert_close(straight_through(theta, grid), torch.tensor([0.3, -0.1, 0.0, 0.1, -5.0]))
    assert torch.isfinite(rate_bits(theta, grid))
    assert rate_bits(theta[:1], Grid(torch.zeros(1), 0.1)) == 0


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
    batches = Batches(data, 16, seed=0)
    epochs = [torch.cat([batches[4 * epoch + k][0] for k in range(4)]).flatten(1) for epoch in range(2)]
    assert [len(torch.unique(epoch, dim=0)) for epoch in epochs] == [64, 64]
    assert not torch.equal(*epochs)
    assert data.sample(8).labels.tolist() == data.labels[::8].tolist()
    assert len(data.sample(1000)) == 64


def test_a_batch_depends_on_its_number_alone():
    data = images(50)
    one, other = Batches(data, 16, seed=3), Batches(data, 16, seed=3)
    forward = [one[n][0] for n in range(7)]
    assert all(torch.equal(other[n][0], forward[n]) for n in reversed(range(7)))
    assert not torch.equal(Batches(data, 16, seed=4)[0][0], forward[0])
    assert len(Batches(data, 1000, seed=0)[5][0]) == 50


def test_augmentation_turns_and_scales_about_the_middle():
    x = torch.zeros(40, 1, 15, 15)
    x[:, 0, 7, 2:13] = 1  # a bar through the middle
    settings = TrainingSettings(rotation=45.0, scaling=0.2)
    turned = augmented(x, settings, seed=1, step=5)
    assert torch.equal(turned, augmented(x, settings, seed=1, step=5))
    assert not torch.equal(turned, augmented(x, settings, seed=1, step=6))
    torch.testing.assert_close(turned[:, 0, 7, 7], torch.ones(40), atol=0.05, rtol=0)
    assert len({tuple(row) for row in (turned[:, 0] > 0.5).flatten(1).tolist()}) > 20
    lengths = turned.sum((1, 2, 3))
    assert (lengths > 0.6 * 11).all()
    assert (lengths < 1.6 * 11).all()


def test_an_average_follows_the_weights_and_is_what_is_compressed():
    t = trainer(settings=TrainingSettings(lr=0.05, batch=16, average=0.9))
    t.run(60, None)
    averaged = torch.cat([w.flatten() for w in t.weights])
    assert not torch.equal(averaged, t.theta.detach())
    assert (averaged - t.theta.detach()).abs().max() < 0.2
    assert quality(t.network, images(), weights=t.weights)[1] > 0.95


def test_held_weights_stay_at_what_they_are_held_at():
    t = trainer(settings=TrainingSettings(lr=0.05, batch=16, average=0.9))
    held = torch.zeros_like(t.theta, dtype=torch.bool)
    held[::2] = True
    t.hold(held, [torch.full(x.shape, 0.25) for x in PLAN.tensors])
    t.run(10, None)
    assert (t.theta[held] == 0.25).all()
    assert (torch.cat([w.flatten() for w in t.weights])[held] == 0.25).all()
    assert not (t.theta[~held] == 0.25).any()


@pytest.mark.parametrize("within", [False, True])
def test_weights_stay_within_what_their_codes_reach_if_they_are_to(within):
    t = trainer(settings=TrainingSettings(lr=0.05, batch=16), within=within)
    step = torch.where(torch.arange(len(t.theta)) % 2 == 0, 0.05, 0.0)  # a step of 0: no grid, no limit
    t.run(20, Grid(step, dead_zone=0.0, most=3.0))
    assert bool((t.theta[step > 0].abs() <= 0.15 + 1e-6).all()) == within
    assert (t.theta[step == 0].abs() > 0.15).any()
    t.run(20, None)
    assert (t.theta[step > 0].abs() > 0.15 + 1e-6).any()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_trainer_that_is_restored_goes_on_to_the_same_bits(optimizer):
    settings = TrainingSettings(lr=0.05, batch=16, average=0.9, optimizer=optimizer, shift=1)
    whole, half, rest = (trainer(settings=settings) for _ in range(3))
    whole.run(30, None)
    held = torch.arange(len(half.theta)) % 3 == 0
    for t in (whole, half):
        if t is half:
            t.run(30, None)
        t.hold(held, [torch.zeros(x.shape) for x in PLAN.tensors])
    rest.restore(half.state())
    whole.run(30, None)
    rest.run(30, None)
    assert torch.equal(whole.theta, rest.theta)
    assert torch.equal(whole.mean, rest.mean)
    assert rest.done == 60


def test_slopes_are_the_gradient_and_say_how_the_loss_bends():
    network, weights, data = build(PLAN), initialise(PLAN, 0), images()
    first, second = slopes(network, data, weights, chunk=16)

    def loss(moved):
        with torch.no_grad():
            (x, labels), *_ = data.chunks(64)
            return float(torch.nn.functional.cross_entropy(network(x, moved), labels)) / np.log(2)

    index = int(first[0].abs().argmax())
    for by in (1e-3, -1e-3):
        moved = [w.clone() for w in weights]
        moved[0].view(-1)[index] += by
        assert loss(moved) - loss(weights) == pytest.approx(by * float(first[0].view(-1)[index]), rel=0.05)
    assert all((s >= 0).all() for s in second)
    assert second[0].max() > 0
