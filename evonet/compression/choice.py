"""The choice of steps: the codes that score best on a weighting of size and quality, quality from the decoded weights.

The search moves on the format's quarter-octave ladder: first all tensors together, then, in thorough mode, one tensor
at a time (notes of Wiedemann et al. 2020, DeepCABAC, section IV: step sizes chosen with the real coder in the loop).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evonet.compression.codes import clamp_step, dequantise, nearest_step, quantise
from evonet.compression.settings import CompressionSettings
from evonet.package import Quantised
from evonet.package.cost import code_bits, tensors_bits
from evonet.plan import Plan

Loss = Callable[[Sequence[Tensor]], float]  # calibration loss in bits per label of a network with these weights


@dataclass(frozen=True, kw_only=True)
class Codes:
    """One choice: codes per tensor, its calibration loss (bits per label), its size and its cost (bits in all)."""

    tensors: tuple[Quantised, ...]
    loss: float
    bits: float
    cost: float

    @property
    def steps(self) -> list[int]:
        return [q.step for q in self.tensors]

    @property
    def weights(self) -> list[Tensor]:
        return [dequantise(q) for q in self.tensors]


class Chooser:
    """Chooses codes for the weights of one network."""

    def __init__(
        self, plan: Plan, settings: CompressionSettings, loss: Loss, *, overhead: float, train_images: int
    ) -> None:
        """`overhead`: bytes of the package beside the codes; `train_images`: N of the score."""
        self.plan, self.settings, self.loss = plan, settings, loss
        self.overhead, self.train_images = overhead, train_images

    def choose(self, weights: Sequence[Tensor], known: Sequence[int | None], *, sweeps: int) -> Codes:
        """The best codes found for `weights`; `known`: a step per tensor to start from, None where there is none."""
        start = [first_step(w) if step is None else step for w, step in zip(weights, known, strict=True)]
        best = self._price([self._quantise(w, s) for w, s in zip(weights, start, strict=True)])
        for move in (2, -2, 1, -1):
            best = self._walk(weights, best, move)
        for _ in range(sweeps):
            best = self._sweep(weights, best)
        return best

    def _walk(self, weights: Sequence[Tensor], best: Codes, move: int) -> Codes:
        """All tensors together, `move` quarter octaves a time, as long as that pays."""
        while True:
            steps = [clamp_step(s + move) for s in best.steps]
            found = self._better(best, [self._quantise(w, s) for w, s in zip(weights, steps, strict=True)])
            if found is best:
                return best
            best = found

    def _sweep(self, weights: Sequence[Tensor], best: Codes) -> Codes:
        """Every tensor half or a quarter of an octave coarser or finer, greedily, those with most bits first."""
        order = sorted(range(len(weights)), key=lambda i: (-code_bits(best.tensors[i].codes), i))
        for index in order:
            for move in (2, -2, 1, -1):
                step = clamp_step(best.tensors[index].step + move)
                tensors = list(best.tensors)
                tensors[index] = self._quantise(weights[index], step)
                found = self._better(best, tensors)
                if found is not best:
                    best = found
                    break
        return best

    def _quantise(self, weight: Tensor, step: int) -> Quantised:
        return quantise(weight, step, self.settings.dead_zone)

    def _better(self, best: Codes, tensors: Sequence[Quantised]) -> Codes:
        found = self._price(tensors)
        return found if found.cost < best.cost else best

    def _price(self, tensors: Sequence[Quantised]) -> Codes:
        bits = tensors_bits(self.plan.tensors, tensors)
        loss = self.loss([dequantise(q) for q in tensors])
        size = self.overhead + bits / 8
        price = self.settings.size_weight * size
        if self.settings.bound and size > self.settings.bound:
            price += self.settings.over * (size - self.settings.bound)
        cost = 8 * price + self.train_images * loss
        return Codes(tensors=tuple(tensors), loss=loss, bits=bits, cost=cost if cost == cost else float("inf"))


def first_step(weight: Tensor) -> int:
    """Where no step is known: half a root mean square of the tensor, but no tiny one, as biases start at zero."""
    return nearest_step(max(0.5 * float(torch.sqrt(weight.square().mean())), 0.025))
