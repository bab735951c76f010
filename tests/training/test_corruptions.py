"""Corruptions: laws that all keep, and what each does."""

from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evonet.errors import DataError
from evonet.genome.genes import Genome, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand
from evonet.training.batches import images_of
from evonet.training.canvases import canvases, extents
from evonet.training.clutter import scattered
from evonet.training.corruptions import CORRUPTIONS, TESTING, TRAINING, Corrupted, chosen, corrupt, mixed
from evonet.training.data import load_data
from evonet.training.quality import quality, robustness

#: They draw nothing, so every key gives the same.
FIXED = {"scale", "brightness", "stripe", "canny_edges"}
every = pytest.mark.parametrize("name", CORRUPTIONS)


def ring() -> torch.Tensor:
    """A ring of ink, (28, 28) uint8: something of a digit."""
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    return (255 * (2.5 - ((y * y + x * x).sqrt() - 7).abs()).clamp(0, 1)).to(torch.uint8)


def canvas(side: int, count: int = 5) -> torch.Tensor:
    """(count, 1, side, side) in [0, 1]."""
    digits = ring()[None]
    index = torch.zeros(count, dtype=torch.int64)
    scene = canvases(digits, torch.zeros(1), index, canvas=scattered(side, side // 10), key=1)
    return scene.images.float() / 255


IMAGES = canvas(60)


def flat(value: float, side: int = 112, count: int = 3) -> torch.Tensor:
    return torch.full((count, 1, side, side), value)


# --- laws -----------------------------------------------------------------------------------------------------------


def test_there_are_fifteen_to_test_with_and_none_of_them_to_train_with():
    assert len(TESTING) == 15
    assert TRAINING
    assert not TESTING.keys() & TRAINING.keys()
    assert not set(TESTING.values()) & set(TRAINING.values())
    assert CORRUPTIONS.keys() == TESTING.keys() | TRAINING.keys()


@every
def test_shape_range_and_dtype_stay_and_the_image_changes(name):
    found = corrupt(IMAGES, name)
    assert (found.shape, found.dtype) == (IMAGES.shape, torch.float32)
    assert 0 <= float(found.min()) < float(found.max()) <= 1
    assert bool(((found - IMAGES).abs().flatten(1).amax(1) > 0.05).all())
    assert corrupt(IMAGES.double(), name).dtype == torch.float64


@every
def test_bytes_are_corrupted_as_values_are(name):
    raw = (IMAGES * 255).round().to(torch.uint8)
    found = corrupt(raw, name)
    assert found.dtype == torch.uint8
    torch.testing.assert_close(found.float() / 255, corrupt(raw.float() / 255, name), atol=0.5 / 255 + 1e-6, rtol=0)
    assert raw.equal((IMAGES * 255).round().to(torch.uint8))


@every
def test_an_image_comes_out_the_same_in_any_batch(name):
    found = corrupt(IMAGES, name, 5)
    assert torch.equal(corrupt(IMAGES, name, 5), found)
    for part in ([0], [3], [4, 1], [2, 3, 4]):
        assert torch.equal(corrupt(IMAGES[part], name, 5, torch.tensor(part)), found[part])


@every
def test_draws_are_named_by_key_and_number(name):
    same = IMAGES[:1].expand(12, -1, -1, -1)
    found = corrupt(same, name, 5)
    differ = {image.numpy().tobytes() for image in found}
    assert (len(differ) == 1) == (name in FIXED)
    assert torch.equal(corrupt(same, name, 6), found) == (name in FIXED)


@every
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 47), (1, 5, 60)])
def test_any_side_and_channels(name, shape):
    found = corrupt(torch.linspace(0, 1, 2 * int(np.prod(shape))).reshape(2, *shape), name)
    assert found.shape == (2, *shape)
    assert bool(torch.isfinite(found).all())


@every
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_blank_images_stay_numbers(name, value):
    assert bool(torch.isfinite(corrupt(flat(value, 30), name)).all())


# --- each -----------------------------------------------------------------------------------------------------------


def test_shot_noise_counts_photons():
    for value in (0.0, 0.2, 0.5):
        found = corrupt(flat(value), "shot_noise")
        assert set((found.unique() * 3).round().tolist()) <= {0, 1, 2, 3}
        mean = 3 * value
        terms = [np.exp(-mean) * t for t in (1, mean, mean**2 / 2)]
        expected = (terms[1] + 2 * terms[2] + 3 * (1 - sum(terms))) / 3
        assert abs(float(found.mean()) - expected) < 0.01


