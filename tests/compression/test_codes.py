"""Every code keeps the same promises; each has a law of its own beside them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evonet.compression.codes import CODES, Rounding, dequantise
from evonet.compression.codes.base import first_step, nearest_step
from evonet.package import STEPS, Book, Half, Quantised, Transformed
from evonet.package.cost import code_bits
from evonet.package.transform import forward

BLOCK = (5, 5)


def tensor(seed: int, scale: float = 0.3, shape: tuple[int, ...] = (4, 3, 25)) -> np.ndarray:
    return (np.random.default_rng(seed).laplace(size=shape) * scale).astype(np.float32)


steps = st.integers(24, 48)
seeds = st.integers(0, 2**16)
roundings = st.builds(Rounding, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.0, 0.05, 0.4]))


@pytest.mark.parametrize("name", CODES)
@given(seeds, steps, roundings)
def test_a_code_has_the_tensors_shape_and_is_a_function_of_what_it_is_given(name, seed, step, rounding):
    weights = tensor(seed)
    before = weights.copy()
    coded = CODES[name](weights, step, rounding, BLOCK)
    assert np.array_equal(weights, before)
    if coded is None:
        return
    assert coded == CODES[name](weights, step, rounding, BLOCK)
    assert coded.weights.shape == weights.shape
    assert coded.weights.dtype == np.float32
    assert np.isfinite(coded.weights).all()
    assert np.array_equal(dequantise(coded).numpy(), coded.weights)


@pytest.mark.parametrize("name", ["grid", "ternary", "sign", "half"])
def test_codes_that_need_no_block_and_no_spread_take_every_tensor(name):
    for weights in (np.zeros((2, 3), np.float32), np.full((1,), 1e-8, np.float32), np.full((3,), 900.0, np.float32)):
        assert CODES[name](weights, 40, Rounding(), None).weights.shape == weights.shape


@given(seeds, st.integers(0, 63), st.floats(0.01, 20))
def test_a_grid_without_a_price_takes_the_nearest_code_and_is_stable(seed, step, scale):
    weights = tensor(seed, scale * float(STEPS[step]))
    coded = CODES["grid"](weights, step, Rounding(), None)
    inside = np.abs(weights) < 127 * STEPS[step]
    assert (np.abs(coded.weights - weights)[inside] <= 0.5001 * STEPS[step]).all()
    assert CODES["grid"](coded.weights, step, Rounding(), None) == coded


@given(seeds, steps, st.sampled_from([0.02, 0.1, 0.4]))
def test_rounding_that_knows_the_price_never_costs_more(seed, step, price):
    """By its own ruler: squared error in steps plus price times bits, bits as the real coder has them."""
    weights = tensor(seed)
    plain, priced = (CODES["grid"](weights, step, Rounding(0.0, p), None) for p in (0.0, price))

    def cost(coded):
        return np.square((coded.weights - weights) / STEPS[step]).sum() + price * code_bits(coded.codes)

    assert cost(priced) <= cost(plain) + 1e-6
    assert (np.abs(priced.codes) <= np.abs(plain.codes)).all()
    assert (priced.codes * plain.codes >= 0).all()


def test_a_price_saves_bits():
    weights = tensor(1, shape=(100, 25))
    sizes = [code_bits(CODES["grid"](weights, 38, Rounding(0.0, p), None).codes) for p in (0.0, 0.1, 0.4)]
    assert sizes[0] > 1.02 * sizes[1] > 1.02 * sizes[2]


@given(seeds, steps)
def test_signs_have_one_scale_the_best_one_there_is(seed, step):
    weights = tensor(seed)
    for name, values in (("sign", {-1, 1}), ("ternary", {-1, 0, 1})):
        coded = CODES[name](weights, step, Rounding(), None)
        assert set(coded.codes.ravel()) <= values
        assume(coded.codes.any())
        errors = [np.square(STEPS[s] * coded.codes - weights).sum() for s in range(64)]
        assert errors[coded.step] <= 1.02 * min(errors)  # nearest on a log scale, not on the error's own
        assert (np.sign(weights)[coded.codes != 0] == coded.codes[coded.codes != 0]).all()


@given(seeds, st.integers(36, 46))
def test_a_codebook_fits_better_than_the_grid_it_starts_from(seed, step):
    weights = tensor(seed)
    book, grid = (CODES[name](weights, step, Rounding(), None) for name in ("book", "grid"))
    assume(book is not None)
    assert isinstance(book, Book)
    assert len(book.levels) <= 16
    assert np.square(book.weights - weights).sum() <= np.square(grid.weights - weights).sum() + 1e-4


def test_a_codebook_needs_two_levels_and_at_most_sixteen():
    assert CODES["book"](np.zeros(20, np.float32), 40, Rounding(), None) is None
    assert CODES["book"](np.linspace(-9, 9, 99, dtype=np.float32), 30, Rounding(), None) is None


def test_a_transform_needs_a_rectangle_and_turns_smooth_kernels_into_few_numbers():
    y, x = np.mgrid[-2:3, -2:3]
    smooth = np.stack([np.exp(-(y**2 + x**2) / s).ravel() for s in (2, 3, 5)]).astype(np.float32)
    assert CODES["dct"](smooth, 36, Rounding(), None) is None
    coded, grid = (CODES[name](smooth, 36, Rounding(), BLOCK) for name in ("dct", "grid"))
    assert isinstance(coded, Transformed)
    assert np.count_nonzero(coded.codes) < 0.6 * np.count_nonzero(grid.codes)
    assert np.abs(forward(coded.weights, BLOCK) - forward(smooth, BLOCK)).max() < 0.51 * STEPS[36]


def test_half_is_exact_to_float16_and_never_infinite():
    weights = np.array([1.0, 1 / 3, 1e6, -1e6], np.float32)
    coded = CODES["half"](weights, 0, Rounding(), None)
    assert isinstance(coded, Half)
    assert coded.weights.tolist() == [1.0, float(np.float16(1 / 3)), 65504.0, -65504.0]


def test_steps_are_found_on_a_log_scale():
    assert [nearest_step(float(STEPS[k])) for k in range(64)] == list(range(64))
    assert nearest_step(1e-30) == 0
    assert nearest_step(1e30) == 63
    assert STEPS[first_step(np.zeros(5))] == pytest.approx(0.025, rel=0.1)
    assert isinstance(CODES["grid"](np.ones(3), first_step(np.ones(3)), Rounding(), None), Quantised)
