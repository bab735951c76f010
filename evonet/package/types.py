"""What a package holds, as values: genome, expression and integer codes."""

from dataclasses import dataclass
from math import ldexp

import numpy as np

from evonet.genome import Genome
from evonet.plan import Expression, Shape

# float32 values of 2**0, 2**(1/4), 2**(1/2), 2**(3/4), written out because libraries round powers differently.
_QUARTERS = (1.0, 1.1892070770263672, 1.4142135381698608, 1.6817928552627563)

#: STEPS[k] is the float32 value of 2**((k - 40) / 4), k in 0..63: from 2**-10 to 2**5.75 in quarter octaves.
STEPS = np.array([ldexp(_QUARTERS[k % 4], k // 4 - 10) for k in range(64)], dtype=np.float32)
STEPS.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Quantised:
    """One tensor as integers: weight = float32(STEPS[step]) * float32(code).

    step: index into STEPS, 0..63. A tensor of zeros has no step in the file; it comes back with step 0.
    codes: int16, each in -127..127, of the tensor's shape.
    """

    step: int
    codes: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """float32, of the tensor's shape."""
        weights: np.ndarray = STEPS[self.step] * self.codes.astype(np.float32)
        return weights

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantised) and self.step == other.step and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, kw_only=True)
class Package:
    """A whole network: `expand(genome, input=..., classes=..., expression=...)` and the codes of its tensors."""

    genome: Genome  # gene ids are not written and come back as None
    input: Shape
    classes: int
    expression: Expression  # live taps and channels
    tensors: tuple[Quantised, ...]  # in the order of Plan.tensors
