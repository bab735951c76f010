"""How likely each code is: adaptive integer counts, learned alike by encoder and decoder, nothing sent beforehand.

A code is asked as yes-or-no questions: is it not 0? its sign; is |code| > 1? > 2? ... > 15? Each question keeps
two counts and adds UNIT to the one that came true; |code| > 3, > 4, ... > 15 share theirs (a geometric tail), signs
are even, and 16..127 are equally likely. After a tensor the counts are scaled down to at most CAP, so that they
carry over to the next tensor of the same kind as a prior worth about 32 answers. Weights and biases learn apart.

Why adaptive: trained networks of 10 tensors and 1,444 weights, coded with 1.3 to 3.4 bits a weight, take 1.0 to
1.3 % fewer bytes than under the best of 128 fixed tables with its number sent for each tensor. Why no neighbour
contexts and no finer kinds: those tried cost more, they learn too late. Since counts only add up, the cost of a tensor
depends on the histogram of its codes alone (`evonet.package.cost`).
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evonet.errors import PackageError
from evonet.package.symbols import Integers, Reader, Writer
from evonet.plan import Tensor

UNIT = 8
CAP = 256
LARGEST = 127
ESCAPE = 16  # the least |code| that is written as one of equally likely values

# One (no, yes) pair for each question: not 0, > 1, > 2, > 3, and the shared one.
Counts = tuple[tuple[int, int], ...]
START: Counts = ((6, 10), (19, 13), (19, 13), (19, 13), (19, 13))
SHARED = len(START) - 1

STEP_COUNT = 64
FIRST_STEP = 32  # 2**-2, the middle of the steps at which trained networks are worth their bytes

#: Version 1 holds at most so many weights, and asks at most so many questions: what bounds the time that it can take.
MOST_WEIGHTS, MOST_ASKED = 2**15, 2**17

ZEROS = (15, 1)  # chances (no, yes) that a tensor is nothing but zeros

DCT = "dct"  # version 2: all tensors whose codes are DCT coefficients
KINDS = ("weight", "bias", DCT)


def kind_of(tensor: Tensor) -> str:
    """The tensors of one kind share counts and predict each other's steps."""
    return "bias" if tensor.role in ("bias", "readout_bias") else "weight"


def answer(encoder: Writer, pair: list[int], yes: bool) -> None:
    """Write one answer under the counts `pair` = [no, yes], and count it."""
    encoder.bit(yes, pair[0], pair[1])
    pair[yes] += UNIT


def ask(decoder: Reader, pair: list[int]) -> bool:
    yes = decoder.bit(pair[0], pair[1])
    pair[yes] += UNIT
    return yes


def encode_codes(encoder: Writer, codes: Iterable[int], counts: Counts) -> Counts:
    """Write `codes`, each within +-LARGEST; the counts for the next tensor of the kind."""
    state = [list(pair) for pair in counts]
    for code in codes:
        answer(encoder, state[0], code != 0)
        if code == 0:
            continue
        encoder.bit(code < 0, 1, 1)
        size = abs(code)
        for bound in range(1, min(size, ESCAPE - 1) + 1):
            answer(encoder, state[min(bound, SHARED)], size > bound)
        if size >= ESCAPE:
            encoder.uniform(size - ESCAPE, LARGEST + 1 - ESCAPE)
    return scaled(state)


def decode_codes(decoder: Reader, number: int, counts: Counts, most: float = float("inf")) -> tuple[list[int], Counts]:
    """Read `number` codes; also the counts for the next tensor of the kind.

    Raises PackageError: the codes ask more than `most` questions beyond the first (`asked`).
    """
    state, codes = [list(pair) for pair in counts], []
    for _ in range(number):
        code = _decode_code(decoder, state)
        codes.append(code)
        most -= min(abs(code), ESCAPE)
        if most < 0:
            raise too_much_asked()
    return codes, scaled(state)


def asked(codes: NDArray[np.integer]) -> int:
    """Questions beyond "is it not 0?", signs among them, that the codes are asked: what reading them takes time for."""
    return int(np.minimum(np.abs(codes), ESCAPE).sum(dtype=np.int64))


def too_much_asked() -> PackageError:
    return PackageError(f"package: codes that ask more than {MOST_ASKED:,} questions, the most in version 1")


def _decode_code(decoder: Reader, state: list[list[int]]) -> int:
    if not ask(decoder, state[0]):
        return 0
    sign = -1 if decoder.bit(1, 1) else 1
    for bound in range(1, ESCAPE):
        if not ask(decoder, state[min(bound, SHARED)]):
            return sign * bound
    return sign * (ESCAPE + decoder.uniform(LARGEST + 1 - ESCAPE))


def answers(histogram: Integers) -> list[tuple[int, int]]:
    """(noes, yeses) to each question; `histogram`: int64 (128,), how often each |code| came."""
    beyond = histogram.sum() - histogram[:ESCAPE].cumsum()  # beyond[k] codes have |code| > k
    alone = [(int(histogram[k]), int(beyond[k])) for k in range(SHARED)]
    return [*alone, (int(histogram[SHARED:ESCAPE].sum()), int(beyond[SHARED:].sum()))]


def counted(histogram: Integers, counts: Counts) -> Counts:
    """`counts` after so many codes of each size, not scaled down."""
    pairs = zip(counts, answers(histogram), strict=True)
    return tuple((no + UNIT * noes, yes + UNIT * yeses) for (no, yes), (noes, yeses) in pairs)


def scaled(state: Iterable[Iterable[int]]) -> Counts:
    """Counts of at most CAP in all for each question, none of them below 1."""
    return tuple(_scaled(no, yes) for no, yes in state)


def _scaled(no: int, yes: int) -> tuple[int, int]:
    total = no + yes
    if total <= CAP:
        return no, yes
    return max(1, no * CAP // total), max(1, yes * CAP // total)


class Steps:
    """Predicts a tensor's step index: near the last one of its kind, else near the last one, else near FIRST_STEP."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._latest = FIRST_STEP

    def reference(self, kind: str) -> int:
        return self._last.get(kind, self._latest)

    def learn(self, kind: str, step: int) -> None:
        self._last[kind] = self._latest = step


@cache
def step_frequencies(reference: int) -> tuple[int, ...]:
    """Of the steps 0..63: a Cauchy bell two steps (half an octave) wide around `reference`."""
    return tuple(4096 // (4 + (step - reference) ** 2) for step in range(STEP_COUNT))
