"""Columns as bytes: a length (uint32, little endian), a JSON head, then the arrays, each from a multiple of 8 on.

The head's `columns` are [name, type, first byte, count], bytes counted from the end of the padded head.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

TYPES = ("f4", "f8", "i1", "i4", "u1", "u2", "u4")


def packed(head: Mapping[str, object], columns: Mapping[str, NDArray[Any]]) -> bytes:
    """`columns` are one-dimensional, of TYPES; NaN and -1 stand for nothing."""
    parts, places, at = list[bytes](), list[tuple[str, str, int, int]](), 0
    for name, column in columns.items():
        data = np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<"), copy=False).tobytes()
        places.append((name, column.dtype.str[1:], at, len(column)))
        parts.append(data + bytes(-len(data) % 8))
        at += len(parts[-1])
    first = msgspec.json.encode({**head, "columns": places})
    first += b" " * (-(len(first) + 4) % 8)
    return len(first).to_bytes(4, "little") + first + b"".join(parts)


def deflated(data: bytes) -> str:
    """`data` deflated, in base64: what `DecompressionStream('deflate')` of a browser reads."""
    return base64.b64encode(zlib.compress(data, 6)).decode()
