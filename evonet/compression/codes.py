"""Weights as integer codes on a grid of steps, tensor by tensor."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evonet.package import STEPS, Quantised
from evonet.plan import Plan
from evonet.training.rounding import Grid, round_codes

_LOG_STEPS = np.log2(np.asarray(STEPS, dtype=np.float64))


def nearest_step(size: float) -> int:
    """The index of the step of the format that is nearest to `size` on the log scale."""
    return int(np.abs(_LOG_STEPS - np.log2(max(size, 1e-12))).argmin())


def clamp_step(step: int) -> int:
    return min(max(step, 0), len(STEPS) - 1)


def grid_of(plan: Plan, steps: Sequence[int], dead_zone: float) -> Grid:
    """The steps of all tensors, one per weight of the flat vector."""
    values = [torch.full((t.size,), float(STEPS[s])) for t, s in zip(plan.tensors, steps, strict=True)]
    return Grid(torch.cat(values) if values else torch.zeros(0), dead_zone)


def quantise(weight: Tensor, step: int, dead_zone: float) -> Quantised:
    """The codes of one tensor."""
    codes = round_codes(weight, Grid(torch.tensor(float(STEPS[step])), dead_zone))
    return Quantised(step=step, codes=codes.cpu().numpy().astype(np.int16))


def dequantise(quantised: Quantised) -> Tensor:
    """Decoded weights: step x code in float32, exactly."""
    return torch.from_numpy(quantised.weights)
