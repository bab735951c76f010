"""Pooled features to logits: by weights, as they are, or through a fixed code."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.plan.types import ReadoutPlan


class Readout(nn.Module):
    """(batch, channels, height, width) -> logits (batch, classes). It holds no weights; a Hadamard code is a buffer."""

    code: Tensor

    def __init__(self, plan: ReadoutPlan, classes: int) -> None:
        super().__init__()
        self.plan = plan
        code = hadamard(classes, plan.features) if plan.kind == "hadamard" else None
        self.register_buffer("code", code, persistent=False)

    def forward(self, x: Tensor, w: Sequence[Tensor]) -> Tensor:
        return self.answer(self._features(x), w)

    def answer(self, features: Tensor, w: Sequence[Tensor]) -> Tensor:
        """Pooled features (batch, features), as (pool, channel, row, column) -> logits."""
        if self.plan.kind == "hadamard":
            code = self.code.to(features.dtype) / float(self.plan.features) ** 0.5
            return F.linear(features, code)
        if self.plan.weight is None or self.plan.bias is None:
            return features
        return F.linear(features, w[self.plan.weight], w[self.plan.bias])

    def _features(self, x: Tensor) -> Tensor:
        """(batch, features), in the order (pool, channel, row, column)."""
        pools = []
        if self.plan.pooling in ("mean", "both"):
            pools.append(_pool(x, self.plan.grid, largest=False))
        if self.plan.pooling in ("max", "both"):
            pools.append(_pool(x, self.plan.grid, largest=True))
        return pools[0] if len(pools) == 1 else torch.cat(pools, dim=1)


def hadamard(rows: int, columns: int) -> Tensor:
    """The upper left corner of a Sylvester-Hadamard matrix: (-1) ** (ones that r and c have in common in base 2)."""
    return torch.tensor([[(-1.0) ** (r & c).bit_count() for c in range(columns)] for r in range(rows)])


def _pool(x: Tensor, grid: tuple[int, int], *, largest: bool) -> Tensor:
    """Adaptive pooling, flattened as (channel, row, column)."""
    if grid == (1, 1):
        return x.amax((2, 3)) if largest else x.mean((2, 3))
    if grid == tuple(x.shape[2:]):
        return x.flatten(1)
    return (F.adaptive_max_pool2d(x, grid) if largest else F.adaptive_avg_pool2d(x, grid)).flatten(1)
