"""Named weights <-> `.evw` bytes: a state dict without the network it belongs to; docs/format.md describes them.

version byte, one range-coded stream (names and shapes, tensors, integers), CRC-32. The tensors are coded as in version
2 of the `.evo` format. Equal tensors have one file: `unpack_named` writes what it read again, and refuses bytes that
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from evonet.errors import PackageError
from evonet.package import words
from evonet.package.check import misfit_of
from evonet.package.frame import WEIGHTS, opened, seal
from evonet.package.head import FLOATS, INTEGERS, Entry, check_head, read_head, write_head
from evonet.package.stream import reader_of, writer_of
from evonet.package.symbols import ManyReader, ManyWriter
from evonet.package.tensors import BYTES, Slot, read_forms, write_forms
from evonet.package.types import Coded

VERSION = 1
LARGEST_HALF = np.float32(65504)

Array = NDArray[np.float32 | np.float16 | np.float64 | np.integer | np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Named:
    """One tensor of a state dict.

    dtype: what it has, one of `head.DTYPES`. shape: at most 8 axes.
    value: of floats, a coded tensor of shape `joined(shape)`; of integers and bool, an array of the dtype and shape.
    scale: the weights are 2**(16 scale) x those of `value`, -6..6; 0 for integers and for zeros.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Coded | Array
    scale: int = 0

    @property
    def entry(self) -> Entry:
        return Entry(self.name, self.dtype, self.shape, self.scale)

    @property
    def weights(self) -> NDArray[np.float32]:
        """Of floats: float32 of the tensor's shape, before they take on its dtype."""
        if isinstance(self.value, np.ndarray):
            raise TypeError(f"{self.name}: integers have no weights")
        weights = self.value.weights.reshape(self.shape)
        return np.ldexp(weights, 16 * self.scale, out=np.empty_like(weights))

    @property
    def array(self) -> Array:
        """In its dtype, of its shape; bfloat16 as float32 of the same value. Beyond float16 it is float16's largest."""
        if isinstance(self.value, np.ndarray):
            return self.value
        if self.dtype == "bfloat16":
            return as_bfloat16(self.weights)
        if self.dtype == "float16":
            return self.weights.clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16)
        return self.weights.astype(self.dtype)


def as_bfloat16(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest numbers of eight significant bits, ties to the even one; finite, and not near float32's largest."""
    bits = weights.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def joined(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a tensor is coded in: the last two of four or more axes, those of a kernel, are one."""
    return (*shape[:-2], shape[-2] * shape[-1]) if len(shape) > 3 else shape


def kind_of(shape: tuple[int, ...]) -> str:
    """Biases, norms and numbers learn apart from all else."""
    return "bias" if len(shape) < 2 else "weight"


def pack_named(tensors: Sequence[Named]) -> bytes:
    """Their bytes, the same on every machine.

    Raises PackageError: a name, dtype, shape, scale, form, step, code, level or value that does not fit.
    """
    entries = [tensor.entry for tensor in tensors]
    check_head(entries)
    for tensor in tensors:
        if misfit := _misfit(tensor):
            raise PackageError(f"package: {tensor.name[:99]!r}: {misfit}")
    encoder = writer_of(_sizes(entries))
    write_head(encoder, entries)
    coded = [tensor.value for tensor in tensors if not isinstance(tensor.value, np.ndarray)]
    write_forms(encoder, coded, _slots(entries))
    for tensor in tensors:
        if isinstance(tensor.value, np.ndarray):
            _write_integers(encoder, tensor.value)
    return seal(bytes([WEIGHTS + VERSION]) + encoder.finish())


def unpack_named(data: bytes) -> tuple[Named, ...]:
    """The tensors that `pack_named` wrote as `data`; their arrays are read-only.

    Raises PackageError: no such file, an unknown version, damaged bytes, contents that are no tensors, or bytes that
    are not the ones `pack_named` writes for them.
    """
    _, stream = opened(data, WEIGHTS, (VERSION,))
    begun = words.Decoder(stream)
    entries = read_head(begun)
    check_head(entries)
    decoder = reader_of(begun, _sizes(entries))
    coded = iter(read_forms(decoder, _slots(entries)))
    values = [next(coded) if entry.dtype in FLOATS else None for entry in entries]
    tensors = tuple(
        Named(**entry._asdict(), value=_read_integers(decoder, entry) if value is None else value)
        for entry, value in zip(entries, values, strict=True)
    )
    again = pack_named(tensors)
    if again != data:
        raise PackageError(
            f"package: these {len(data)} bytes are not the ones evonet writes for their tensors ({len(again)} bytes): "
            "pack them again"
        )
    return tensors


def _sizes(entries: Sequence[Entry]) -> list[int]:
    return [prod(entry.shape) for entry in entries]


def _slots(entries: Sequence[Entry]) -> list[Slot]:
    return [Slot(kind_of(entry.shape), joined(entry.shape)) for entry in entries if entry.dtype in FLOATS]


def _misfit(tensor: Named) -> str | None:
    """What is wrong with its value, None if nothing is."""
    value = tensor.value
    if tensor.dtype in INTEGERS:
        if not isinstance(value, np.ndarray) or (str(value.dtype), value.shape) != (tensor.dtype, tensor.shape):
            return f"expected an array of {tensor.dtype} {tensor.shape}"
        return "scale, expected none of integers" if tensor.scale else None
    if isinstance(value, np.ndarray):
        return f"an array, expected a coded tensor, as its dtype is {tensor.dtype}"
    if value.shape != joined(tensor.shape):
        return f"codes of shape {value.shape}, expected {joined(tensor.shape)}"
    if value.zeros and tensor.scale:
        return f"scale {tensor.scale} of zeros, expected 0"
    return misfit_of(value)


def _write_integers(encoder: ManyWriter, array: Array) -> None:
    """Bits of the largest, then as many of each, the first one first, in bytes."""
    bits = _zigzag(array)
    width = int(bits.max(initial=0)).bit_length()
    encoder.uniform(width, 65)
    octets = bits.astype(">u8").view(np.uint8).reshape(-1, 8)
    packed = np.packbits(np.unpackbits(octets, axis=1)[:, 64 - width :].ravel())
    encoder.many(packed, BYTES)


def _read_integers(decoder: ManyReader, entry: Entry) -> Array:
    width, size = decoder.uniform(65), prod(entry.shape)
    packed = decoder.many(-(-size * width // 8), BYTES).astype(np.uint8)
    bits = np.zeros((size, 64), dtype=np.uint8)
    bits[:, 64 - width :] = np.unpackbits(packed)[: size * width].reshape(size, width)
    array = _unzigzag(np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64), entry)
    array.setflags(write=False)
    return array


def _zigzag(array: Array) -> NDArray[np.uint64]:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ...; unsigned ones as they are."""
    if array.dtype.kind != "i":
        return array.ravel().astype(np.uint64)
    signed = array.ravel().astype(np.int64)
    return (signed << 1 ^ signed >> 63).view(np.uint64)


def _unzigzag(bits: NDArray[np.uint64], entry: Entry) -> Array:
    """Raises PackageError: a value beyond the dtype."""
    whole: NDArray[np.integer] = bits
    if entry.dtype.startswith("int"):
        whole = (bits >> np.uint64(1)).view(np.int64) ^ -(bits & np.uint64(1)).view(np.int64)
    array: Array = whole.astype(entry.dtype).reshape(entry.shape)
    if not np.array_equal(array.ravel().astype(whole.dtype), whole):
        raise PackageError(f"package: {entry.name[:99]!r}: a value beyond {entry.dtype}")
    return array
