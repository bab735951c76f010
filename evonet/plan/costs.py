"""Costs of a stage in closed form: no loop over neurons or connections."""

from functools import lru_cache

import numpy as np

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
        {
            offset: _inside(stage.target[axis + 1], stage.source[axis + 1], stage.span[axis], at + offset, stage.wrap)
            for offset in {tap[axis] for tap in stage.taps}
        }
        for axis, at in enumerate(stage.shift)
    )
    ones = [rows[dy] * columns[dx] for dy, dx in stage.taps]
    return stage.inputs * sum(often * sum(ones[t] for t in taps) for often, taps in _kernels(stage))


@lru_cache(maxsize=2**16)
def _inside(size: int, source: int, span: int, offset: int, wrap: bool) -> int:
    """How many of `size` target rows have the offset inside the source; as `geometry.inside`, which shifts the rows."""
    at = np.arange(size, dtype=np.int64) * span // size + offset
    return int(np.count_nonzero((at >= 0) & (at < source) | wrap))


def _kernels(stage: Stage) -> list[tuple[int, list[int]]]:
    """(target channels, their taps by index) for every kernel of an orbit; one entry without."""
    out, every = stage.target[0], list(range(len(stage.taps)))
    if stage.tying is None:
        return [(out, every)]
    n = len(stage.tying.taps)
    return [(len(range(r, out, n)), [t for t in every if places[t] >= 0]) for r, places in enumerate(stage.tying.taps)]
