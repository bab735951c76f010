"""The two coders of version 2: the specification in Python, and constriction."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package.messages import Symbol, carrying, ideal_bits, messages, read, symbols, tables, values, write

from evonet.errors import PackageError
from evonet.package import fast, words
from evonet.package.symbols import WHOLE, Integers, ManyReader, ManyWriter


class Coder(NamedTuple):
    encoder: Callable[[], ManyWriter]
    decoder: Callable[[bytes], ManyReader]


BOTH = pytest.mark.parametrize(
    "coder",
    [
        pytest.param(Coder(words.Encoder, words.Decoder), id="python"),
        pytest.param(Coder(fast.Encoder, lambda data: fast.Decoder(words.Decoder(data))), id="constriction"),
    ],
)


@settings(max_examples=40)
@given(message=messages)
@BOTH
def test_round_trip_and_length(coder: Coder, message: list[Symbol]) -> None:
    data = write(coder.encoder(), message)
    assert read(coder.decoder(data), message) == values(message)
    count = sum(len(value) if kind == "many" else 1 for kind, value, _ in message)
    assert len(data) <= (ideal_bits(message) + 0.01 * count) / 8 + 1.1


@settings(max_examples=40)
@given(message=messages)
@BOTH
def test_same_bytes_as_the_specification(coder: Coder, message: list[Symbol]) -> None:
    assert write(coder.encoder(), message) == write(words.Encoder(), message)


@BOTH
@pytest.mark.parametrize("last", [0, 1, 2, None])
def test_carries(coder: Coder, last: int | None) -> None:
    for count in range(60):
        message = carrying(count, last)
        for more in ([], [("bit", True, (1, 9))] * 9):
            data = write(coder.encoder(), message + more)
            assert data == write(words.Encoder(), message + more)
            assert read(coder.decoder(data), message + more) == values(message + more)


@settings(max_examples=25)
@given(message=st.lists(symbols(), max_size=8))
@BOTH
def test_no_shorter_message_decodes_alike(coder: Coder, message: list[Symbol]) -> None:
    data = write(coder.encoder(), message)
    assert not data.endswith(b"\0")
    for last in range(256) if len(data) > 1 else []:
        try:
            assert read(coder.decoder(data[:-2] + bytes([last])), message) != values(message)
        except PackageError:
            continue


@BOTH
def test_an_empty_message_is_empty(coder: Coder) -> None:
    assert write(coder.encoder(), []) == b""
    assert write(coder.encoder(), [("many", [], np.array([1, WHOLE - 1]))]) == b""
    assert read(coder.decoder(b""), []) == []
    assert write(coder.encoder(), [("bit", False, (1, 1))] * 100) == b""  # the number 0 lies in every first interval


@BOTH
def test_missing_bytes_are_zeros(coder: Coder) -> None:
    assert coder.decoder(b"").many(1000, np.array([5, WHOLE - 5])).tolist() == [0] * 1000
    decoder = coder.decoder(b"\x80")
    assert [decoder.bit(1, 1) for _ in range(3)] == [True, False, False]


@BOTH
def test_a_number_outside_every_interval_is_refused(coder: Coder) -> None:
    table = np.array([5, WHOLE - 5])
    for ask in (lambda d: d.many(9, table), lambda d: d.uniform(5), lambda d: d.bit(1, 2), lambda d: d.symbol([1, 2])):
        with pytest.raises(PackageError, match="leaves the coder's interval"):
            ask(coder.decoder(b"\xff" * 16))


@settings(max_examples=40)
@given(messages, st.integers(0, 60))
def test_constriction_goes_on_where_python_is(message: list[Symbol], place: int) -> None:
    begun = words.Decoder(write(words.Encoder(), message))
    head = read(begun, message[:place])
    assert head + read(fast.Decoder(begun), message[place:]) == values(message)


def test_it_goes_on_far_into_a_message_and_behind_its_end() -> None:
    message: list[Symbol] = [("uniform", k * k % 251, 251) for k in range(200)] + [("uniform", 0, 251)] * 30
    data = write(words.Encoder(), message)
    for place in range(0, len(message), 7):
        begun = words.Decoder(data)
        head = read(begun, message[:place])
        assert head + read(fast.Decoder(begun), message[place:]) == values(message)
    assert fast.Decoder(begun).uniform(3) == 0


@settings(max_examples=40)
@given(tables())
def test_constriction_has_exactly_the_frequencies_given(table: Integers) -> None:
    """Coding a symbol divides the interval by its frequency: as the specification does, for every symbol of a table."""
    for symbol in range(len(table)):
        python, quick = words.Encoder(), fast.Encoder()
        for encoder in (python, quick):
            encoder.many(np.array([symbol, symbol]), table)
        assert quick.finish() == python.finish()


@pytest.mark.parametrize("size", [2, 3, 15, 255, 256, 65536])
def test_tables_of_every_size(size: int) -> None:
    numbers = np.random.default_rng(size)
    inner = np.sort(numbers.choice(WHOLE - 1, size - 1, replace=False)) + 1
    table = np.diff([0, *inner, WHOLE])
    symbols = numbers.choice(size, 3000, p=table / WHOLE)
    message: list[Symbol] = [("many", symbols.tolist(), table)]
    data = write(fast.Encoder(), message)
    assert data == write(words.Encoder(), message)
    assert read(fast.Decoder(words.Decoder(data)), message) == [symbols.tolist()]


def test_a_long_message_in_both() -> None:
    numbers = np.random.default_rng(3)
    message: list[Symbol] = [("bit", bool(numbers.random() < 0.01), (99, 1)) for _ in range(3000)]
    message.append(("many", numbers.integers(0, 3, 20000).tolist(), np.array([1, WHOLE - 2, 1])))
    assert write(fast.Encoder(), message) == write(words.Encoder(), message)
