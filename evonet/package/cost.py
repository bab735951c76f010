"""What tensors cost in the file, in bits, without coding them: exact but for the coder's rounding of shares to 2**-24.

Answers and indices that are learned one by one: under counts (a, b), a tensor that answers `no` n times and `yes` m
times in any order costs -log2 of the product of the shares that the answers had when they came, a ratio of Beta
functions; so histograms will do. What is coded in runs is priced run by run.
"""

from collections.abc import Sequence
from math import lgamma, log, log2, prod

import numpy as np

from evonet.package import runs
from evonet.package.models import (
    DCT,
    ESCAPE,
    KINDS,
    LARGEST,
    SHARED,
    START,
    UNIT,
    ZEROS,
    Counts,
    Steps,
    answers,
    counted,
    kind_of,
    scaled,
    step_frequencies,
)
from evonet.package.tensors import FORM_CHANCES, FORMS, MOST_LEVELS, Version, form_of, version_of
from evonet.package.transform import LARGEST_SIDE
from evonet.package.types import Book, Coded, Quantised, Transformed
from evonet.plan import Tensor

_ESCAPE_BITS = log2(LARGEST + 1 - ESCAPE)
_LN2 = log(2)


def code_bits(codes: np.ndarray, counts: Counts = START) -> float:
    """Bits of one tensor's codes, integers in -127..127 of any shape, asked as questions.

    `counts`: after the tensors of its kind before it, from `counts_after`; by default it is the first.
    Step and form are not in it: a tensor of zeros is only a flag and costs nothing here.
    """
    histogram = _histogram(codes)
    nonzero = codes.size - int(histogram[0])
    if not nonzero:
        return 0.0
    bits = nonzero + int(histogram[ESCAPE:].sum()) * _ESCAPE_BITS  # signs, and what large codes say outright
    for (no, yes), (noes, yeses) in zip(counts, answers(histogram), strict=True):
        bits += _log_beta(no, yes) - _log_beta(no + UNIT * noes, yes + UNIT * yeses)
    return bits


def counts_after(codes: np.ndarray, counts: Counts = START) -> Counts:
    """The counts under which the next tensor of the same kind is coded."""
    return scaled(counted(_histogram(codes), counts)) if codes.any() else counts


def magnitude_bits(codes: np.ndarray, counts: Counts = START) -> np.ndarray:
    """Bits that one more weight of each |code| 0..127 would cost after `codes`, float64 of shape (128,), sign included.

    What a search that rounds weights one at a time needs: among two codes it tells the cheaper one and by how much.
    """
    bits = np.zeros(LARGEST + 1)
    for question, (no, yes) in enumerate(counted(_histogram(codes), counts)):
        total = log2(no + yes)
        stop, go_on = total - log2(no), total - log2(yes)
        for bound in range(question, question + 1) if question < SHARED else range(SHARED, ESCAPE):
            bits[bound] += stop
            bits[bound + 1 :] += go_on
    bits[1:] += 1
    bits[ESCAPE:] += _ESCAPE_BITS
    return bits


def tensors_bits(tensors: Sequence[Tensor], coded: Sequence[Coded], *, version: Version | None = None) -> float:
    """Bits of a network's tensors in the file, steps and forms included: all of it but head, genome and expression.

    `tensors`: of the plan. `version`: by default the one that `pack` would write.
    """
    version = version_of(coded) if version is None else version
    return sum(each_bits([kind_of(tensor) for tensor in tensors], coded, version))


def each_bits(kinds: Sequence[str], coded: Sequence[Coded], version: Version = 2) -> list[float]:
    """Bits of each of a file's tensors, in order; `kinds` of `evonet.package.models`."""
    price = _Price(version)
    return [price.tensor(kind, value) for kind, value in zip(kinds, coded, strict=True)]


class _Price:
    """Prices tensors in the order of the plan; each changes what those after it cost."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._counts, self._steps, self._pace = dict.fromkeys(KINDS, START), Steps(), runs.Pace()

    def tensor(self, kind: str, value: Coded) -> float:
        bits = self._form(value)
        if value.zeros:
            return bits
        if isinstance(value, Quantised):
            return bits + self._step(kind, value.step) + self._codes(kind, value.codes)
        if isinstance(value, Transformed):
            bits += 2 * log2(LARGEST_SIDE)
            return bits + self._step(DCT, value.step) + self._codes(DCT, value.codes)
        if isinstance(value, Book):
            return bits + log2(MOST_LEVELS - 1) + 16 * value.levels.size + self._indices(value)
        return bits + 16 * prod(value.shape)

    def _form(self, value: Coded) -> float:
        if self._version == 1:
            return log2(sum(ZEROS)) - log2(ZEROS[value.zeros])
        return log2(sum(FORM_CHANCES)) - log2(FORM_CHANCES[FORMS.index(form_of(value))])

    def _step(self, kind: str, step: int) -> float:
        frequencies = step_frequencies(self._steps.reference(kind))
        self._steps.learn(kind, step)
        return log2(sum(frequencies)) - log2(frequencies[step])

    def _codes(self, kind: str, codes: np.ndarray) -> float:
        counts = self._counts[kind]
        if self._version == 1 or not self._pace.in_runs(codes.size):
            self._counts[kind] = counts_after(codes, counts)
            return code_bits(codes, counts)
        learning = runs.Codes(counts)
        bits = runs.bits(codes.ravel().astype(np.int64) + LARGEST, learning)
        self._counts[kind] = learning.counts
        return bits

    def _indices(self, book: Book) -> float:
        indices, levels = book.codes.ravel().astype(np.int64), book.levels.size
        if self._pace.in_runs(indices.size):
            return runs.bits(indices, runs.Indices(levels))
        counts = np.bincount(indices, minlength=levels)
        ways = sum(lgamma(count + 1) for count in counts.tolist())  # of a Dirichlet prior of one count each
        return (lgamma(indices.size + levels) - lgamma(levels) - ways) / _LN2


def _histogram(codes: np.ndarray) -> np.ndarray:
    """How often each |code| 0..127 occurs."""
    return np.bincount(np.abs(codes.ravel()), minlength=LARGEST + 1)


def _log_beta(no: int, yes: int) -> float:
    """log2 of the Beta function at counts in UNITs."""
    a, b = no / UNIT, yes / UNIT
    return (lgamma(a) + lgamma(b) - lgamma(a + b)) / _LN2
