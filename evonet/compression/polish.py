"""The last polish: single integer codes moved by one, where the score says so, on more data than the choice saw.

Coordinate descent on the codes themselves; a second-order model of the loss says which moves are worth a look
(Hassibi and Stork 1993, Optimal brain surgeon, with the diagonal alone, and bits beside the loss).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evonet.compression.choice import Chooser, Codes
from evonet.package import STEPS, Coded, Quantised
from evonet.package.cost import magnitude_bits
from evonet.package.models import LARGEST

#: Weights -> per tensor the gradient of the loss (bits per label) and the diagonal of its curvature.
Slopes = Callable[[Sequence[Tensor]], tuple[list[Tensor], list[Tensor]]]
PASSES = 4


class Move(NamedTuple):
    gain: float  # bits that the model expects to save
    tensor: int
    place: int  # in the flat tensor
    code: int  # its new value


def polish(chooser: Chooser, codes: Codes, slopes: Slopes, *, trials: int) -> Codes:
    """`codes`, or better ones by the chooser's own cost, after at most `trials` looks."""
    best = chooser.price(codes.tensors, codes.picks, codes.rounding)  # by this chooser's images
    for left in range(PASSES, 0, -1):
        before, tries = best.cost, trials // left
        for move in sorted(moves(chooser, best, slopes), reverse=True)[:tries]:
            found = chooser.price(_with(best.tensors, move), best.picks, best.rounding)
            best = found if found.cost < best.cost else best
        trials -= tries
        if best.cost == before:
            break
    return best


def moves(chooser: Chooser, codes: Codes, slopes: Slopes) -> Iterator[Move]:
    """All moves by one that the model expects to pay."""
    gradients, curvatures = slopes(codes.weights)
    settings, size = chooser.settings, chooser.overhead + codes.bits / 8
    price = settings.size_weight + (settings.over if settings.bound and size > settings.bound else 0.0)
    for index, coded in enumerate(codes.tensors):
        if not isinstance(coded, Quantised):
            continue
        slope = gradients[index].numpy(force=True).ravel() * STEPS[coded.step]
        bend = 0.5 * curvatures[index].numpy(force=True).ravel() * STEPS[coded.step] ** 2
        for by in (1, -1):
            gains = -chooser.train_images * (by * slope + bend) - price * _bits(coded, by)
            gains[np.abs(coded.codes.ravel() + by) > LARGEST] = -np.inf
            for place in np.flatnonzero(gains > 0):
                yield Move(float(gains[place]), index, int(place), int(coded.codes.flat[place]) + by)


def _bits(coded: Quantised, by: int) -> NDArray[np.float64]:
    """How many more bits each code takes when it moves `by`."""
    bits, old = magnitude_bits(coded.codes), np.abs(coded.codes.ravel())
    new = np.minimum(np.abs(coded.codes.ravel() + by), LARGEST)
    difference: NDArray[np.float64] = bits[new] - bits[old]
    return difference


def _with(tensors: Sequence[Coded], move: Move) -> list[Coded]:
    changed = list(tensors)
    old = changed[move.tensor]
    codes = old.codes.copy()  # type: ignore[union-attr]  # moves are of Quantised alone
    codes.flat[move.place] = move.code
    changed[move.tensor] = Quantised(step=old.step, codes=codes)  # type: ignore[union-attr]
    return changed
