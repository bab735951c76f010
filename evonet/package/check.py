"""What a package's tensors must be to fit the format; every refusal names the tensor."""

from collections.abc import Sequence

import numpy as np

from evonet.errors import PackageError
from evonet.package.models import LARGEST, STEP_COUNT
from evonet.package.tensors import MOST_LEVELS, Version, form_of, room_in_1
from evonet.package.transform import LARGEST_SIDE
from evonet.package.types import Book, Coded, Half, Transformed
from evonet.plan import Plan


def check_tensors(tensors: Sequence[Coded], plan: Plan, version: Version) -> None:
    """Raises PackageError: another number of tensors or another shape than the plan's, a form that `version` does not
    have, a step, code, block, level or value out of range."""
    if len(tensors) != len(plan.tensors):
        raise PackageError(f"package: {len(tensors)} tensors, expected {len(plan.tensors)} as in the plan")
    for tensor, value in zip(plan.tensors, tensors, strict=True):
        if value.shape != tensor.shape:
            raise PackageError(f"package: {tensor.name}: codes of shape {value.shape}, expected {tensor.shape}")
        misfit = misfit_of(value)
        if version == 1 and form_of(value) not in ("grid", "zeros"):
            misfit = f"its form is {form_of(value)}, which version 1 does not have: pack it as version 2"
        if misfit:
            raise PackageError(f"package: {tensor.name}: {misfit}")
    if version == 1 and (excess := room_in_1(tensors)):
        raise PackageError(f"package: {excess}: pack it as version 2")


def misfit_of(value: Coded) -> str | None:
    """What is wrong with it, None if nothing is."""
    if isinstance(value, Half):
        return _half_misfit("values", value.values)
    if value.codes.dtype.kind != "i":
        return f"codes are {value.codes.dtype}, expected integers (int16)"
    if isinstance(value, Book):
        return _half_misfit("levels", value.levels) or _book_misfit(value)
    if not 0 <= value.step < STEP_COUNT:
        return f"step {value.step}, expected 0..{STEP_COUNT - 1}"
    largest = max(int(value.codes.max(initial=0)), -int(value.codes.min(initial=0)))
    if largest > LARGEST:
        return f"|code| up to {largest}, expected at most {LARGEST}: use a larger step"
    return _block_misfit(value) if isinstance(value, Transformed) else None


def _half_misfit(what: str, values: np.ndarray) -> str | None:
    if values.dtype != np.float16:
        return f"{what} are {values.dtype}, expected float16"
    if not np.isfinite(values).all():
        return f"{what} are not all finite: the training diverged, or a weight lies beyond float16's 65504"
    return None


def _book_misfit(book: Book) -> str | None:
    count = book.levels.size
    if book.levels.ndim != 1 or not 2 <= count <= MOST_LEVELS:
        return f"levels of shape {book.levels.shape}, expected 2..{MOST_LEVELS} in one row"
    if not (book.levels[1:] > book.levels[:-1]).all():
        return f"levels {book.levels.tolist()}, expected them strictly ascending"
    used = np.unique(book.codes)
    if used.tolist() != list(range(count)):
        return f"codes {used[:20].tolist()} occur, expected each of 0..{count - 1} and no other"
    return None


def _block_misfit(value: Transformed) -> str | None:
    if not all(1 <= side <= LARGEST_SIDE for side in value.block):
        return f"blocks of {value.block}, expected sides of 1..{LARGEST_SIDE}"
    length = value.codes.shape[-1] if value.codes.ndim else 1
    if length % (value.block[0] * value.block[1]):
        return f"blocks of {value.block} do not fill a last axis of {length}"
    return None
