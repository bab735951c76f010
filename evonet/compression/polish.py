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
GROUP = 12  # moves tried at once while a file is above its bound: what counts there is size, which the model knows


class Move(NamedTuple):
    gain: float  # bits that the model expects to save
    tensor: int
    place: int  # in the flat tensor
    code: int  # its new value


def polish(chooser: Chooser, codes: Codes, slopes: Slopes, *, trials: int) -> Codes:
    """`codes`, or better ones by the chooser's own cost, after at most `trials` looks.

    Codes above the bound are brought below it first, as far as moves of grids get, however many looks that takes.
    """
    best = chooser.price(codes.tensors, codes.picks, codes.rounding)  # by this chooser's images
    before = float("inf")
    while above(chooser, best) and best.cost < before:
        before = best.cost
        best = _pass(chooser, best, slopes, tries=len(best.tensors) * GROUP, group=GROUP)
    for left in range(PASSES, 0, -1):
        before, tries = best.cost, -(-trials // left)
        if not tries:
            break
        best = _pass(chooser, best, slopes, tries=tries, group=1)
        trials -= tries
        if best.cost == before:
            break
    return best


def above(chooser: Chooser, codes: Codes) -> bool:
    """Whether a file with these codes is above the bound, if there is one."""
    bound = chooser.settings.bound
    return bool(bound) and chooser.overhead + codes.bits / 8 > bound


def _pass(chooser: Chooser, best: Codes, slopes: Slopes, *, tries: int, group: int) -> Codes:
    """The most promising moves, `group` at a time; of groups above the bound only as many as bring it below."""
    best_of = {(m.tensor, m.place): m for m in sorted(moves(chooser, best, slopes))}
    ranked = sorted(best_of.values(), reverse=True)
    for start in range(0, min(tries, len(ranked)), group):
        if group > 1 and not above(chooser, best):
            break
        found = chooser.price(_with(best.tensors, ranked[start : start + group]), best.picks, best.rounding)
        best = found if found.cost < best.cost else best
    return best


def moves(chooser: Chooser, codes: Codes, slopes: Slopes) -> Iterator[Move]:
    """All moves by one that the model expects to pay."""
    gradients, curvatures = slopes(codes.weights)
    settings = chooser.settings
    price = settings.size_weight + (settings.over if above(chooser, codes) else 0.0)
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


def _with(tensors: Sequence[Coded], changes: Sequence[Move]) -> list[Coded]:
    changed = list(tensors)
    for move in changes:
        old = changed[move.tensor]
        if not isinstance(old, Quantised):
            raise AssertionError("moves are of grids alone")
        codes = old.codes.copy()
        codes.flat[move.place] = move.code
        changed[move.tensor] = Quantised(step=old.step, codes=codes)
    return changed
