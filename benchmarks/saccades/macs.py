"""Exact counts of one forward pass, taken while it runs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Counts(NamedTuple):
    """For one image. Padding counts as pixels do; pooling, activations and sums are no multiply-accumulates."""

    macs: int
    parameters: int
    calls: int  # of convolutions and matrix products
    activations: int  # numbers that those calls write


def count(model: nn.Module, *inputs: Tensor) -> Counts:
    """The counts of `model(*inputs)`, whose first input is one image (1, C, H, W)."""
    macs = calls = activations = 0

    def seen(layer: nn.Module, _: object, out: Tensor) -> None:
        nonlocal macs, calls, activations
        macs, calls, activations = macs + out.numel() * fan_in(layer), calls + 1, activations + out.numel()

    hooks = [m.register_forward_hook(seen) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(*inputs)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return Counts(macs, sum(p.numel() for p in model.parameters()), calls, activations)


def fan_in(layer: nn.Module) -> int:
    """Multiply-accumulates for one number of the output."""
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
    assert isinstance(layer, nn.Linear)
    return layer.in_features
