"""Models of codes and steps: frozen figures, and costs that are what the coder writes."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package.forms_examples import large_packages, packages_of_forms
from package.package_examples import packages, small_package

from evonet.package import STEPS, Package, words
from evonet.package.coder import Decoder, Encoder
from evonet.package.cost import code_bits, counts_after, magnitude_bits, tensors_bits
from evonet.package.models import CAP, LARGEST, START, UNIT, decode_codes, encode_codes, step_frequencies
from evonet.package.symbols import WHOLE
from evonet.package.tensors import slots_of, version_of, write_forms, write_tensors
from evonet.plan import expand

code_arrays = st.integers(0, LARGEST).flatmap(lambda most: st.lists(st.integers(-most, most), min_size=1, max_size=300))


class Meter(Encoder):
    """An encoder that sums up the ideal bits of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = 0.0

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        self.bits += log2(total / frequency)
        super().encode(cumulative, frequency, total)


def test_steps_are_the_float32_values_of_quarter_octaves() -> None:
    exact = 2.0 ** ((np.arange(64) - 40) / 4)
    assert STEPS.dtype == np.float32
    assert (exact.astype(np.float32) == STEPS).all()


def test_step_frequencies_are_frozen() -> None:
    assert step_frequencies(32)[28:37] == (204, 315, 512, 819, 1024, 819, 512, 315, 204)
    for reference in range(64):
        assert len(step_frequencies(reference)) == 64
        assert min(step_frequencies(reference)) >= 1


@settings(deadline=None)
@given(st.lists(code_arrays, min_size=1, max_size=3))
def test_codes_come_back_and_cost_what_is_said(tensors: list[list[int]]) -> None:
    encoder, counts, bits = Meter(), START, 0.0
    for codes in tensors:
        if any(codes):
            array = np.array(codes, dtype=np.int16)
            bits += code_bits(array, counts)
            after = encode_codes(encoder, codes, counts)
            assert after == counts_after(array, counts)
            assert all(no >= 1 and yes >= 1 and no + yes <= CAP + 1 for no, yes in after)
            counts = after
    assert bits == pytest.approx(encoder.bits, abs=1e-6)
    data = encoder.finish()
    assert len(data) <= bits / 8 + 1.01
    decoder, counts = Decoder(data), START
    for codes in tensors:
        if any(codes):
            read, counts = decode_codes(decoder, len(codes), counts)
            assert read == codes


@settings(deadline=None, max_examples=40)
@given(packages())
def test_tensors_bits_is_what_their_part_takes(package: Package) -> None:
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    encoder = Meter()
    write_tensors(encoder, package.tensors, plan)
    assert tensors_bits(plan.tensors, package.tensors) == pytest.approx(encoder.bits, abs=1e-6)


class WordMeter(words.Encoder):
    """As `Meter`, of version 2: what it narrows by, shares rounded to 2**-24."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = 0.0

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        self.bits -= log2(((cumulative + frequency) * WHOLE // total - cumulative * WHOLE // total) / WHOLE)
        super().encode(cumulative, frequency, total)


@settings(max_examples=25)
@given(st.one_of(packages_of_forms(), large_packages()))
def test_tensors_bits_is_what_they_take_in_version_2(package: Package) -> None:
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    encoder = WordMeter()
    write_forms(encoder, package.tensors, slots_of(plan))
    bits = tensors_bits(plan.tensors, package.tensors, version=2)
    assert bits == pytest.approx(encoder.bits, rel=1e-6, abs=1e-3)
    if version_of(package.tensors) == 2:
        assert tensors_bits(plan.tensors, package.tensors) == bits


@settings(deadline=None)
@given(code_arrays, st.integers(0, LARGEST))
def test_magnitude_bits_prices_one_more_weight(codes: list[int], more: int) -> None:
    before, after = np.array(codes), np.array([*codes, more])
    if not before.any():
        before, after = np.append(before, 1), np.append(after, 1)
    difference = code_bits(after) - code_bits(before)
    price = magnitude_bits(before)[more]
    if more <= 4:
        assert difference == pytest.approx(price, abs=1e-6)
    else:
        # The shared question is asked up to 12 times and learns on the way: a yes only gets cheaper, and the no that
        # ends it dearer by at most log2(1 + 12 UNIT / least total of its counts).
        least_total = sum(START[-1])
        assert difference <= price + log2(1 + 12 * UNIT / least_total) + 1e-6
        assert difference > magnitude_bits(before)[4] - magnitude_bits(before)[1]


def test_a_tensor_of_zeros_is_a_flag() -> None:
    zeros = np.zeros((3, 4), dtype=np.int16)
    assert code_bits(zeros) == 0.0
    assert counts_after(zeros) == START


def test_cost_is_the_entropy_and_little_more() -> None:
    """On 1,000 weights the models must stay within 2 % and a few bits of what the histogram itself would allow."""
    stream = np.concatenate([q.codes.ravel() for q in small_package(spread=6).tensors])
    _, often = np.unique(stream, return_counts=True)
    entropy = float(-(often * np.log2(often / stream.size)).sum())
    assert entropy < code_bits(stream) < 1.02 * entropy + 40
