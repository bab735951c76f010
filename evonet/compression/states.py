"""Codes for a tensor of which nothing is known but its weights: the fewest bits at an error that is asked for.

The error is the root of sum (w - decoded)^2 / sum w^2. It says what a code does to the weights, not what that does to
the network; where the user's own loss is known, `evonet.packing` asks for errors, tensor by tensor, that it bears.
"""

from collections.abc import Iterator
from math import floor, log2, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evonet.compression.codes import CODES, Rounding
from evonet.compression.codes.base import Block, Weights
from evonet.compression.codes.half import MOST
from evonet.compression.settings import CodeName
from evonet.package import STEPS, Book, Coded, Half, Quantised
from evonet.package.cost import each_bits
from evonet.package.head import MOST_SCALE
from evonet.package.named import joined, kind_of
from evonet.package.tensors import MOST_LEVELS
from evonet.package.transform import LARGEST_SIDE

PRICES = (0.0, 0.05, 0.1, 0.2)  # of a bit in rounding, squared steps; ascending
LARGEST_BOOK = 4096  # weights for which levels are searched: it takes a second for a hundred thousand
SIGNS_FROM = 0.3  # the error from which one scale for all weights is worth a look
KERNEL = 5  # rows and columns from which a kernel is worth a transform
COARSER, FINER = 4, 24  # quarter octaves around the step of this error without dead zone

_STEPS = len(STEPS)
_UNIT = 40  # the index of step 1


class Choice(NamedTuple):
    """A code, `scale` as in `evonet.package.named`, and what it comes to."""

    coded: Coded
    scale: int
    error: float  # relative, as above; 0 for zeros
    bits: float  # alone in a file


def choose(weights: NDArray[np.float32], error: float) -> Choice | None:
    """The code of the fewest bits whose error is at most `error`, in 0..1; None if there is none.

    weights: finite float32 of any shape. The code is of `joined` shape.
    """
    kind, size = kind_of(weights.shape), float(np.sqrt(np.square(weights, dtype=np.float64).sum()))
    flat = weights.reshape(joined(weights.shape))
    best = None
    for coded, scale in _candidates(flat, error, _block(weights.shape)):
        choice = Choice(coded, scale, off(flat, coded, scale) / size if size else 0.0, each_bits([kind], [coded])[0])
        if choice.error <= error and (best is None or choice.bits < best.bits):
            best = choice
    return best


def off(weights: Weights, coded: Coded, scale: int) -> float:
    """Root of the summed squares of what the code is off by."""
    return float(np.sqrt(np.square(weights - np.ldexp(coded.weights, 16 * scale), dtype=np.float64).sum()))


def _candidates(weights: Weights, error: float, block: Block | None) -> Iterator[tuple[Coded, int]]:
    rms = float(np.sqrt(np.square(weights, dtype=np.float64).mean())) if weights.size else 0.0
    if not rms or error >= 1:
        yield Quantised(0, np.zeros(weights.shape, dtype=np.int16)), 0
        return
    yield from _halves(weights)
    yield from _few(weights)
    # Uniform rounding is off by step / sqrt(12).
    start = min(_ladder(max(error, 1e-6) * sqrt(12) * rms), _ladder(rms)) + COARSER
    names: list[CodeName] = ["grid", *(["dct"] if block else ()), *(["ternary"] if error >= SIGNS_FROM else ())]
    names += ["book"] if weights.size <= LARGEST_BOOK else []
    for name in names:
        place = start
        for price in PRICES if name != "ternary" else PRICES[:1]:
            found, place = _coarsest(name, weights, error * rms, place, Rounding(price=price), block)
            if found is None:
                break
            yield found
    if error >= SIGNS_FROM:
        yield from _signs(weights, start)


def _coarsest(
    name: CodeName, weights: Weights, most: float, start: int, rounding: Rounding, block: Block | None
) -> tuple[tuple[Coded, int] | None, int]:
    """The code at the largest step from `start` down whose root mean square error is at most `most`, and that step."""
    for place in range(start, start - COARSER - FINER, -1):
        found = _at(name, weights, place, rounding, block)
        if found and off(weights, *found) <= most * sqrt(weights.size):
            return found, place
    return None, start


def _at(
    name: CodeName, weights: Weights, place: int, rounding: Rounding, block: Block | None
) -> tuple[Coded, int] | None:
    """`place`: a step on a ladder without end; 64 of its rungs make one of `scale`."""
    scale = min(max(place // _STEPS, -MOST_SCALE), MOST_SCALE)
    step = min(max(place - scale * _STEPS, 0), _STEPS - 1)
    scaled = np.ldexp(weights, -16 * scale)
    if name == "book" and np.abs(scaled).max() > MOST:
        return None
    coded = CODES[name](scaled, step, rounding, block)
    return None if coded is None else (coded, 0 if coded.zeros else scale)


def _ladder(size: float) -> int:
    return round(4 * log2(max(size, 1e-37))) + _UNIT


def _signs(weights: Weights, place: int) -> Iterator[tuple[Coded, int]]:
    found = _at("sign", weights, place, Rounding(), None)
    if found:
        yield found


def _halves(weights: Weights) -> Iterator[tuple[Coded, int]]:
    """As they are, if float16 can hold them, and where it holds the largest best."""
    largest = float(np.abs(weights).max())
    best = min(max(floor((log2(largest) + 1) / 16), -MOST_SCALE), MOST_SCALE)
    for scale in {0, best}:
        with np.errstate(over="ignore"):
            values = np.ldexp(weights, -16 * scale).astype(np.float16)
        if np.isfinite(values).all() and values.any():
            yield Half(values), scale


def _few(weights: Weights) -> Iterator[tuple[Coded, int]]:
    """Weights of few values as a book of them."""
    if np.unique(weights.ravel()[: 8 * MOST_LEVELS]).size > MOST_LEVELS:
        return
    for half, scale in _halves(weights):
        if isinstance(half, Half):
            levels, codes = np.unique(half.values, return_inverse=True)
            if 2 <= levels.size <= MOST_LEVELS:
                yield Book(levels, codes.astype(np.int16).reshape(weights.shape)), scale


def _block(shape: tuple[int, ...]) -> Block | None:
    """Kernels that are large enough for a transform, and no larger than the format has them."""
    if len(shape) < 4 or not all(KERNEL <= side <= LARGEST_SIDE for side in shape[-2:]):
        return None
    return shape[-2], shape[-1]
