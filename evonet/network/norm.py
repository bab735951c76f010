"""Root-mean-square norm over channels (Zhang & Sennrich 2019, arXiv:1910.07467), without parameters.

Written with its own gradient because the sheets it runs over are large and thin: autograd's version of
h * rsqrt(mean(h^2) + eps) keeps and passes over twice as many full-size tensors.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPS = 1e-5


def rms_norm(h: Tensor) -> Tensor:
    """h / sqrt(mean over channels of h^2 + 1e-5), for h of shape (batch, channels, height, width)."""
    if not torch.is_grad_enabled():
        return h * _scale(h)
    y: Tensor = _RmsNorm.apply(h)  # type: ignore[no-untyped-call]
    return y


def _scale(h: Tensor) -> Tensor:
    scale: Tensor = torch.linalg.vecdot(h, h, dim=1).div_(h.shape[1]).add_(EPS).rsqrt_()
    return scale.unsqueeze(1)


class _RmsNorm(torch.autograd.Function):
    """With r = (mean h^2 + eps)^(-1/2) and y = r h:  dL/dh = r g - r^2 y mean(g h) = r (g - y mean(g y))."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        scale = _scale(h)
        y: Tensor = h * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    @once_differentiable  # a second derivative through `scale` would be wrong
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (g,) = gradients
        y, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(g, y, dim=1).div_(y.shape[1]).unsqueeze(1)
        rest: Tensor = torch.addcmul(g, y, along, value=-1).mul_(scale)
        return rest
