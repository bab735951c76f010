"""Every position with weights of its own: a batch of products, one for what each position sees of all images.

Some positions at a time, so that what they see stays in a cache; nothing of it is kept for the gradients.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from evonet.network.gather import tables
from evonet.plan.lowering import PlacesPart
from evonet.plan.types import Stage

CACHE = 2**22  # bytes


class Places(nn.Module):
    """A full stage whose every target position is a tile."""

    there: Tensor

    def __init__(self, stage: Stage, part: PlacesPart) -> None:
        super().__init__()
        there, _ = tables(stage, part.index)
        self.register_buffer("there", torch.from_numpy(there.T.copy()), persistent=False)  # (positions, taps)
        self.grid = stage.target[1:]

    def forward(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        h: Tensor = _Product.apply(x, kernel, self.there)  # type: ignore[no-untyped-call]
        h = h if bias is None else h + bias
        return torch.unflatten(h.permute(1, 2, 0), 2, self.grid)


class _Product(torch.autograd.Function):
    """(batch, channels, height, width), kernel (positions, out, channels, taps) -> (positions, batch, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, there: Tensor) -> Tensor:
        ctx.save_for_backward(x, kernel, there)
        rows, weight = _rows(x), _matrices(kernel)
        out = x.new_empty(len(there), len(x), kernel.shape[1])
        for some in _pieces(rows, there):
            out[some] = torch.bmm(_seen(rows, there[some]), weight[some])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel, there = ctx.saved_tensors
        g, rows, weight = gradients[0].contiguous(), _rows(x), _matrices(kernel)
        dw, dx = torch.empty_like(weight), torch.zeros_like(rows)
        for some in _pieces(rows, there):
            dw[some] = torch.bmm(_seen(rows, there[some]).transpose(1, 2), g[some])
            if ctx.needs_input_grad[0]:
                _put_back(dx, torch.bmm(g[some], weight[some].transpose(1, 2)), there[some])
        dk = torch.unflatten(dw, 1, (kernel.shape[3], kernel.shape[2])).permute(0, 3, 2, 1)
        return dx[1:].permute(1, 2, 0).reshape(x.shape) if ctx.needs_input_grad[0] else None, dk, None


def _rows(x: Tensor) -> Tensor:
    """(1 + source positions, batch, channels): the first is zero, and is what lies outside."""
    rows = x.new_zeros(1 + x.shape[2] * x.shape[3], len(x), x.shape[1])
    rows[1:] = x.flatten(2).permute(2, 0, 1)
    return rows


def _matrices(kernel: Tensor) -> Tensor:
    """(positions, taps * channels, out)."""
    return kernel.permute(0, 3, 2, 1).flatten(1, 2)


def _seen(rows: Tensor, there: Tensor) -> Tensor:
    """(positions, batch, taps * channels)."""
    images = rows.shape[1]
    index = (there + 1)[:, None, :] * images + torch.arange(images, device=there.device)[:, None]
    return rows.flatten(0, 1).index_select(0, index.flatten()).view(len(there), images, -1)


def _put_back(dx: Tensor, seen: Tensor, there: Tensor) -> None:
    """Adds the gradients of what was seen to those of `rows`."""
    by_tap = torch.unflatten(seen, 2, (there.shape[1], -1)).transpose(1, 2)
    dx.index_add_(0, (there + 1).flatten(), by_tap.reshape(-1, *dx.shape[1:]))


def _pieces(rows: Tensor, there: Tensor) -> list[slice]:
    """Even runs of positions."""
    a_position = rows[0].numel() * there.shape[1] * rows.element_size()
    n = max(1, min(len(there), len(there) * a_position // CACHE))
    return [slice(len(there) * i // n, len(there) * (i + 1) // n) for i in range(n)]