def test_impulse_noise_is_salt_and_pepper():
    found = corrupt(flat(0.5), "impulse_noise")
    assert found.unique().tolist() == [0, 0.5, 1]
    for value in (0, 1):
        assert abs(float((found == value).double().mean()) - 0.085) < 0.006


def test_brightness_adds_and_clips():
    torch.testing.assert_close(corrupt(IMAGES, "brightness"), (IMAGES + 0.5).clamp(max=1))


def test_translate_moves_three_pixels_along_both_axes():
    image = torch.zeros(40, 1, 20, 20)
    image[:, 0, 9, 10] = 1
    at = corrupt(image, "translate").flatten(1).argmax(1)
    assert {divmod(int(k), 20) for k in at} == {(6, 7), (6, 13), (12, 7), (12, 13)}


def test_stripes_invert_the_outer_quarters_of_a_digit():
    found = corrupt(IMAGES, "stripe")
    place = torch.arange(60) % 28
    outer = (place < 7) | (place >= 21)
    assert torch.equal(found[..., outer], 1 - IMAGES[..., outer])
    assert torch.equal(found[..., ~outer], IMAGES[..., ~outer])


def box(name: str, image: torch.Tensor) -> tuple[int, int]:
    """Height and width of the ink that is more than half."""
    y0, x0, y1, x1 = extents((corrupt(image[None, None].float() / 255, name)[0] > 0.5).to(torch.uint8))[0].tolist()
    return y1 - y0, x1 - x0


