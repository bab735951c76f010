"""The coder of version 2 by constriction: the bytes of `evonet.package.words`, quick on runs under one table.

The only importer of constriction; import it where a stream needs it.

`Categorical(p, perfect=False)` gives symbol k the share from floor(scale * (p_0 + ... + p_(k-1))) + k on, with scale =
(2**24 - n) / sum(p). Integers p that sum to 2**24 - n make the scale 1 and every sum exact, so frequencies are p + 1.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from evonet.package import words
from evonet.package.coder import left_interval, shortest
from evonet.package.symbols import PRECISION, WHOLE, Encoding, Integers

_stream: Any = constriction.stream  # type: ignore[attr-defined]  # made when constriction is imported
Categorical, RangeDecoder, RangeEncoder = (
    _stream.model.Categorical,
    _stream.queue.RangeDecoder,
    _stream.queue.RangeEncoder,
)


class Encoder(Encoding):
    """As `words.Encoder`."""

    def __init__(self) -> None:
        self._coder = RangeEncoder()

    def encode(self, cumulative: int, frequency: int, total: int) -> None:
        below, above = (cumulative << PRECISION) // total, ((cumulative + frequency) << PRECISION) // total
        if below and above < WHOLE:
            self._coder.encode(1, _model([below, above]))
        else:
            self._coder.encode(bool(below), _split(below or above))

    def many(self, symbols: NDArray[np.integer], frequencies: Integers) -> None:
        self._coder.encode(symbols.astype(np.int32), _table(frequencies))

    def finish(self) -> bytes:
        """The message; no shorter one, zero-padded, lies in the interval."""
        number, (low, range_) = self._coder.pos()
        out = self._coder.get_compressed()[:number].astype(">u4").tobytes()
        if low + (1 << words.WORD) > 1 << words.WIDTH:
            # constriction ends at low + 2**32 - 1, and has carried it into its words where that is too much.
            out = (int.from_bytes(out, "big") - 1).to_bytes(len(out), "big")
        return shortest(bytearray(out), low, range_, words.WIDTH)


class Decoder:
    """As `words.Decoder`; goes on where one of these is, which is used up."""

    def __init__(self, begun: words.Decoder) -> None:
        size = max(begun.taken, -(-len(begun.data) // 4) * 4)
        self._coder = RangeDecoder(np.frombuffer(begun.data.ljust(size, b"\0"), dtype=">u4").astype(np.uint32))
        self._coder.seek((begun.taken - words.WIDTH // 8) // 4, begun.interval)

    def bit(self, no: int, yes: int) -> bool:
        return bool(self._one(_split((no << PRECISION) // (no + yes))))

    def uniform(self, total: int) -> int:
        return self._one(_even(total))

    def symbol(self, frequencies: Sequence[int]) -> int:
        *bounds, total = accumulate(frequencies)
        return self._one(_model([(bound << PRECISION) // total for bound in bounds]))

    def many(self, number: int, frequencies: Integers) -> Integers:
        try:
            symbols: Integers = self._coder.decode(_table(frequencies), number).astype(np.int64)
        except AssertionError as error:
            raise left_interval() from error
        return symbols

    def _one(self, model: Any) -> int:
        try:
            return int(self._coder.decode(model))
        except AssertionError as error:
            raise left_interval() from error


def _model(bounds: Sequence[int]) -> Any:
    """The model whose symbols part [0, 2**24) at `bounds`, ascending and within."""
    widths = [above - below - 1.0 for below, above in zip((0, *bounds), (*bounds, WHOLE), strict=True)]
    return Categorical(np.array(widths), perfect=False)


def _split(bound: int) -> Any:
    """As `_model`, of two symbols: what most calls are for."""
    return Categorical(np.array((bound - 1.0, WHOLE - bound - 1.0)), perfect=False)


def _table(frequencies: Integers) -> Any:
    return Categorical(frequencies - 1.0, perfect=False)


@lru_cache(maxsize=64)
def _even(total: int) -> Any:
    return _model([(k << PRECISION) // total for k in range(1, total)])
