"""What was cut in a parent wakes in its child.

A channel that reads nothing and that nothing reads has no gradient on either side. It gets random weights inward and
stays zero outward: no logit changes, and it can learn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evonet.compression.express import Arrays, by_target, channels_read
from evonet.plan import Plan


def wake(plan: Plan, weights: Sequence[Tensor], old: Sequence[Tensor], fresh: Sequence[Tensor]) -> None:
    """Write `fresh` inward weights of sleeping channels into `weights`, and False into `old`."""
    arrays, kept, new = ([t.numpy() for t in tensors] for tensors in (weights, old, fresh))
    sleeping = [(k, _sleeping(plan, k, arrays)) for k, sheet in enumerate(plan.sheets) if sheet.cuttable]
    _wake_between(plan, arrays, kept, new)
    for k, channels in sleeping:
        rows = (by_target(plan.sheets[k].incoming, tensors) for tensors in (arrays, kept, new))
        for weight, is_old, start in zip(*rows, strict=True):
            weight[channels], is_old[channels] = start[channels], False


def _sleeping(plan: Plan, index: int, arrays: Arrays) -> NDArray[np.bool_]:
    """Which channels of a sheet that may be cut nothing reads, and themselves read nothing."""
    sheet = plan.sheets[index]
    awake = channels_read(plan, index, arrays)
    if any(branch.stages[-1].weight is None for branch in sheet.incoming):
        return np.zeros_like(awake)
    for weight in by_target((*sheet.incoming, *sheet.recurrent), arrays):
        awake |= weight.any(axis=tuple(range(1, weight.ndim)))
    return ~awake


def _wake_between(plan: Plan, arrays: Arrays, kept: Arrays, new: Arrays) -> None:
    """Separable motifs: channels of which neither the taps nor the mixing is left get their taps anew."""
    branches = (branch for sheet in plan.sheets for branch in (*sheet.incoming, *sheet.recurrent))
    for first, mix in (branch.stages for branch in branches if len(branch.stages) == 2):
        if first.weight is None or mix.weight is None or first.lender is not None:
            continue
        taps, was_old, start = (np.moveaxis(tensors[first.weight], -2, 0) for tensors in (arrays, kept, new))
        channels = np.logical_not(arrays[mix.weight].any(axis=(0, 2)))
        if len(taps) == len(channels):  # not so in an orbit, where channels share their taps
            channels &= ~taps.any(axis=tuple(range(1, taps.ndim)))
            taps[channels], was_old[channels] = start[channels], False