def test_affine_maps_of_a_ring_and_of_a_bar():
    assert box("scale", ring()) == (12, 12)  # 0.7 of 16 to 18
    bar = torch.zeros(28, 28, dtype=torch.uint8)
    bar[4:24, 13:15] = 255
    assert box("shear", bar)[0] == 20
    assert 7 <= box("shear", bar)[1] <= 10  # 0.4 of 19, and the bar
    height, width = box("rotate", bar)
    assert 18 <= height <= 20  # cos 0.4 of 20
    assert 8 <= width <= 10  # sin 0.4 of 20, and the bar
    for name in ("rotate", "shear"):
        both = corrupt(bar[None, None].float().expand(30, 1, 28, 28) / 255, name)
        kinds = {image.numpy().tobytes(): image for image in both}
        assert len(kinds) == 2
        one, other = kinds.values()
        torch.testing.assert_close(one, other.flip(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["glass_blur", "motion_blur"])
def test_blurs_keep_ink_and_spread_it(name):
    image = torch.zeros(20, 1, 60, 60)
    image[:, :, 26:34, 26:34] = 1
    found = corrupt(image, name)
    assert abs(float(found.sum() / image.sum()) - 1) < (0.02 if name == "glass_blur" else 1e-4)
    assert bool((found.flatten(1).square().sum(1) < 0.75 * 64).all())
    assert float(found[:, :, :10].max()) == 0


def test_motion_is_along_one_direction():
    image = torch.zeros(40, 1, 60, 60)
    image[:, 0, 30, 30] = 1
    for found in corrupt(image, "motion_blur")[:, 0]:
        rows, columns = torch.nonzero(found, as_tuple=True)
        assert int(columns.max() - columns.min()) >= 7
        assert int(rows.max() - rows.min()) <= int(columns.max() - columns.min())


def test_fog_is_thick_smooth_and_dims_what_is_behind():
    found = corrupt(flat(0.0), "fog")
    assert (float(found.min()), round(float(found.max()), 5)) == (0, round(2 / 3, 5))
    assert float((found[..., 1:] - found[..., :-1]).abs().max()) < 0.1
    torch.testing.assert_close(corrupt(flat(1.0), "fog") - found, flat(1 / 3))


def test_spatter_covers_some_pixels_with_grey():
    dark, light = corrupt(flat(0.0), "spatter"), corrupt(flat(1.0), "spatter")
    covered = dark > 0
    assert 0.05 < float(covered.double().mean()) < 0.3
    assert torch.equal(light < 1, covered)
    assert float(dark.max()) <= 0.25


def test_lines_cross_the_image_and_only_add_ink():
    column = torch.arange(60)
    for name, on in (("dotted_line", column // 2 % 2 == 1), ("zigzag", (column >= 2) & (column < 58))):
        found = corrupt(flat(0.0, 60), name)
        assert torch.equal(found.amax((0, 1, 2)) > 0, on), name
        assert bool((corrupt(IMAGES, name) >= IMAGES).all())
        assert bool((corrupt(IMAGES, name) == IMAGES).double().mean() > 0.7)


def test_as_many_lines_cross_a_digit_on_a_large_image():
    for name in ("dotted_line", "zigzag"):
        small, large = (float(corrupt(flat(0.0, side, 40), name).mean()) for side in (28, 280))
        assert 0.8 < large / small < 1.25, name


def test_canny_finds_the_outline():
    image = flat(0.0, 40)
    image[:, :, 10:30, 12:28] = 1
    found = corrupt(image, "canny_edges")[0, 0]
    assert found.unique().tolist() == [0, 1]
    assert float(found[13:27, 15:25].sum()) == 0
    assert float(found[:8].sum() + found[32:].sum() + found[:, :10].sum() + found[:, 30:].sum()) == 0
    middle = found[14:26].sum(1)
    assert bool(((middle >= 2) & (middle <= 4)).all())  # left and right, thin
    assert float(corrupt(flat(0.7), "canny_edges").sum()) == 0


def test_gaussian_noise_has_a_deviation_of_its_own_in_each_image():
    spread = (corrupt(flat(0.5, 60, 60), "gaussian_noise")).flatten(1).std(1)
    assert bool(((spread > 0.09) & (spread < 0.37)).all())  # clipped, so a little less than drawn
    assert float(spread.max() - spread.min()) > 0.2


def test_contrast_draws_values_to_the_mean():
    found = corrupt(IMAGES, "contrast")
    torch.testing.assert_close(found.mean((1, 2, 3)), IMAGES.mean((1, 2, 3)), atol=1e-4, rtol=0)
    share = found.flatten(1).std(1) / IMAGES.flatten(1).std(1)
    assert bool(((share > 0.29) & (share < 0.91)).all())


@given(st.integers(20, 120), st.integers(20, 120), st.integers(0, 1000))
def test_erasing_fills_rectangles_with_one_grey(height, width, key):
    image = torch.full((2, 1, height, width), 2.0)  # a value that no grey has
    found = CORRUPTIONS["erasing"](image, torch.tensor([key, key + 1]))
    for one in found:
        values = set(one.unique().tolist()) - {2.0}
        assert len(values) == 1
        assert 0 <= next(iter(values)) < 1
        erased = (one != 2.0).sum()
        assert 1 <= int(erased) <= 14 * 14 * (height * width // 56**2 + 1)


# --- together -------------------------------------------------------------------------------------------------------


def test_mixed_images_are_each_under_one_training_family():
    images = canvas(60, 40)
    found = mixed(images, 3)
    which = [[torch.equal(found[i], corrupt(images, name, 3)[i]) for name in TRAINING] for i in range(40)]
    assert all(sum(row) == 1 for row in which)
    assert all(any(column) for column in zip(*which, strict=True))
    assert torch.equal(found, mixed(images, 3))
    assert not torch.equal(found, mixed(images, 4))


def test_corrupted_images_are_the_same_in_any_chunks():
    images = images_of(load_data("digits"), "choice")
    whole = torch.cat([x for x, _ in Corrupted(images, "impulse_noise").chunks(50)])
    parts = list(Corrupted(images, "impulse_noise").chunks(7))
    assert torch.equal(torch.cat([x for x, _ in parts]), whole)
    assert torch.equal(torch.cat([labels for _, labels in parts]), images.labels)
    assert len(Corrupted(images, "fog")) == len(images)


def test_robustness_is_the_mean_of_quality_over_families():
    plan = expand(Genome(sheets=(SheetGene(channels=2),)), input=(1, 8, 8), classes=10)
    network, weights = build(plan), initialise(plan, 0)
    images = images_of(load_data("digits"), "choice")
    each = [quality(network, Corrupted(images, name), weights=weights) for name in TRAINING]
    assert robustness(network, images, weights=weights) == pytest.approx(tuple(np.mean(each, axis=0)))
    one = quality(network, Corrupted(images, "contrast"), weights=weights)
    assert robustness(network, images, ["contrast"], weights=weights) == one
    assert one != quality(network, images, weights=weights)
    weights[0] = weights[0] * torch.nan
    assert all(isnan(value) for value in robustness(network, images, weights=weights))


def test_what_all_stands_for():
    assert chosen(["all"]) == tuple(TESTING)
    assert chosen(["fog", "all", "contrast", "fog"]) == ("fog", *(n for n in TESTING if n != "fog"), "contrast")
    assert chosen([]) == ()


def test_what_is_unknown_is_refused():
    for ask in (lambda: corrupt(IMAGES, "rain"), lambda: chosen(["rain"]), lambda: Corrupted(None, "rain")):
        with pytest.raises(DataError, match=r"'rain' is unknown, expected one of shot_noise, .*, contrast\."):
            ask()
    with pytest.raises(DataError, match=r"images of torch\.int64, expected floating in \[0, 1\] or uint8"):
        corrupt(IMAGES.long(), "fog")
