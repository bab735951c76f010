"""Coded tensors: the weights that they stand for, to the bit, and what makes two of them equal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonet.package import STEPS, Book, Half, Quantised, Transformed
from evonet.package.transform import BASIS_BITS, basis, forward, integer_basis, inverse

sides = st.integers(1, 15)


def test_no_entry_of_the_basis_lies_near_a_rounding_boundary() -> None:
    """So that every library of cosines, all being right to 1e-15, gives the same integers."""
    for size in range(1, 16):
        entries = np.array(basis(size)) * 2**BASIS_BITS
        assert np.abs(entries - np.floor(entries) - 0.5).min() > 1e-3
        assert np.allclose(np.array(basis(size)) @ np.array(basis(size)).T, np.eye(size), atol=1e-12)
        assert (np.array(integer_basis(size)) == np.rint(entries)).all()


def test_the_integer_basis_is_frozen() -> None:
    assert integer_basis(1) == ((16384,),)
    assert integer_basis(3) == ((9459, 9459, 9459), (11585, 0, -11585), (6689, -13377, 6689))
    assert sum(abs(v) * (k + 1) for k, v in enumerate(sum(integer_basis(15), ()))) == 96710530


@given(sides, sides, st.integers(1, 3), st.integers(0, 2**32))
def test_inverse_undoes_forward(rows: int, columns: int, blocks: int, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(2, blocks * rows * columns))
    coefficients = forward(weights, (rows, columns))
    assert coefficients.shape == weights.shape
    assert np.square(coefficients).sum() == pytest.approx(np.square(weights).sum())
    scale = 127 / np.abs(coefficients).max()
    codes = np.rint(coefficients * scale).astype(np.int16)
    back = inverse(codes, (rows, columns)) * 2.0 ** (-2 * BASIS_BITS)
    # Half a code of error a coefficient, and the basis is rounded to 2**-14.
    assert np.abs(back / scale - weights).max() <= (0.5 * rows * columns + 0.3) / scale


def test_a_block_is_read_row_by_row_and_blocks_follow_each_other() -> None:
    codes = np.zeros((1, 12), dtype=np.int16)
    codes[0, 6 + 3] = 1  # second block of 2 x 3: one up and down, constant along its rows
    weights = Transformed(40, codes, (2, 3)).weights
    assert weights[0, :6].tolist() == [0] * 6
    assert np.allclose(weights[0, 6:], np.array([1, 1, 1, -1, -1, -1]) / np.sqrt(6), atol=1e-4)


@given(sides, sides, st.integers(0, 63), st.integers(0, 2**32))
def test_transformed_weights_are_exact(rows: int, columns: int, step: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(-127, 128, (1, rows * columns)).astype(np.int16)
    weights = Transformed(step, codes, (rows, columns)).weights
    assert weights.dtype == np.float32
    place = int(np.random.default_rng(seed).integers(rows * columns))
    y, x = divmod(place, columns)
    whole = sum(
        int(codes[0, u * columns + v]) * integer_basis(rows)[u][y] * integer_basis(columns)[v][x]
        for u in range(rows)
        for v in range(columns)
    )
    assert weights[0, place] == STEPS[step] * np.float32(whole * 2.0**-28)


def test_books_and_halves_are_their_levels_and_values() -> None:
    book = Book(np.array([-1.5, 0, 2], np.float16), np.array([[2, 0], [1, 2]], np.int16))
    assert book.weights.dtype == np.float32
    assert book.weights.tolist() == [[2, -1.5], [0, 2]]
    half = Half(np.array([[0.1, -0.0]], np.float16))
    assert half.weights.dtype == np.float32
    assert half.weights[0, 0] == np.float32(np.float16(0.1))
    assert np.signbit(half.weights[0, 1])
    assert [value.shape for value in (book, half)] == [(2, 2), (1, 2)]


def test_zeros() -> None:
    none, some = np.zeros(3, np.int16), np.array([0, 1, 0], np.int16)
    assert Quantised(3, none).zeros
    assert not Quantised(3, some).zeros
    assert Transformed(3, none, (1, 3)).zeros
    assert not Transformed(3, some, (1, 3)).zeros
    assert Half(none.astype(np.float16)).zeros
    assert not Half(np.array([0.0, -0.0], np.float16)).zeros  # -0.0 is not what a tensor of zeros gives back
    assert not Book(np.array([0, 1], np.float16), some).zeros


def test_equality_sees_everything() -> None:
    a, b = np.array([0, 1, 2], np.int16), np.array([0, 1, 3], np.int16)
    levels, signed = np.array([0, 1, 2], np.float16), np.array([-0.0, 1, 2], np.float16)
    values = [
        Quantised(1, a), Quantised(2, a), Quantised(1, b),
        Transformed(1, a, (1, 3)), Transformed(2, a, (1, 3)), Transformed(1, b, (1, 3)), Transformed(1, a, (3, 1)),
        Book(levels, a), Book(levels * 2, a), Book(signed, a), Book(levels, a[::-1]),
        Half(levels), Half(signed), Half(levels[:2]),
    ]  # fmt: skip
    for i, one in enumerate(values):
        for k, other in enumerate(values):
            assert (one == other) == (i == k)
    assert Transformed(1, a, (1, 3)) == Transformed(1, a.copy(), (1, 3))
    assert Book(levels, a) == Book(levels.copy(), a.copy())
    assert Half(levels) == Half(levels.copy())
