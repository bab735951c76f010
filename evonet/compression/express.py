"""What compression left on: channels that nothing reads and taps that are all zero are switched off, and cut."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonet.package import Book, Coded, Half, Quantised, Transformed
from evonet.plan import Branch, Expression, Plan, SheetPlan, Stage
from evonet.plan.types import Bits

Arrays = Sequence[NDArray[Any]]  # in the order of Plan.tensors


def express(plan: Plan, tensors: Sequence[Coded]) -> Expression:
    """The live taps and channels of a network with these codes; `plan` and `tensors` of the whole genome.

    A channel of a cuttable sheet is off when all weights that read it are zero, those of channels that are off left
    out; a tap is off when its weights are zero, those of a transform excepted, whose rectangle must stay whole. One of
    each stays on. What the network computes does not change.
    """
    whole = {index for index, q in enumerate(tensors) if isinstance(q, Transformed)}
    codes = [q.weights.copy() for q in tensors]
    channels = [np.ones(len(sheet.alive), dtype=np.bool_) for sheet in plan.sheets]
    while _switch_off(plan, codes, channels):
        pass
    taps: list[Bits] = []
    for stage in plan.stages:
        if stage.lender is not None:
            taps.append(taps[stage.lender])
        else:
            taps.append((True,) * len(stage.all_taps) if stage.weight in whole else _live_taps(stage, codes))
    return Expression(taps=tuple(taps), channels=tuple(tuple(map(bool, live)) for live in channels))


def cut(live: Plan, tensors: Sequence[Coded]) -> list[Coded]:
    """The tensors of the whole genome without what is off in the plan `live`, made with its expression."""
    return [q if t.kept is None else _part(q, t.kept) for t, q in zip(live.tensors, tensors, strict=True)]


def _part(coded: Coded, kept: tuple[tuple[int, ...], ...]) -> Coded:
    """What `kept` names along every axis. Of a transform, whole blocks: its taps are all live."""
    index = np.ix_(*kept)
    match coded:
        case Half():
            return Half(values=np.ascontiguousarray(coded.values[index]))
        case Transformed():
            return Transformed(step=coded.step, codes=np.ascontiguousarray(coded.codes[index]), block=coded.block)
        case Book():
            used, codes = np.unique(coded.codes[index], return_inverse=True)
            if len(used) < 2:
                return Half(values=np.ascontiguousarray(coded.levels[coded.codes[index]]))
            left = codes.astype(np.int16).reshape(tuple(map(len, kept)))
            return Book(levels=coded.levels[used], codes=left)
    return Quantised(step=coded.step, codes=np.ascontiguousarray(coded.codes[index]))


def _switch_off(plan: Plan, codes: Arrays, channels: list[NDArray[np.bool_]]) -> bool:
    """Switch off what nothing reads, later sheets first, and clear its own weights; whether there was any."""
    found = False
    for index in reversed(range(len(plan.sheets))):
        if not plan.sheets[index].cuttable:
            continue
        read = channels_read(plan, index, codes) | ~channels[index]
        if not read[channels[index]].any():
            read[np.argmax(channels[index])] = True  # one stays on
        for channel in np.flatnonzero(~read):
            _clear(plan.sheets[index], int(channel), codes)
            found = True
        channels[index] &= read
    return found


def channels_read(plan: Plan, index: int, tensors: Arrays) -> NDArray[np.bool_]:
    """Which channels of sheet `index` some weight reads that is not zero."""
    read = np.zeros(len(plan.sheets[index].alive), dtype=np.bool_)
    for sheet in plan.sheets[index:]:
        for branch in (*sheet.incoming, *sheet.recurrent):
            if branch.source == index:
                read |= _reads(branch.stages, tensors, len(read))
    if index == plan.readout.source and plan.readout.weight is not None:
        weight = tensors[plan.readout.weight]
        pools = 2 if plan.readout.pooling == "both" else 1
        read |= weight.reshape(len(weight), pools, len(read), -1).any(axis=(0, 1, 3))
    return read


def _reads(stages: Sequence[Stage], tensors: Arrays, channels: int) -> NDArray[np.bool_]:
    """Which input channels reach the end of a branch: all of its stages must have weights for them."""
    through = np.ones(channels, dtype=np.bool_)
    for stage in stages:
        if stage.weight is None:
            continue
        weight = tensors[stage.weight]  # (..., inputs, taps) if full, else (..., channels, taps)
        through &= weight.any(axis=tuple(axis for axis in range(weight.ndim) if axis != weight.ndim - 2))
    return through


def by_target(branches: Sequence[Branch], tensors: Arrays) -> Iterator[NDArray[Any]]:
    """Views of the last weights of every branch, target channels first; of the branches that have any."""
    for branch in branches:
        stage = branch.stages[-1]
        if stage.weight is not None:
            weight = tensors[stage.weight]
            yield np.moveaxis(weight, weight.ndim - (3 if stage.mixing == "full" else 2), 0)


def _clear(sheet: SheetPlan, channel: int, codes: Arrays) -> None:
    """Without the channel, what it read is read no more."""
    for weight in by_target((*sheet.incoming, *sheet.recurrent), codes):
        weight[channel] = 0
    if sheet.bias is not None:
        codes[sheet.bias][:, channel] = 0


def _live_taps(stage: Stage, codes: Arrays) -> Bits:
    if stage.weight is None:
        return (True,) * len(stage.all_taps)
    weight = codes[stage.weight]
    live = [bool(weight[..., tap].any()) for tap in range(weight.shape[-1])]
    return tuple(live) if any(live) else (True, *live[1:])
