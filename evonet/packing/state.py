"""A state dict as bytes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evonet.errors import DataError, PackageError
from evonet.package.named import Array, unpack_named
from evonet.packing.search import Loss, at_error, by_loss, by_size
from evonet.packing.sources import Source, shared_out, source_of

if TYPE_CHECKING:
    from torch import Tensor

#: Of the largest tensor, where nothing is asked for: root mean square error over root mean square.
ERROR = 0.05

State = Mapping[str, "np.ndarray | Tensor"]


def pack_state(
    state: State,
    *,
    error: float | None = None,
    size: int | None = None,
    loss: Loss | None = None,
    rise: float = 0.0,
    trials: int = 200,
) -> bytes:
    """The `.evw` bytes of a state dict; `unpack_state` gives it back. At most one of:

    error: relative root mean square error of the largest tensor, in 0..1, by default 0.05; smaller tensors get less,
        down to a quarter. 0 keeps weights as they are, if float16 can hold them.
    size: bytes; the least error that fits.
    loss: decoded arrays -> a number. The fewest bytes found at which it is at most `rise` above what it is for the
        state itself, after at most `trials` looks. Errors are set tensor by tensor.

    Raises DataError: no tensors, too many, a dtype or name that cannot be packed, weights that are not finite, an
    error, size or rise that cannot be had.
    """
    if sum(asked is not None for asked in (error, size, loss)) > 1:
        raise DataError("error, size and loss exclude each other: ask for one")
    return packed([source_of(name, value) for name, value in state.items()], error, size, loss, rise, trials)


def packed(
    sources: Sequence[Source],
    error: float | None,
    size: int | None,
    loss: Loss | None = None,
    rise: float = 0.0,
    trials: int = 0,
) -> bytes:
    """As `pack_state`, of sources."""
    sources = shared_out(sources)
    try:
        at_error(sources, 1.0)  # what cannot be packed at all
        if size is not None:
            return by_size(sources, size)
        if loss is not None:
            return by_loss(sources, loss, rise, trials)
        return at_error(sources, _checked(error))
    except PackageError as refusal:
        raise DataError(str(refusal).removeprefix("package: ")) from None


def unpack_state(data: bytes) -> dict[str, Array]:
    """Arrays by name in the order they were packed, in their dtypes; bfloat16 as float32 of the same value.

    Raises PackageError: damaged bytes, or not those of a state dict.
    """
    return {tensor.name: tensor.array for tensor in unpack_named(data)}


def _checked(error: float | None) -> float:
    if error is None:
        return ERROR
    if not 0 <= error <= 1:
        raise DataError(f"error {error}, expected 0 (as they are) to 1 (nothing)")
    return error
