"""The choice of codes: those that score best on a weighting of size and quality, quality from the decoded weights.

A greedy walk over the format's quarter-octave ladder of steps, over how much a bit is worth in rounding, and over the
codes of single tensors (idea of Wiedemann et al. 2020, DeepCABAC, section IV: chosen with the real coder in the loop).
It is counted in networks evaluated, `trials`, and ends when they are used up or when no move pays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np
from torch import Tensor

from evonet.compression.codes import CODES, Rounding, dequantise, grid
from evonet.compression.codes.base import clamp_step, first_step
from evonet.compression.settings import CodeName, CompressionSettings
from evonet.package import Coded
from evonet.package.cost import tensors_bits
from evonet.plan import Plan
from evonet.plan.blocks import blocks

Loss = Callable[[Sequence[Tensor]], float]  # calibration loss in bits per label of a network with these weights

PRICES = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)  # of a bit in rounding, squared steps
MOVES = (2, -2, 1, -1)  # quarter octaves
FEWEST = 6  # trials: fewer would not even look at both sides of every move
LEAST = 128  # images


@dataclass(frozen=True)
class Pick:
    """How one tensor is coded."""

    code: CodeName
    step: int


Picks = tuple[Pick, ...]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """One choice: codes per tensor, its calibration loss (bits per label), its size and its cost (bits in all)."""

    tensors: tuple[Coded, ...]
    picks: Picks
    rounding: float  # what a bit is worth
    loss: float
    bits: float
    cost: float

    @property
    def weights(self) -> list[Tensor]:
        return [dequantise(q) for q in self.tensors]


class Chooser:
    """Chooses codes for the weights of one network."""

    def __init__(
        self,
        plan: Plan,
        settings: CompressionSettings,
        loss: Loss,
        *,
        overhead: float,
        train_images: int,
    ) -> None:
        """`overhead`: bytes of the package beside the codes; `train_images`: N of the score."""
        self.plan, self.settings, self.loss = plan, settings, loss
        self.overhead, self.train_images = overhead, train_images
        self._blocks = blocks(plan)
        self._left = 0

    def start(self, weights: Sequence[Tensor], known: Sequence[Pick | None]) -> Picks:
        """The picks that a search begins with: those known, else at a step by size; no code that is not allowed."""
        picks = []
        for weight, pick in zip(weights, known, strict=True):
            step = first_step(weight.numpy(force=True)) if pick is None else pick.step
            allowed = pick is not None and pick.code in self.settings.codes
            picks.append(pick if pick is not None and allowed else Pick(self.settings.codes[0], step))
        return tuple(picks)

    def choose(
        self,
        weights: Sequence[Tensor],
        known: Sequence[Pick | None],
        *,
        trials: int,
        rounding: float | None = None,
        turn: int = 0,
    ) -> Codes:
        """The best codes found for `weights` in at most `trials` looks.

        `known`: picks to start from, None where there are none; `rounding`: what a bit was worth in them. `turn`: which
        tensor comes first among the single ones, so that rounds with few trials look at all of them in time.
        """
        price = self.settings.rounding if rounding is None else rounding
        best = self.priced(weights, self.start(weights, known), price)
        self._left = trials - 1
        for move in MOVES:
            best = self._walk(weights, best, move)
        improving = True
        while improving and self._left > 0:
            before = best.cost
            best = self._single(weights, best, turn)
            improving = best.cost < before
        return best

    def priced(self, weights: Sequence[Tensor], picks: Picks, rounding: float) -> Codes:
        """These picks, whatever they cost. A code that does not fit its tensor counts as the grid."""
        coded, fitting = [], []
        for weight, pick, block in zip(weights, picks, self._blocks, strict=True):
            array, how = weight.numpy(force=True), Rounding(self.settings.dead_zone, rounding)
            found = CODES[pick.code](array, pick.step, how, block)
            fitting.append(pick if found is not None else Pick("grid", pick.step))
            coded.append(found if found is not None else grid.encode(array, pick.step, how))
        return self.price(coded, tuple(fitting), rounding)

    def price(self, tensors: Sequence[Coded], picks: Picks, rounding: float) -> Codes:
        """What these codes cost; infinitely much where the loss is not finite."""
        bits = tensors_bits(self.plan.tensors, tensors)
        loss = self.loss([dequantise(q) for q in tensors])
        size = self.overhead + bits / 8
        price = self.settings.size_weight * size
        if self.settings.bound and size > self.settings.bound:
            price += self.settings.over * (size - self.settings.bound)
        cost = 8 * price + self.train_images * loss
        return Codes(
            tensors=tuple(tensors),
            picks=picks,
            rounding=rounding,
            loss=loss,
            bits=bits,
            cost=cost if isfinite(cost) else float("inf"),
        )

    def _walk(self, weights: Sequence[Tensor], best: Codes, move: int) -> Codes:
        """All tensors together, `move` quarter octaves a time, as long as that pays."""
        while True:
            picks = tuple(_moved(pick, move) for pick in best.picks)
            found = self._better(weights, best, picks, best.rounding)
            if found is best:
                return best
            best = found

    def _single(self, weights: Sequence[Tensor], best: Codes, turn: int) -> Codes:
        """One round of what a bit is worth, and of every tensor for itself, each taking the first move that pays."""
        for price in _beside(best.rounding):
            best = self._better(weights, best, best.picks, price)
        count = len(weights)
        for place in range(count):
            index = (place + turn) % count
            for pick in self._others(best.picks[index]):
                found = self._better(
                    weights, best, (*best.picks[:index], pick, *best.picks[index + 1 :]), best.rounding
                )
                if found is not best:
                    best = found
                    break
        return best

    def _others(self, pick: Pick) -> Iterator[Pick]:
        yield from (_moved(pick, move) for move in MOVES)
        yield from (Pick(code, pick.step) for code in self.settings.codes if code != pick.code)

    def _better(self, weights: Sequence[Tensor], best: Codes, picks: Picks, rounding: float) -> Codes:
        if self._left <= 0 or (picks == best.picks and rounding == best.rounding):
            return best
        self._left -= 1
        found = self.priced(weights, picks, rounding)
        return found if found.cost < best.cost else best


class Looks(NamedTuple):
    """What a choice may look at."""

    images: int  # calibration images a look
    trials: int


def looks_for(effort: float, *, steps: int, batch: int, calibration: int) -> Looks:
    """Looks for `effort` of the work, training the rest; a training step is taken for three passes over its batch.

    Of few images, so that FEWEST looks fit, but of no fewer than LEAST: at fewer, noise chooses the codes.
    """
    work = effort / (1 - effort) * 3 * steps * batch
    images = min(calibration, max(LEAST, int(work / FEWEST)))
    return Looks(images, max(FEWEST, int(work / images)))


def _moved(pick: Pick, move: int) -> Pick:
    return Pick(pick.code, clamp_step(pick.step + move))


def _beside(price: float) -> tuple[float, ...]:
    """The nearest rungs of PRICES below and above."""
    place = int(np.searchsorted(PRICES, price))
    above = place + 1 if place < len(PRICES) and PRICES[place] == price else place
    return tuple(PRICES[k] for k in (place - 1, above) if 0 <= k < len(PRICES))
