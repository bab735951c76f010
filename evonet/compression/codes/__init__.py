"""The lossy codes: each makes integers of one tensor's weights, in a module of its own behind one small interface.

A new code is a function of type `Encode` and a line in `CODES`; what it returns is one of the forms of the package
format (`evonet.package.types`).
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from evonet.compression.codes import book, dct, grid, half, signs
from evonet.compression.codes.base import Encode, Rounding
from evonet.compression.settings import CodeName
from evonet.package import Coded

__all__ = ["CODES", "Encode", "Rounding", "dequantise"]

CODES: Mapping[CodeName, Encode] = MappingProxyType(
    {
        "grid": grid.encode,
        "ternary": signs.ternary,
        "sign": signs.sign,
        "book": book.encode,
        "dct": dct.encode,
        "half": half.encode,
    }
)


def dequantise(coded: Coded) -> Tensor:
    """Decoded weights in float32, exactly as a reader of the file has them."""
    return torch.from_numpy(coded.weights)
