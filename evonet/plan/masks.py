"""Full masks and slot matrices on request, at memory speed: a loop over taps and channels, never over connections.

Nothing but the result is as large as the result: connections are written into it a few taps at a time.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from evonet.plan.geometry import inside, positions, tiles
from evonet.plan.types import Stage

Index = NDArray[np.int64]
_PAIRS = 2**14  # pairs of positions written at a time: some hundred kB of indices


def mask(stage: Stage) -> NDArray[np.bool_]:
    """Which pairs of neurons `stage` joins: bool, (out neurons, in neurons).

    A neuron's index is (channel * height + y) * width + x on either side.
    """
    return _filled(stage, False, np.bool_, lambda taps, targets, out: True)


def slots(stage: Stage) -> NDArray[np.int32]:
    """The flat index into the stage's weight tensor of every connection, -1 where there is none: (out, in neurons).

    Stages without weights (mixing 'identity') number their connections by tap.
    """
    if stage.mixing == "identity":
        return _filled(stage, -1, np.int32, lambda taps, targets, out: taps[:, None])
    n, inputs, own = len(_places(stage)), stage.inputs, len(stage.own_taps)
    a_tile = -(-stage.target[0] // n) * inputs * own
    tile, places, each = tiles(stage).ravel(), _places(stage), np.arange(inputs) * own

    def index(taps: Index, targets: Index, out: int) -> Any:
        return (tile[targets] * a_tile + out // n * inputs * own + places[out % n][taps])[:, None] + each

    return _filled(stage, -1, np.int32, index)


def signs(stage: Stage) -> NDArray[np.int8]:
    """The sign with which every connection takes its weight, 0 where there is none: (out, in neurons)."""
    n = len(_places(stage))
    rows = np.array(stage.tying.signs) if stage.tying else np.ones((1, len(stage.taps)), dtype=np.int64)
    return _filled(stage, 0, np.int8, lambda taps, targets, out: rows[out % n][taps][:, None])


def _filled(stage: Stage, empty: int, dtype: DTypeLike, value: Callable[[Index, Index, int], Any]) -> NDArray[Any]:
    """A matrix of `empty` with value(taps, target positions, out channel), (pairs, 1 or inputs), at its connections."""
    (channels, height, width), (out, rows, columns) = stage.source, stage.target
    full = np.full((out, rows * columns, channels, height * width), empty, dtype=dtype)
    places = _places(stage)
    for taps, targets, sources in _pairs(stage):
        for o in range(out):
            own = places[o % len(places)][taps] >= 0
            t, to, of = (taps, targets, sources) if own.all() else (taps[own], targets[own], sources[own])
            full[o, to, _inputs(stage, o), of] = value(t, to, o)
    return full.reshape(out * rows * columns, channels * height * width)


def _inputs(stage: Stage, out: int) -> slice:
    if stage.mixing in ("depthwise", "identity"):
        return slice(stage.reads[out], stage.reads[out] + 1)
    first = out * stage.groups // stage.target[0] * stage.inputs
    return slice(first, first + stage.inputs)


def _places(stage: Stage) -> Index:
    """Where each tap's weight lies among `own_taps`, -1 for none: (kernels of an orbit, taps)."""
    return np.array(stage.tying.taps) if stage.tying else np.arange(len(stage.taps))[None]


def _pairs(stage: Stage) -> Iterator[tuple[Index, Index, Index]]:
    """(taps, target positions, source positions) of the joined positions, some taps at a time."""
    _, height, width = stage.source
    _, rows, columns = stage.target
    step = max(1, _PAIRS // (rows * columns))
    row, column = positions(stage, 0), positions(stage, 1)
    for first in range(0, len(stage.taps), step):
        taps = stage.taps[first : first + step]
        in_rows = np.stack([inside(stage, 0, dy) for dy, _ in taps])
        in_columns = np.stack([inside(stage, 1, dx) for _, dx in taps])
        t, y, x = np.nonzero(in_rows[:, :, None] & in_columns[:, None, :])
        offsets = np.array(taps)[t]
        sources = (row[y] + offsets[:, 0]) % height * width + (column[x] + offsets[:, 1]) % width
        yield t + first, y * columns + x, sources
