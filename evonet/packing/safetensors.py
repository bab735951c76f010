"""Files of safetensors without torch, bfloat16 among them; https://huggingface.co/docs/safetensors has the format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from evonet.errors import DataError
from evonet.package.head import MOST_WEIGHTS

NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
DTYPES = {short: dtype for dtype, short in NAMES.items()}
LARGEST = 16 * MOST_WEIGHTS  # bytes of a file that is read: twice what so many weights can take

Tensors = Sequence[tuple[str, str, np.ndarray]]  # name, dtype, array; bfloat16 as the float32 of the same value


def read(path: Path) -> Tensors:
    """The tensors of a file, in the order of its header.

    Raises:
        DataError: no such format, too large, or a dtype that is not in NAMES.
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"{size:,} bytes, expected at most {LARGEST:,}: this codec is for small networks")
    data = path.read_bytes()
    try:
        found: dict[str, Any] = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise DataError(f"no safetensors file ({error}): save it with safetensors.torch.save_file") from None
    length = int.from_bytes(data[:8], "little")
    order = [name for name in json.loads(data[8 : 8 + length]) if name != "__metadata__"]
    return [_tensor(name, found[name]) for name in order]


def _tensor(name: str, entry: dict[str, Any]) -> tuple[str, str, np.ndarray]:
    dtype, shape = DTYPES.get(entry["dtype"]), tuple(entry["shape"])
    if dtype is None:
        raise DataError(
            f"{name}: its dtype is {entry['dtype']}, expected one of {', '.join(NAMES)}: convert it or leave it out"
        )
    if dtype == "bfloat16":
        octets = np.frombuffer(entry["data"], dtype="<u2").astype(np.uint32) << 16
        return name, dtype, octets.view(np.float32).reshape(shape)
    plain = np.dtype(dtype)
    return name, dtype, np.frombuffer(entry["data"], plain.newbyteorder("<")).astype(plain).reshape(shape)


def encoded(tensors: Tensors) -> bytes:
    """The bytes of a file; wider types first, which keeps all aligned."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    at = 0
    for name, dtype, array in sorted(tensors, key=lambda tensor: -_width(tensor[1])):
        part = _octets(dtype, array)
        header[name] = {"dtype": NAMES[dtype], "shape": array.shape, "data_offsets": (at, at + len(part))}
        parts.append(part)
        at += len(part)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _octets(dtype: str, array: np.ndarray) -> bytes:
    if dtype == "bfloat16":
        return (np.ascontiguousarray(array).view(np.uint32) >> 16).astype("<u2").tobytes()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
