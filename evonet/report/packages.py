"""A package as people read it: how each tensor is coded, and the whole file as text."""

from __future__ import annotations

import base64
import binascii

import msgspec

from evonet.errors import PackageError
from evonet.package import STEPS, Book, Coded, Half, Package, Quantised, Transformed
from evonet.package.cost import tensors_bits
from evonet.plan import Plan, expand


class TensorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a package."""

    name: str
    shape: tuple[int, ...]  # of what is live
    code: str
    step: float | None  # None where the code has none
    nonzero: int
    bits: float  # in the file, about: alone, without what the tensors before it taught


def plan_of(package: Package) -> Plan:
    return expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)


def rows(package: Package) -> list[TensorRow]:
    plan = plan_of(package)
    return [
        TensorRow(
            name=tensor.name,
            shape=tensor.shape,
            code=code_name(coded),
            step=float(STEPS[coded.step]) if isinstance(coded, Quantised | Transformed) and not coded.zeros else None,
            nonzero=int((coded.weights != 0).sum()),
            bits=tensors_bits([tensor], [coded]),
        )
        for tensor, coded in zip(plan.tensors, package.tensors, strict=True)
    ]


def code_name(coded: Coded) -> str:
    """How a tensor is coded, for people."""
    if coded.zeros:
        return "zeros"
    match coded:
        case Transformed(block=(height, width)):
            return f"dct {height}x{width}"
        case Book(levels=levels):
            return f"book of {len(levels)}"
        case Half():
            return "half"
    largest = int(abs(coded.codes).max())
    return "ternary" if largest == 1 and not coded.codes.all() else "sign" if largest == 1 else f"grid to {largest}"


def as_text(data: bytes) -> str:
    """The file in base64 (RFC 4648), on one line, as a chat message or a README can carry it."""
    return base64.b64encode(data).decode()


def from_text(data: bytes) -> bytes:
    """A package from a pipe: its bytes, or their base64 with any white space between.

    Raises PackageError where it is neither.
    """
    if not data.isascii():
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise PackageError(
            f"standard input is text but no base64 ({error}), expected an .evo file or what evonet show --base64 prints"
        ) from None
