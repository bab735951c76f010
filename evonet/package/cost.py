"""What codes cost in the file, in bits, without coding them: from histograms, exact to the coder's 1e-9.

Under counts (a, b), a tensor that answers `no` n times and `yes` m times in any order costs
-log2 of the product of the shares that the answers had when they came, a ratio of Beta functions.
"""

from collections.abc import Sequence
from math import lgamma, log, log2

import numpy as np

from evonet.package.models import (
    ESCAPE,
    KINDS,
    LARGEST,
    SHARED,
    START,
    UNIT,
    ZEROS,
    Counts,
    Steps,
    kind_of,
    scaled,
    step_frequencies,
)
from evonet.package.types import Quantised
from evonet.plan import Tensor

_ESCAPE_BITS = log2(LARGEST + 1 - ESCAPE)
_LN2 = log(2)


def code_bits(codes: np.ndarray, counts: Counts = START) -> float:
    """Bits of one tensor's codes, integers in -127..127 of any shape.

    `counts`: after the tensors of its kind before it, from `counts_after`; by default it is the first.
    Step and zero flag are not in it: a tensor of zeros is only a flag and costs nothing here.
    """
    histogram = _histogram(codes)
    nonzero = codes.size - int(histogram[0])
    if not nonzero:
        return 0.0
    bits = nonzero + int(histogram[ESCAPE:].sum()) * _ESCAPE_BITS  # signs, and what large codes say outright
    for (no, yes), (noes, yeses) in zip(counts, _answers(histogram), strict=True):
        bits += _log_beta(no, yes) - _log_beta(no + UNIT * noes, yes + UNIT * yeses)
    return bits


def counts_after(codes: np.ndarray, counts: Counts = START) -> Counts:
    """The counts under which the next tensor of the same kind is coded."""
    if not codes.any():
        return counts
    answers = _answers(_histogram(codes))
    return scaled(
        (no + UNIT * noes, yes + UNIT * yeses) for (no, yes), (noes, yeses) in zip(counts, answers, strict=True)
    )


def magnitude_bits(codes: np.ndarray, counts: Counts = START) -> np.ndarray:
    """Bits that one more weight of each |code| 0..127 would cost after `codes`, float64 of shape (128,), sign included.

    What a search that rounds weights one at a time needs: among two codes it tells the cheaper one and by how much.
    """
    answers = _answers(_histogram(codes))
    bits = np.zeros(LARGEST + 1)
    for question, ((no, yes), (noes, yeses)) in enumerate(zip(counts, answers, strict=True)):
        total = log2(no + yes + UNIT * (noes + yeses))
        stop, go_on = total - log2(no + UNIT * noes), total - log2(yes + UNIT * yeses)
        for bound in range(question, question + 1) if question < SHARED else range(SHARED, ESCAPE):
            bits[bound] += stop
            bits[bound + 1 :] += go_on
    bits[1:] += 1
    bits[ESCAPE:] += _ESCAPE_BITS
    return bits


def tensors_bits(tensors: Sequence[Tensor], quantised: Sequence[Quantised]) -> float:
    """Bits of a network's tensors in the file, steps and flags included: all of it but head, genome and expression."""
    counts, steps, bits = dict.fromkeys(KINDS, START), Steps(), 0.0
    for tensor, value in zip(tensors, quantised, strict=True):
        zeros = not value.codes.any()
        bits += log2(sum(ZEROS)) - log2(ZEROS[zeros])
        if zeros:
            continue
        kind = kind_of(tensor)
        frequencies = step_frequencies(steps.reference(kind))
        bits += log2(sum(frequencies)) - log2(frequencies[value.step])
        steps.learn(kind, value.step)
        bits += code_bits(value.codes, counts[kind])
        counts[kind] = counts_after(value.codes, counts[kind])
    return bits


def _histogram(codes: np.ndarray) -> np.ndarray:
    """How often each |code| 0..127 occurs."""
    return np.bincount(np.abs(codes.ravel()), minlength=LARGEST + 1)


def _answers(histogram: np.ndarray) -> list[tuple[int, int]]:
    """(noes, yeses) to each question of `evonet.package.models`."""
    beyond = histogram.sum() - np.cumsum(histogram[:ESCAPE])  # beyond[k] codes have |code| > k
    alone = [(int(histogram[k]), int(beyond[k])) for k in range(SHARED)]
    return [*alone, (int(histogram[SHARED:ESCAPE].sum()), int(beyond[SHARED:].sum()))]


def _log_beta(no: int, yes: int) -> float:
    """log2 of the Beta function at counts in UNITs."""
    a, b = no / UNIT, yes / UNIT
    return (lgamma(a) + lgamma(b) - lgamma(a + b)) / _LN2
