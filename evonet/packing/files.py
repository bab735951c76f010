"""Safetensors files to `.evw` files and back, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from evonet.errors import DataError, ExportError, PackageError
from evonet.files import write_whole
from evonet.package import STEPS, Quantised, Transformed
from evonet.package.cost import each_bits
from evonet.package.named import Named, kind_of, unpack_named
from evonet.packing import safetensors
from evonet.packing.sources import finite
from evonet.packing.state import packed
from evonet.report.packages import code_name


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a packed file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    code: str
    step: float | None  # None where the code has none
    bits: float  # a weight
    error: float | None = None  # relative; None where the source is not known


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A file before and after."""

    before: int  # bytes
    after: int
    weights: int
    tensors: tuple[Row, ...]


def pack_file(source: Path, out: Path, *, error: float | None = None, size: int | None = None) -> Card:
    """Pack a safetensors file; `out` must not exist.

    Raises DataError as `pack_state`, and where `source` is no safetensors file; ExportError: `out` exists.
    """
    _refuse_existing(out)
    try:
        sources = [finite(*tensor) for tensor in safetensors.read(source)]
        data = packed(sources, error, size)
    except DataError as refusal:
        raise DataError(f"{source}: {refusal}") from None
    write_whole(out, data)
    arrays = {tensor.name: tensor.array for tensor in sources}
    return _card(unpack_named(data), source.stat().st_size, len(data), arrays)


def unpack_file(source: Path, out: Path) -> Card:
    """Write a packed file as safetensors; `out` must not exist.

    Raises PackageError as `unpack_state`; ExportError: `out` exists.
    """
    _refuse_existing(out)
    data = source.read_bytes()
    try:
        tensors = unpack_named(data)
    except PackageError as refusal:
        raise PackageError(f"{source}: {refusal}") from None
    written = safetensors.encoded([(tensor.name, tensor.dtype, tensor.array) for tensor in tensors])
    write_whole(out, written)
    return _card(tensors, len(data), len(written), {})


def _card(tensors: Sequence[Named], before: int, after: int, sources: Mapping[str, np.ndarray]) -> Card:
    """`sources`: what the tensors were packed from, where that is known."""
    floats = [tensor for tensor in tensors if not isinstance(tensor.value, np.ndarray)]
    bits = each_bits([kind_of(t.shape) for t in floats], [t.value for t in floats])  # type: ignore[misc]
    costs = {tensor.name: cost / max(1, tensor.array.size) for tensor, cost in zip(floats, bits, strict=True)}
    rows = tuple(_row(tensor, costs.get(tensor.name), sources.get(tensor.name)) for tensor in tensors)
    return Card(before=before, after=after, weights=sum(t.array.size for t in tensors), tensors=rows)


def _row(tensor: Named, bits: float | None, source: np.ndarray | None) -> Row:
    value = tensor.value
    if isinstance(value, np.ndarray):
        width = float(8 * value.dtype.itemsize)
        return Row(
            name=tensor.name, shape=tensor.shape, dtype=tensor.dtype, code="exact", step=None, bits=width, error=0.0
        )
    step = None
    if isinstance(value, Quantised | Transformed) and not value.zeros:
        step = float(STEPS[value.step]) * 2.0 ** (16 * tensor.scale)
    error = None if source is None else _relative(source, tensor.array)
    return Row(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        code=code_name(value),
        step=step,
        bits=bits or 0.0,
        error=error,
    )


def _relative(source: np.ndarray, array: np.ndarray) -> float:
    size = float(np.square(source, dtype=np.float64).sum())
    off = float(np.square(array.astype(np.float64) - source).sum())
    return (off / size) ** 0.5 if size else float(off > 0)


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise ExportError(f"{out} exists, expected a new file: name another, or remove it")
