"""Tasks made on the fly: what is planted is there, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonet.errors import DataError
from evonet.training.data import load_data
from evonet.training.sources import read_named_idx
from evonet.training.tasks import (
    LAGS,
    SCRAMBLES,
    SIDE,
    TORUS,
    displacements,
    make_lag,
    make_permuted,
    make_scramble,
    move,
    orbits,
    scrambled,
)
from evonet.training.words import bits, fractions, permutation

MNIST = Path(__file__).parents[2].parent / "shared" / "data"
with_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST's IDX files in ../shared/data/mnist")


@pytest.fixture(scope="module")
def lag_5():
    return make_lag(5)


def signs(source, label):
    """Images of one class as +-1, (N, SIDE, SIDE)."""
    return source.images[source.labels == label, 0].astype(np.float32) / 127.5 - 1


# --- lag ------------------------------------------------------------------------------------------------------------


def test_lag_has_fixed_sizes_fair_pixels_and_even_classes():
    data = load_data("lag:13")
    assert (data.name, data.input, data.classes, data.scale) == ("lag:13", (1, 32, 32), 4, 255.0)
    assert [len(part) for part in data.splits] == [20_000, 2_000, 2_500, 2_500, 10_000]
    assert np.unique(data.images).tolist() == [0, 255]
    for part in data.splits:
        assert np.ptp(np.bincount(data.labels[part])) <= 1
    # Golden: another value means another task, and results that cannot be compared.
    assert data.fingerprint == "3b8cefba1bd1a37242feb50bce2b1d18"


@given(st.sampled_from(LAGS), st.integers(0, 3))
def test_orbits_are_the_pixels_in_even_closed_lines(lag, label):
    dy, dx = displacements(lag)[label]
    lines = orbits((dy, dx))
    assert sorted(lines.ravel().tolist()) == list(range(SIDE * SIDE))
    assert lines.shape[1] % 2 == 0
    rows, columns = np.divmod(lines, SIDE)
    np.testing.assert_array_equal(np.roll(rows, -1, axis=1), (rows + dy) % SIDE)
    np.testing.assert_array_equal(np.roll(columns, -1, axis=1), (columns + dx) % SIDE)


@pytest.mark.parametrize("label", range(4))
def test_lag_pixels_correlate_at_the_displacement_and_nowhere_else(lag_5, label):
    images = signs(lag_5, label)
    spectrum = np.abs(np.fft.rfft2(images)) ** 2
    found = np.fft.irfft2(spectrum.mean(axis=0)) / SIDE**2
    dy, dx = displacements(5)[label]
    expected = np.zeros((SIDE, SIDE))
    expected[0, 0], expected[dy, dx], expected[-dy, -dx] = 1, 0.2, 0.2
    # 8,750 images of 1,024 places: a deviation of 0.0003, and 512 of them.
    np.testing.assert_allclose(found, expected, atol=0.002)


@pytest.mark.parametrize("label", range(4))
def test_every_pixel_of_a_lag_image_has_one_partner_at_a_random_phase(label):
    """Of each image the pixels are pairs: either all even places of an orbit begin one, or all odd places."""
    source, step = make_lag(2), displacements(2)[label]
    lines = orbits(step)
    along = signs(source, label).reshape(-1, SIDE * SIDE)[:, lines]  # (N, orbits, length)
    same = along * np.roll(along, -1, axis=2)
    even, odd = same[:, :, 0::2].mean(axis=2), same[:, :, 1::2].mean(axis=2)  # of one orbit, by phase
    assert abs(float(even.mean() - odd.mean())) < 0.01  # either phase as often
    # With pairs the two are 0.4 and 0 or 0 and 0.4, so their product is 0; without phases it would be 0.04.
    assert abs(float((even * odd).mean())) < 0.005
    assert float((same[:, :, 0::2].mean(axis=2) ** 2 + same[:, :, 1::2].mean(axis=2) ** 2).mean()) > 0.16


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 5), (5, 1)])
def test_windows_no_wider_than_the_lag_are_fair_coins_in_every_class(lag_5, shape):
    """Every pattern of a window is as frequent as any other: nothing can be learnt from it."""
    height, width = shape
    for label in range(4):
        images = (signs(lag_5, label) > 0).astype(np.uint8)
        code = np.zeros((len(images), SIDE, SIDE), np.uint8)
        for y in range(height):
            for x in range(width):
                code = code * 2 + np.roll(images, (-y, -x), axis=(1, 2))
        share = np.bincount(code.ravel(), minlength=2 ** (height * width)) / code.size
        # A deviation of 0.0001 at 9 million dependent windows; a pair inside would move shares by 0.4 of 1 / 64.
        np.testing.assert_allclose(share, 2.0 ** -(height * width), atol=0.0008)


def test_a_window_one_wider_tells_the_classes_apart(lag_5):
    products = [(signs(lag_5, label) * np.roll(signs(lag_5, label), -5, axis=2)).mean(axis=(1, 2)) for label in (0, 1)]
    threshold = 0.1
    right = np.concatenate([products[0] > threshold, products[1] <= threshold]).mean()
    assert right > 0.95


def test_lags_of_one_distance_are_the_same_and_of_two_are_not(lag_5):
    np.testing.assert_array_equal(make_lag(5).images[:100], lag_5.images[:100])
    assert (make_lag(7).images[:100] != lag_5.images[:100]).mean() > 0.4


@pytest.mark.parametrize("lag", [0, 16, -3])
def test_other_lags_are_refused(lag):
    with pytest.raises(DataError, match=rf"'lag:{lag}': expected a distance of 1\.\.15"):
        make_lag(lag)


# --- scramble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SCRAMBLES)
def test_a_scramble_moves_every_pixel_to_a_place_of_its_own(kind):
    places = {move(y, x, SCRAMBLES[kind]) for y in range(TORUS) for x in range(TORUS)}
    assert len(places) == TORUS**2
    images = np.random.default_rng(1).integers(0, 256, (2, 1, 28, 28), np.uint8)
    moved = scrambled(images, SCRAMBLES[kind])
    for y, x in [(0, 0), (0, 1), (1, 0), (27, 13)]:
        np.testing.assert_array_equal(moved[:, :, *move(y, x, SCRAMBLES[kind])], images[:, :, y, x])
    assert not moved[:, :, *move(28, 5, SCRAMBLES[kind])].any()  # the padding


def correlate(images, kernel):
    """sum over taps of kernel[tap] * images at p + tap, on the torus; exact in integers."""
    return sum(
        weight * np.roll(images, (-dy, -dx), axis=(-2, -1)).astype(np.int64) for (dy, dx), weight in kernel.items()
    )


@pytest.mark.parametrize("kind", SCRAMBLES)
def test_moved_taps_compute_the_original_convolution_at_moved_places(kind):
    random, matrix = np.random.default_rng(2), SCRAMBLES[kind]
    images = random.integers(0, 256, (3, 1, TORUS, TORUS), np.uint8)
    window = {(dy, dx): int(random.integers(-9, 10)) for dy in range(-2, 3) for dx in range(-2, 3)}
    moved_window = {move(*tap, matrix): weight for tap, weight in window.items()}
    assert len(moved_window) == len(window)
    found = correlate(scrambled(images, matrix), moved_window)
    expected = correlate(images, window)
    for y in range(TORUS):
        for x in range(TORUS):
            np.testing.assert_array_equal(found[..., *move(y, x, matrix)], expected[..., y, x])


@with_mnist
def test_scramble_is_mnist_with_its_labels_and_its_test_split():
    data = load_data("scramble:scatter", data_dir=MNIST)
    assert (data.name, data.input, data.classes) == ("scramble:scatter", (1, 29, 29), 10)
    assert [len(part) for part in data.splits] == [50_000, 2_000, 5_000, 5_000, 10_000]
    mnist = read_named_idx("mnist", MNIST)
    np.testing.assert_array_equal(data.labels, mnist.labels)
    np.testing.assert_array_equal(data.images.sum(axis=(1, 2, 3)), mnist.images.sum(axis=(1, 2, 3)))
    assert data.fingerprint == "17e17178529b13b7695e5f393ee1d913"


def test_unknown_scrambles_and_missing_mnist_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("EVONET_DATA", raising=False)
    with pytest.raises(DataError, match="'scramble:all' is unknown, expected scramble:lattice or scramble:scatter"):
        make_scramble("all", MNIST)
    for spec in ("scramble:lattice", "permuted"):
        with pytest.raises(DataError, match="data 'mnist' is not there"):
            load_data(spec, data_dir=tmp_path)


# --- permuted -------------------------------------------------------------------------------------------------------


@with_mnist
def test_permuted_is_mnist_in_one_order_for_all_images():
    source, mnist = make_permuted(MNIST), read_named_idx("mnist", MNIST)
    ours, theirs = (s.images.reshape(len(s.images), -1) for s in (source, mnist))
    np.testing.assert_array_equal(np.sort(ours[:500], axis=1), np.sort(theirs[:500], axis=1))
    by_content = [np.lexsort(images[:2000].astype(np.int16)) for images in (ours, theirs)]  # pixels by their histories
    np.testing.assert_array_equal(ours[:2000, by_content[0]], theirs[:2000, by_content[1]])
    assert (ours[:500] != theirs[:500]).mean() > 0.1
    np.testing.assert_array_equal(source.labels, mnist.labels)
    assert source.own_test == 10_000


# --- words ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(0, 2**63 - 1))
def test_words_are_as_many_as_asked_and_repeatable(count, seed):
    assert sorted(permutation(count, seed=seed).tolist()) == list(range(count))
    for draw, below in ((bits, 2), (fractions, 2**16)):
        drawn = draw(count, seed=seed)
        assert len(drawn) == count
        assert (drawn < below).all()
        np.testing.assert_array_equal(drawn, draw(count + 70, seed=seed)[:count])


def test_words_are_even():
    assert abs(bits(2**20, seed=3).mean() - 0.5) < 0.002
    drawn = np.bincount(fractions(2**20, seed=3) >> 12, minlength=16) / 2**20
    np.testing.assert_allclose(drawn, 1 / 16, atol=0.001)
    firsts = [permutation(8, seed=seed)[0] for seed in range(4000)]
    np.testing.assert_allclose(np.bincount(firsts) / 4000, 1 / 8, atol=0.025)
