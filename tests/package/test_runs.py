"""Runs of large tensors: tables that are what they should be, and how near the entropy they come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonet.package import fast, runs, words
from evonet.package.models import LARGEST, START, counted, scaled
from evonet.package.symbols import WHOLE, Integers

histograms = st.lists(st.integers(0, 2**18 // 128), min_size=128, max_size=128).map(np.array)
counts = st.tuples(*[st.tuples(st.integers(1, 128), st.integers(1, 128))] * 5)


def laplace(size: int, bits: float, seed: int) -> Integers:
    """Laplace-distributed codes whose empirical entropy is `bits` a weight."""
    noise, low, high = np.random.default_rng(seed).laplace(size=size), 0.05, 40.0
    for _ in range(30):
        middle = (low * high) ** 0.5
        codes = np.rint(noise * middle).clip(-LARGEST, LARGEST).astype(np.int64)
        low, high = (middle, high) if entropy(codes) < bits * size else (low, middle)
    return codes


def entropy(codes: Integers) -> float:
    _, often = np.unique(codes, return_counts=True)
    return float(-(often * np.log2(often / codes.size)).sum())


def test_runs_double_up_to_their_limit() -> None:
    lengths = [run.stop - run.start for run in runs.runs(20000)]
    assert lengths == [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096, 3632]
    assert list(runs.runs(10)) == [slice(0, 10)]


def test_what_is_coded_in_runs() -> None:
    """Large tensors, and those that would make it too many weights to code one by one; a smaller one still fits."""
    pace = runs.Pace()
    assert [pace.in_runs(size) for size in (4096, 4097, 4000, 100, 96, 1)] == [False, True, False, True, False, True]
    assert not runs.possible([4096, 4096])
    assert runs.possible([4096, 4096, 1])
    assert runs.possible([4097])


@settings(max_examples=30)
@given(histograms, counts)
def test_tables_are_whole_and_even(histogram: Integers, pairs: tuple[tuple[int, int], ...]) -> None:
    learning = runs.Codes(pairs)
    learning.learn(np.repeat(np.arange(LARGEST, 2 * LARGEST + 1), histogram))
    table = learning.table()
    assert table.shape == (255,)
    assert table.sum() == WHOLE
    assert table.min() >= 1
    assert np.abs(table - table[::-1]).max() <= 1
    assert learning.counts == scaled(counted(histogram, pairs))


def test_the_first_table_is_frozen() -> None:
    """As its questions start, so a tensor starts: six in sixteen codes are zero."""
    table = runs.Codes(START).table()
    assert table[LARGEST : LARGEST + 6].tolist() == [6280533, 3107555, 1262445, 512773, 208407, 84590]
    assert table[LARGEST] / WHOLE == pytest.approx(6 / 16, abs=1e-3)


def test_the_most_weights_there_can_be_do_not_overflow() -> None:
    for code in (0, 127, -127):
        learning = runs.Codes(START)
        learning.learn(np.full(2**18, code + LARGEST))
        table = learning.table()
        assert table.sum() == WHOLE
        assert table.min() >= 1
        assert table[code + LARGEST] > 0.49 * WHOLE


@pytest.mark.parametrize(
    "size, bits, over", [(s, b, o) for s, o in ((20000, 1.5), (100000, 0.7)) for b in (1, 2, 3, 4)]
)
def test_runs_take_little_more_than_the_entropy(size: int, over: float, bits: int) -> None:
    """In percent; measured are 0.1 to 0.4 and below 0.1."""
    codes = laplace(size, bits, seed=bits)
    encoder = fast.Encoder()
    runs.write(encoder, codes + LARGEST, runs.Codes(START))
    data = encoder.finish()
    assert 8 * len(data) < (1 + 0.01 * over) * entropy(codes)
    assert runs.bits(codes + LARGEST, runs.Codes(START)) / 8 == pytest.approx(len(data), rel=3e-4)
    back = runs.read(fast.Decoder(words.Decoder(data)), size, runs.Codes(START)) - LARGEST
    assert (back == codes).all()


def test_a_book_learns_its_indices() -> None:
    indices = np.random.default_rng(0).choice(3, 20000, p=[0.05, 0.9, 0.05])
    assert entropy(indices) < runs.bits(indices, runs.Indices(3)) < 1.005 * entropy(indices)
