"""How one stage is computed: the masked matrix is the reference, what `plan.lowering` chooses stands in for it."""

import torch
from torch import Tensor, nn

from evonet.network.parts import PARTS, plus
from evonet.plan.lowering import GatherPart, Lowering
from evonet.plan.masks import signs, slots
from evonet.plan.types import Stage


def lowered(stage: Stage, parts: Lowering) -> nn.Module:
    """The stage as the sum of `parts`.

    Called with (batch, *source), the stage's weight tensor and a bias (channels,) to add -> (batch, *target).
    """
    return Lowered(stage, parts)


def reference(stage: Stage) -> nn.Module:
    """The stage as one masked matrix: signed weights in their slots, everything else zero; called as `lowered`."""
    return Masked(stage)


class Lowered(nn.Module):
    """Makes the kernel, (tiles, out, inputs, taps) or without the axes that the stage lacks, and hands each part its
    taps; the first part adds the bias.
    """

    index0: Tensor

    def __init__(self, stage: Stage, chosen: Lowering) -> None:
        super().__init__()
        self.kernel = Kernel(stage)
        self.parts = nn.ModuleList(PARTS[type(part)](stage, part) for part in chosen)
        self.channels_last = any(isinstance(part, GatherPart) for part in chosen)
        self.all = chosen[0].index == tuple(range(len(stage.taps)))
        for place, part in enumerate(chosen):
            self.register_buffer(f"index{place}", torch.tensor(part.index), persistent=False)

    def forward(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        kernel = self.kernel(x, weight)
        if self.channels_last:  # all parts alike: sums of two layouts are slow
            x = x.contiguous(memory_format=torch.channels_last)
        if self.all:
            only: Tensor = self.parts[0](x, kernel, bias)
            return only
        total: Tensor = self.parts[0](x, kernel.index_select(-1, self.index0), bias)
        for place, part in enumerate(self.parts[1:], start=1):
            total = total + part(x, kernel.index_select(-1, getattr(self, f"index{place}")), None)
        return total


class Kernel(nn.Module):
    """Stored weights -> the kernel: as they are, tied by a symmetry, or for 'identity' the mean of the taps."""

    places: Tensor | None
    signs: Tensor

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        tying = stage.tying
        self.register_buffer("places", None if tying is None else torch.tensor(tying.taps), persistent=False)
        sign = None
        if tying is not None:  # a place of -1 has no weight
            sign = torch.tensor(tying.signs) * (torch.tensor(tying.taps) >= 0)
        self.register_buffer("signs", sign, persistent=False)

    def forward(self, x: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            n = len(self.stage.taps)
            return x.new_full((self.stage.target[0], n), 1 / n)
        return weight if self.places is None else self._tied(weight, self.places)

    def _tied(self, stored: Tensor, places: Tensor) -> Tensor:
        """kernel[o, i, t] = signs[o % n][t] * stored[o // n, i, places[o % n][t]]."""
        n, taps = places.shape
        inputs = stored.shape[-2:-1] if self.stage.mixing in ("full", "grouped") else stored.shape[:0]
        lead = stored.shape[: stored.dim() - 1 - len(inputs)]  # (tiles,) and the stored kernels
        turned = torch.unflatten(stored.index_select(-1, places.clamp(min=0).flatten()), -1, (n, taps)) * self.signs
        if inputs:
            turned = turned.transpose(-3, -2)
        return turned.reshape(*lead[:-1], lead[-1] * n, *inputs, taps).narrow(len(lead) - 1, 0, self.stage.target[0])


class Masked(nn.Module):
    """One matrix (out neurons, in neurons)."""

    slots: Tensor
    signs: Tensor

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        table = torch.from_numpy(slots(stage)).long()
        self.register_buffer("slots", table.clamp(min=0), persistent=False)
        self.register_buffer("signs", torch.from_numpy(signs(stage)), persistent=False)

    def forward(self, x: Tensor, weight: Tensor | None, bias: Tensor | None = None) -> Tensor:
        n = len(self.stage.taps)
        weights = x.new_full((n,), 1 / n) if weight is None else weight.reshape(-1)
        matrix = weights[self.slots] * self.signs
        return plus((x.flatten(1) @ matrix.T).reshape(-1, *self.stage.target), bias)
