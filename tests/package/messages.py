"""Messages for the coders of version 2."""

from math import log2
from typing import Any

import numpy as np
from hypothesis import strategies as st

from evonet.package import words
from evonet.package.symbols import WHOLE, Integers, ManyReader, ManyWriter

Symbol = tuple[str, Any, Any]  # how it is coded, what it is, and under what

LIMITS = st.sampled_from([1, 2, 3, 255, 256, 4096, 2**20, 2**23 - 1])


def tables() -> st.SearchStrategy[Integers]:
    """Static tables of 2 to 40 symbols; many have symbols of the least frequency there is."""
    bounds = st.lists(st.integers(1, WHOLE - 1) | LIMITS | LIMITS.map(WHOLE.__sub__), min_size=1, max_size=39)
    return bounds.map(lambda inner: np.diff([0, *sorted(set(inner)), WHOLE]))


@st.composite
def symbols(draw: st.DrawFn) -> Symbol:
    kind = draw(st.sampled_from(["bit", "uniform", "symbol", "many"]))
    if kind == "bit":
        return kind, draw(st.booleans()), (draw(LIMITS), draw(LIMITS))
    if kind == "uniform":
        total = draw(st.integers(2, 300))
        return kind, draw(st.integers(0, total - 1)), total
    if kind == "symbol":
        frequencies = draw(st.lists(st.integers(1, 2**18), min_size=2, max_size=20))
        return kind, draw(st.integers(0, len(frequencies) - 1)), frequencies
    table = draw(tables())
    ends = st.sampled_from([0, len(table) - 1])
    return kind, draw(st.lists(st.integers(0, len(table) - 1) | ends, max_size=12)), table


messages = st.lists(symbols(), max_size=60)


def write(encoder: ManyWriter, message: list[Symbol]) -> bytes:
    for kind, value, under in message:
        if kind == "bit":
            encoder.bit(value, *under)
        elif kind == "uniform":
            encoder.uniform(value, under)
        elif kind == "symbol":
            encoder.symbol(value, under)
        else:
            encoder.many(np.array(value, dtype=np.int64), under)
    return encoder.finish()


def read(decoder: ManyReader, message: list[Symbol]) -> list[Any]:
    out: list[Any] = []
    for kind, value, under in message:
        if kind == "bit":
            out.append(decoder.bit(*under))
        elif kind == "uniform":
            out.append(decoder.uniform(under))
        elif kind == "symbol":
            out.append(decoder.symbol(under))
        else:
            out.append(decoder.many(len(value), under).tolist())
    return out


def values(message: list[Symbol]) -> list[Any]:
    return [value for _, value, _ in message]


def ideal_bits(message: list[Symbol]) -> float:
    bits = 0.0
    for kind, value, under in message:
        if kind == "bit":
            bits += log2(sum(under) / under[value])
        elif kind == "uniform":
            bits += log2(under)
        elif kind == "symbol":
            bits += log2(sum(under) / under[value])
        else:
            bits += sum(log2(WHOLE / int(under[symbol])) for symbol in value)
    return bits


def carrying(count: int, last: int | None) -> list[Symbol]:
    """Symbols all of which keep 1/2 inside the interval, so that it stays open which words are out; then one that
    decides for below (`last` = 0) or above (2), that leaves the least room below (1), or none (None)."""
    half, message = words.Decoder(b"\x80"), list[Symbol]()
    for symbol in [1] * count + [last] * (last is not None):
        place = half.peek(WHOLE)
        message.append(("symbol", symbol, [place - 1, 3, WHOLE - place - 2]))
        half.drop(place - 1, 3)
    if last == 1:
        _, _, (below, _, _) = message.pop()
        message.append(("symbol", 1, [below + 1, 2, WHOLE - below - 3]))
    return message
