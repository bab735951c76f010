"""Full masks and slot matrices on request, at memory speed: a loop over taps, never over connections."""

import numpy as np
from numpy.typing import NDArray

from evonet.plan.types import Stage


def mask(stage: Stage) -> NDArray[np.bool_]:
    """Which pairs of neurons `stage` joins: bool, (out neurons, in neurons).

    A neuron's index is (channel * height + y) * width + x on either side.
    """
    wiring = np.zeros((_positions(stage.target), _positions(stage.source)), dtype=np.bool_)
    for _, targets, sources in _tap_pairs(stage):
        wiring[targets, sources] = True
    full = np.zeros(_blocks(stage), dtype=np.bool_)
    if stage.mixing == "full":
        full[...] = wiring[None, :, None, :]
    else:
        out = np.arange(stage.target[0])
        full[out, :, out % stage.source[0], :] = wiring
    return full.reshape(_matrix(stage))


def slots(stage: Stage) -> NDArray[np.int32]:
    """The flat index into the stage's weight tensor of every connection, -1 where there is none: (out, in neurons).

    Stages without weights (mixing 'identity') number their connections by tap.
    """
    n_taps = len(stage.taps)
    wiring = np.full((_positions(stage.target), _positions(stage.source)), -1, dtype=np.int32)
    for index, targets, sources in _tap_pairs(stage):
        wiring[targets, sources] = index
    full = np.full(_blocks(stage), -1, dtype=np.int32)
    out = np.arange(stage.target[0], dtype=np.int32)
    if stage.mixing == "full":
        inputs = np.arange(stage.source[0], dtype=np.int32)
        base = (out[:, None] * stage.source[0] + inputs)[:, None, :, None] * n_taps
        full[...] = np.where(wiring[None, :, None, :] >= 0, base + wiring[None, :, None, :], -1)
    else:
        base = (out * (0 if stage.mixing == "identity" else n_taps))[:, None, None]
        full[out, :, out % stage.source[0], :] = np.where(wiring >= 0, base + wiring, -1)
    return full.reshape(_matrix(stage))


def _tap_pairs(stage: Stage) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Per tap its index and the target and source positions that it joins."""
    _, height, width = stage.source
    rows, columns = np.arange(stage.target[1]), np.arange(stage.target[2])
    pairs = []
    for index, (dy, dx) in enumerate(stage.taps):
        y, x = rows * stage.stride + dy, columns * stage.stride + dx
        inside_y, inside_x = (y >= 0) & (y < height), (x >= 0) & (x < width)
        targets = rows[inside_y][:, None] * stage.target[2] + columns[inside_x]
        sources = y[inside_y][:, None] * width + x[inside_x]
        pairs.append((index, targets.ravel(), sources.ravel()))
    return pairs


def _positions(shape: tuple[int, int, int]) -> int:
    return shape[1] * shape[2]


def _matrix(stage: Stage) -> tuple[int, int]:
    return stage.target[0] * _positions(stage.target), stage.source[0] * _positions(stage.source)


def _blocks(stage: Stage) -> tuple[int, int, int, int]:
    """The matrix seen as (out channel, position, in channel, position)."""
    return stage.target[0], _positions(stage.target), stage.source[0], _positions(stage.source)
