"""What is packed: the tensors of a state dict, looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evonet.errors import DataError
from evonet.package.head import DTYPES, FLOATS

if TYPE_CHECKING:
    from torch import Tensor

#: What tensors are off by adds up, and bits are best spent where an error's square is as large as the tensor: smaller
#: ones get less by the root of their share of the largest, but no less than this.
LEAST_SHARE = 0.25


class Source(NamedTuple):
    """A tensor to pack: floats as float32, whatever their dtype."""

    name: str
    dtype: str
    array: np.ndarray
    share: float = 1.0  # of the error that is asked for


def source_of(name: str, value: np.ndarray | Tensor) -> Source:
    """Raises DataError: what it is, or a weight, cannot be packed."""
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise DataError(
            f"{name}: its dtype is {dtype}, expected one of {', '.join(DTYPES)}: convert it or leave it out"
        )
    if not isinstance(value, np.ndarray):
        value = (value.detach().float() if dtype == "bfloat16" else value.detach()).cpu().numpy()
    return finite(name, dtype, value)


def finite(name: str, dtype: str, value: np.ndarray) -> Source:
    """Raises DataError: a weight that is not finite."""
    if dtype not in FLOATS:
        return Source(name, dtype, value.astype(dtype))  # big-endian ones turn round
    with np.errstate(over="ignore"):
        array = np.asarray(value, dtype=np.float32)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise DataError(
            f"{name}: value {value[place]} at {place}, {len(bad):,} such in all, expected numbers that are finite in "
            "float32: the training diverged, or the file is damaged"
        )
    return Source(name, dtype, array)


def shared_out(sources: Sequence[Source]) -> list[Source]:
    largest = max((source.array.size for source in sources if source.dtype in FLOATS), default=1) or 1
    return [s._replace(share=min(1.0, max(LEAST_SHARE, (s.array.size / largest) ** 0.5))) for s in sources]


def restored(source: Source) -> Any:
    """The array in its dtype; bfloat16 as the float32 of the same value."""
    return source.array if source.dtype == "bfloat16" else source.array.astype(source.dtype)
