"""The range coder: what goes in comes out, in as few bytes as the chances allow."""

from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonet.errors import PackageError
from evonet.package.coder import Decoder, Encoder

Symbol = tuple[int, tuple[int, ...]]  # the symbol and the frequencies of all symbols at its place


@st.composite
def symbols(draw: st.DrawFn) -> Symbol:
    frequencies = draw(st.lists(st.integers(1, 2**20), min_size=1, max_size=6).map(tuple))
    return draw(st.integers(0, len(frequencies) - 1)), frequencies


def encoded(message: list[Symbol]) -> bytes:
    encoder = Encoder()
    for symbol, frequencies in message:
        encoder.encode(sum(frequencies[:symbol]), frequencies[symbol], sum(frequencies))
    return encoder.finish()


def decoded(data: bytes, message: list[Symbol]) -> list[int]:
    decoder, out = Decoder(data), []
    for _, frequencies in message:
        place, symbol, below = decoder.peek(sum(frequencies)), 0, 0
        while place >= below + frequencies[symbol]:
            below += frequencies[symbol]
            symbol += 1
        decoder.drop(below, frequencies[symbol])
        out.append(symbol)
    return out


def ideal_bits(message: list[Symbol]) -> float:
    return sum(log2(sum(frequencies) / frequencies[symbol]) for symbol, frequencies in message)


@settings(deadline=None)
@given(st.lists(symbols(), max_size=200))
def test_round_trip_and_length(message: list[Symbol]) -> None:
    data = encoded(message)
    assert decoded(data, message) == [symbol for symbol, _ in message]
    assert len(data) <= ideal_bits(message) / 8 + 1.1


@settings(deadline=None)
@given(st.lists(symbols(), max_size=30))
def test_no_shorter_message_decodes_alike(message: list[Symbol]) -> None:
    data = encoded(message)
    assert not data.endswith(b"\0")
    want = [symbol for symbol, _ in message]
    for last in range(256) if len(data) > 1 else []:
        shorter = data[:-2] + bytes([last])
        try:
            assert decoded(shorter, message) != want
        except PackageError:
            continue


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_carry_runs_through_many_full_bytes(full: int, after: int) -> None:
    """Bytes 0x80, then 255s: the interval stays just below a round number, so the last symbol carries through."""
    message: list[Symbol] = [(1, (1, 1)), (0, (1, 255))]
    message += [(255, (1,) * 256)] * full + [(after, (1,) * 256)] + [(0, (3, 2))] * 7 + [(1, (3, 2))] * 7
    assert decoded(encoded(message), message) == [symbol for symbol, _ in message]


def test_what_is_certain_costs_nothing() -> None:
    assert encoded([]) == b""
    assert encoded([(0, (7,))] * 100) == b""
    assert encoded([(0, (1, 1))] * 100) == b""  # the number 0 lies in every first interval


def test_bits_and_uniform_agree_with_encode() -> None:
    encoder = Encoder()
    for k in range(100):
        encoder.bit(k % 3 == 0, 2, 1)
        encoder.uniform(k, 100)
    decoder = Decoder(encoder.finish())
    assert [(decoder.bit(2, 1), decoder.uniform(100)) for _ in range(100)] == [(k % 3 == 0, k) for k in range(100)]


def test_a_number_outside_every_interval_is_refused() -> None:
    with pytest.raises(PackageError, match="leaves the coder's interval"):
        Decoder(b"\xff" * 8).uniform(3 * 2**20)
