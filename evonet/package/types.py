"""What a package holds, as values: genome, expression and coded tensors.

A coded tensor says exactly which float32 weights it stands for. In all of them `shape` is the tensor's, `weights` are
float32 of that shape, and `zeros` says that all weights are +0.0: then a file holds nothing of the tensor but a flag,
and it comes back as `Quantised` with step 0.
"""

from dataclasses import dataclass
from math import ldexp

import numpy as np
from numpy.typing import NDArray

from evonet.genome import Genome
from evonet.package.transform import BASIS_BITS, Block, inverse
from evonet.plan import Expression, Shape

# float32 values of 2**0, 2**(1/4), 2**(1/2), 2**(3/4), written out because libraries round powers differently.
_QUARTERS = (1.0, 1.1892070770263672, 1.4142135381698608, 1.6817928552627563)

#: STEPS[k] is the float32 value of 2**((k - 40) / 4), k in 0..63: from 2**-10 to 2**5.75 in quarter octaves.
STEPS = np.array([ldexp(_QUARTERS[k % 4], k // 4 - 10) for k in range(64)], dtype=np.float32)
STEPS.setflags(write=False)

Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Quantised:
    """One tensor as integers: weight = float32(STEPS[step]) * float32(code).

    step: index into STEPS, 0..63. A tensor of zeros has no step in the file; it comes back with step 0.
    codes: int16, each in -127..127, of the tensor's shape.
    """

    step: int
    codes: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def zeros(self) -> bool:
        return not self.codes.any()

    @property
    def weights(self) -> Weights:
        """float32, of the tensor's shape."""
        weights: Weights = STEPS[self.step] * self.codes.astype(np.float32)
        return weights

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantised) and self.step == other.step and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, eq=False)
class Transformed:
    """One tensor as DCT coefficients: weight = float32(STEPS[step]) * float32(`transform.inverse` of codes * 2**-28).

    step: index into STEPS, 0..63.
    codes: int16, each in -127..127, of the tensor's shape: `transform.forward` of its weights, over the step.
    block: rows and columns, each 1..15; their product divides the length of the last axis.
    """

    step: int
    codes: np.ndarray
    block: Block

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def zeros(self) -> bool:
        return not self.codes.any()

    @property
    def weights(self) -> Weights:
        # Exact in float64, so that float32 rounds once.
        exact = inverse(self.codes, self.block).astype(np.float64) * 2.0 ** (-2 * BASIS_BITS)
        weights: Weights = STEPS[self.step] * exact.astype(np.float32)
        return weights

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Transformed)
            and (self.step, self.block) == (other.step, other.block)
            and np.array_equal(self.codes, other.codes)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, eq=False)
class Book:
    """One tensor as indices into a few levels: weight = float32(levels[code]).

    levels: float16 (k,), 2 <= k <= 16, finite, strictly ascending; each occurs in codes.
    codes: int16, each in 0..k-1, of the tensor's shape.
    """

    levels: np.ndarray
    codes: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def zeros(self) -> bool:
        return False  # two levels occur, and one at most is zero

    @property
    def weights(self) -> Weights:
        weights: Weights = self.levels.astype(np.float32)[self.codes]
        return weights

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Book)
            and _same_bits(self.levels, other.levels)
            and np.array_equal(self.codes, other.codes)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, eq=False)
class Half:
    """One tensor as it is: weight = float32(value).

    values: float16, finite, of the tensor's shape. -0.0 stays -0.0.
    """

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def zeros(self) -> bool:
        return not (self.values.any() or np.signbit(self.values).any())

    @property
    def weights(self) -> Weights:
        weights: Weights = self.values.astype(np.float32)
        return weights

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Half) and _same_bits(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


Coded = Quantised | Transformed | Book | Half


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether float16 arrays agree, -0.0 and 0.0 told apart."""
    return np.array_equal(one, other) and np.array_equal(np.signbit(one), np.signbit(other))


@dataclass(frozen=True, kw_only=True)
class Package:
    """A whole network: `expand(genome, input=..., classes=..., expression=...)` and its coded tensors."""

    genome: Genome  # gene ids are not written and come back as None
    input: Shape
    classes: int
    expression: Expression  # live taps and channels
    tensors: tuple[Coded, ...]  # in the order of Plan.tensors
