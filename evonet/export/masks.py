"""The full expanded wiring as arrays, for those who want to compute with the mask itself."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evonet.errors import ExportError
from evonet.files import write_whole
from evonet.plan import Plan, Stage
from evonet.plan.masks import mask, slots

LARGEST = 2**28  # cells of one mask: a quarter of a gigabyte, and its slots one gigabyte


def save_masks(plan: Plan, path: Path) -> None:
    """Write an npz with, for every stage, `NAME.mask` and `NAME.slots`, both (out neurons, in neurons).

    The mask is bool. Slots are int32: the flat index into the stage's weight tensor, -1 where the mask is False.

    Raises:
        ExportError: a mask would be too large; nothing was allocated.
    """
    for stage in plan.stages:
        if _cells(stage) > LARGEST:
            raise ExportError(
                f"{path}: the mask of {stage.name} has {_cells(stage):,} cells, expected at most {LARGEST:,}: "
                "use a smaller input or leave the masks out."
            )
    arrays: dict[str, NDArray[np.generic]] = {}
    for stage in plan.stages:
        arrays[f"{stage.name}.mask"] = mask(stage)
        arrays[f"{stage.name}.slots"] = slots(stage)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes a name for allow_pickle
    write_whole(path, buffer.getvalue())


def _cells(stage: Stage) -> int:
    (c, h, w), (o, y, x) = stage.source, stage.target
    return c * h * w * o * y * x
