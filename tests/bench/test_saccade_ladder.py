"""The rungs, the rivals and their counts."""

import copy

import pytest
import torch
from canvas import Fixed, Fresh, task_of
from ladder import LADDER, Cnn, Spec, cell_of, folded
from macs import count
from models import CROP, LIMIT, counts_of, model_of, rungs
from rivals import BlobCrop, crops, densest
from torch import nn
from training import Moment

BY_HAND = {
    # 30x30x9x8 + 15x15x72x16 + 8x8x144x32 + 4x4x288x64 + 128x10
    ("stride2", 60): 64_800 + 259_200 + 294_912 + 294_912 + 1_280,
    # a view of 50x50, then maps of 50, 25 and 13 (12.5 rounded up)
    ("pool2", 100): 50 * 50 * 9 * 16 + 25 * 25 * 144 * 32 + 13 * 13 * 288 * 64 + 1_280,
    # two more on what is left, 7x7
    ("pool2+2", 100): 50 * 50 * 9 * 16 + 25 * 25 * 144 * 32 + 13 * 13 * 288 * 64 + 2 * 7 * 7 * 576 * 64 + 1_280,
    # 60 is padded to 64: 8x8 patches of 64 pixels, pooled to 4x4, then 2x2
    ("stem8", 60): 8 * 8 * 64 * 24 + 8 * 8 * 216 * 48 + 4 * 4 * 432 * 64 + 1_280,
}


@pytest.mark.parametrize("name, side", BY_HAND)
def test_macs_are_those_counted_by_hand(name, side):
    assert count(Cnn(LADDER[name]), torch.zeros(1, 1, side, side)).macs == BY_HAND[name, side]


def test_groups_and_repeated_calls_are_counted():
    grouped = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, padding=1), nn.Conv2d(8, 8, 1))
    found = count(grouped, torch.zeros(1, 4, 5, 5))
    assert found.macs == 25 * 8 * 2 * 9 + 25 * 8 * 8
    assert (found.calls, found.activations, found.parameters) == (2, 400, 8 * 18 + 8 + 72)


def test_counting_changes_nothing():
    model = Cnn(LADDER["stride2-narrow"]).train()
    before = copy.deepcopy(model.state_dict())
    count(model, torch.rand(1, 1, 60, 60))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("side", [60, 100, 256])
def test_the_ladder_spans_more_than_a_factor_of_ten_at_every_size(side):
    task = task_of(f"clutter:{side}")
    macs = [counts_of(name, task).macs for name in rungs(task)]
    assert len(macs) >= 7
    assert macs == sorted(macs)
    assert macs[0] <= 0.7e6
    assert 10e6 < macs[-1] <= LIMIT


@pytest.mark.parametrize("name", [*LADDER, CROP, "pool4@box"])
def test_every_model_answers_at_any_size(name):
    model = model_of(name, task_of("clutter:60")).eval()
    for height, width in ((32, 33), (60, 60), (97, 64)):
        assert model(torch.rand(2, 1, height, width)).shape == (2, 10)


def test_the_crop_costs_the_same_at_every_size():
    assert len({counts_of(CROP, task_of(f"clutter:{side}")).macs for side in (60, 256, 1024)}) == 1


@pytest.mark.parametrize("name", ["stride2", "plain6", "stem8", CROP])
def test_folding_keeps_the_function(name):
    model = model_of(name, task_of("clutter:60"))
    images = torch.rand(4, 1, 60, 60)
    for _ in range(3):
        model.train()(images)  # so that the running statistics are not those of the start
    expected = model.eval()(images)
    thin = folded(copy.deepcopy(model))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in thin.modules())
    torch.testing.assert_close(thin(images), expected, rtol=1e-4, atol=1e-5)


def test_weights_are_a_function_of_name_and_seed():
    def draw(name, seed):
        return torch.cat([p.flatten() for p in model_of(name, task_of("clutter:60"), seed).parameters()])

    assert torch.equal(draw("pool4", 1), draw("pool4", 1))
    assert not torch.equal(draw("pool4", 1), draw("pool4", 2))


@pytest.mark.parametrize("name", ["vgg", "pool4@circle", "glance-4", "glance-8-4", "glance-3-8", "glance-a-b"])
def test_unknown_models_are_refused(name):
    with pytest.raises(ValueError, match="expected"):
        model_of(name, task_of("clutter:60"))


def test_the_densest_window_is_found_and_cropped_within_the_image():
    images = torch.zeros(3, 1, 100, 100)
    images[0, :, 40:60, 48:68] = 1.0
    images[1, :, 0:20, 0:20] = 1.0
    images[2, :, 80:, 80:] = 1.0
    images[:, :, 60:64, 10:14] = 1.0  # a fragment
    middles = densest(images)
    assert ((middles[0] - torch.tensor([50, 58])).abs() <= 8).all()
    found = crops(images, middles, 32)
    assert found.shape == (3, 1, 32, 32)
    assert found.sum((1, 2, 3)).tolist() == [400.0, 400.0, 400.0]


def test_a_blob_crop_sees_nothing_outside_its_crop():
    model = BlobCrop().eval()
    images = torch.zeros(1, 1, 100, 100)
    images[:, :, 40:60, 40:60] = 1.0
    moved = images.clone()
    moved[:, :, 2:5, 90:93] = 0.5
    assert torch.equal(model(images), model(moved))


def test_the_loss_of_the_boxes_reaches_the_features(digits):
    batch = Fresh("clutter:60", digits["train"], 1).at(torch.arange(8))
    torch.manual_seed(0)
    plain, located = Cnn(Spec((4, 8), down=2)), Cnn(Spec((4, 8), down=2), located=True)
    located.load_state_dict(plain.state_dict(), strict=False)
    assert (plain.capturable, located.capturable) == (True, False)
    assert located.loss(batch, Moment(8, 10)) == plain.loss(batch, Moment(8, 10))  # it has faded
    for model in (plain, located):
        model.loss(batch, Moment(0, 10)).backward()
    assert located.loss(batch, Moment(0, 10)) > located.loss(batch, Moment(5, 10)) > plain.loss(batch)
    assert located.where.weight.grad.abs().sum() > 0
    assert not torch.equal(plain.features[1].weight.grad, located.features[1].weight.grad)


@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("side", [60, 100])
def test_a_place_of_the_last_map_is_as_large_as_the_loss_of_the_boxes_takes_it_for(name, side):
    cnn = Cnn(LADDER[name])
    places = cnn._map(torch.zeros(1, 1, side, side)).shape[2:]
    assert places == (-(-side // cnn.spec.stride),) * 2


def test_the_cell_of_a_box_is_counted_in_pixels_whatever_the_grid_leaves_out(digits):
    boxes = torch.tensor([[0, 0, 2, 2], [14, 30, 20, 40], [50, 50, 60, 60]])
    assert cell_of(boxes, 16, (3, 3)).tolist() == [0, 1 * 3 + 2, 2 * 3 + 2]
    boxes = Fixed("clutter:60", digits["test"], "test").at(torch.arange(30)).boxes
    y, x = (boxes[:, :2] + boxes[:, 2:]).div(2, rounding_mode="floor").unbind(1)
    assert torch.equal(cell_of(boxes, 10, (6, 6)), y // 10 * 6 + x // 10)
