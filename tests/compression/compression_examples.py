"""Codes for the tests of compression and inheritance."""

import numpy as np

from evonet.package import Quantised
from evonet.plan import Plan


def sparse(plan: Plan, numbers: np.random.Generator) -> list[Quantised]:
    """Codes of which most are zero, by single weights, whole slices, and whole tensors."""
    tensors = []
    for tensor in plan.tensors:
        codes = numbers.integers(-9, 10, tensor.shape)
        for axis in range(codes.ndim):
            slices = [slice(None)] * codes.ndim
            for place in range(codes.shape[axis]):
                if numbers.random() < 0.4:
                    slices[axis] = slice(place, place + 1)
                    codes[tuple(slices)] = 0
        tensors.append(Quantised(step=40, codes=codes.astype(np.int16)))
    return tensors
