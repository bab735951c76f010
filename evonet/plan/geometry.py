"""Where a stage's target positions lie in its source."""

import numpy as np
from numpy.typing import NDArray

from evonet.plan.types import Stage

Axis = int  # 0: rows, 1: columns


def positions(stage: Stage, axis: Axis) -> NDArray[np.int64]:
    """The source row (or column) at tap offset 0 of every target row (or column): int64, (height or width,)."""
    size = stage.target[axis + 1]
    return np.arange(size, dtype=np.int64) * stage.span[axis] // size + stage.shift[axis]


def stride(stage: Stage) -> tuple[int, int] | None:
    """The step between neighbouring target positions along rows and columns, if it is one and the same all along.

    floor(y * span / size) = y * s for all y < size exactly if it holds for the last y, as the remainder only grows.
    """
    steps = []
    for axis in (0, 1):
        size, span = stage.target[axis + 1], stage.span[axis]
        step = span // size if size > 1 else 1
        if (size - 1) * span // size != step * (size - 1) or step == 0:
            return None
        steps.append(step)
    return steps[0], steps[1]


def tiles(stage: Stage) -> NDArray[np.int64]:
    """The tile of every target position: int64, (height, width)."""
    _, height, width = stage.target
    rows, columns = stage.tiles
    return (np.arange(height) * rows // height)[:, None] * columns + np.arange(width) * columns // width


def inside(stage: Stage, axis: Axis, offset: int) -> NDArray[np.bool_]:
    """Which target rows (or columns) have the offset inside the source; with `wrap` all of them."""
    at = positions(stage, axis) + offset
    return (at >= 0) & (at < stage.source[axis + 1]) | stage.wrap
