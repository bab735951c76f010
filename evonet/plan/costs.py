"""Costs of a stage in closed form: no loop over neurons or connections."""

import numpy as np

from evonet.plan.geometry import inside
from evonet.plan.types import Stage


def application_macs(stage: Stage) -> int:
    """Multiply-adds of one application to one image, outside the source included; 0 without weights."""
    if stage.mixing == "identity":
        return 0
    per_position = sum(often * len(taps) for often, taps in _kernels(stage))
    return stage.inputs * stage.target[1] * stage.target[2] * per_position


def connections(stage: Stage) -> int:
    """Mask ones: joined pairs of neurons, without those that the boundary cuts off."""
    rows, columns = (
        {offset: int(np.count_nonzero(inside(stage, axis, offset))) for offset in {tap[axis] for tap in stage.taps}}
        for axis in (0, 1)
    )
    ones = [rows[dy] * columns[dx] for dy, dx in stage.taps]
    return stage.inputs * sum(often * sum(ones[t] for t in taps) for often, taps in _kernels(stage))


def _kernels(stage: Stage) -> list[tuple[int, list[int]]]:
    """(target channels, their taps by index) for every kernel of an orbit; one entry without."""
    out, every = stage.target[0], list(range(len(stage.taps)))
    if stage.tying is None:
        return [(out, every)]
    n = len(stage.tying.taps)
    return [(len(range(r, out, n)), [t for t in every if places[t] >= 0]) for r, places in enumerate(stage.tying.taps)]
