"""The errors at which tensors are packed, where a size or a loss is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING

from evonet.errors import DataError
from evonet.package.head import FLOATS
from evonet.package.named import Array, Named, pack_named
from evonet.packing.sources import Source, restored

if TYPE_CHECKING:
    from evonet.compression.states import Choice

#: The errors that are tried, an eighth of an octave apart.
ERRORS = tuple(2 ** (k / 8 - 12) for k in range(97))
#: Rungs by which single tensors go up, the first one that the loss bears.
MOVES = (8, 4, 2)
SLACK = 4  # rungs below what all tensors can have alike, from where single ones go up

Loss = Callable[[dict[str, Array]], float]


def at_error(sources: Sequence[Source], error: float) -> bytes:
    """All tensors at their share of one error, in 0..1. Raises DataError: it cannot be had."""
    return pack_named([_named(source, error) for source in sources])


def _named(source: Source, error: float) -> Named:
    shape = source.array.shape
    if source.dtype not in FLOATS:
        return Named(name=source.name, dtype=source.dtype, shape=shape, value=source.array)
    choice = _chosen(source, error)
    return Named(name=source.name, dtype=source.dtype, shape=shape, value=choice.coded, scale=choice.scale)


def _chosen(source: Source, error: float) -> Choice:
    """What `error` means for this tensor: its share, and all of it as it nears 1, where nothing but zeros is left."""
    from evonet.compression.states import choose

    # Where float16 is off by more than the share, the tensor makes do with what was asked for.
    choice = choose(source.array, error * source.share ** (1 - error)) or choose(source.array, error)
    if choice is None:
        finest = choose(source.array, ERRORS[8])
        least = "nothing below 1" if finest is None else f"{finest.error:.2g} or more"
        raise DataError(
            f"{source.name}: an error of {error:.2g} cannot be had, as the finest code is float16: ask for {least}"
        )
    return choice


def by_size(sources: Sequence[Source], size: int) -> bytes:
    """The least error that fits. Raises DataError: nothing fits."""

    def at(rung: int) -> bytes:
        return at_error(sources, ERRORS[rung])

    best, low, high = at(len(ERRORS) - 1), 0, len(ERRORS) - 1
    if len(best) > size:
        raise DataError(f"{size:,} bytes, expected at least {len(best):,}: names, shapes and integers take that")
    # Invariant: `best` is of the rung `high`, and fits.
    while low < high:
        middle = (low + high) // 2
        found = _or_none(at, middle)
        if found is not None and len(found) <= size:
            best, high = found, middle
        else:
            low = middle + 1
    return best


def _or_none(at: Callable[[int], bytes], rung: int) -> bytes | None:
    """None where an error so small cannot be had."""
    try:
        return at(rung)
    except DataError:
        return None


class _Walk:
    """Errors of single tensors, as rungs of ERRORS, that a loss bears; counted in looks."""

    def __init__(self, sources: Sequence[Source], loss: Loss, most: float, trials: int) -> None:
        self._sources, self._loss, self._most, self._left = sources, loss, most, trials
        self._named: Callable[[int, int], Named] = cache(lambda k, rung: _named(sources[k], ERRORS[rung]))

    def tensors(self, rungs: Sequence[int]) -> list[Named]:
        return [self._named(k, rung) for k, rung in enumerate(rungs)]

    def bears(self, rungs: Sequence[int]) -> bool:
        """False also where the looks are used up, or an error so small cannot be had."""
        if self._left <= 0 or max(rungs) >= len(ERRORS):
            return False
        try:
            tensors = self.tensors(rungs)
        except DataError:
            return False
        self._left -= 1
        return self._loss({tensor.name: tensor.array for tensor in tensors}) <= self._most

    def alike(self) -> int:
        """The highest rung found that all can have; -1 if none."""
        low, high, count = -1, len(ERRORS), len(self._sources)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.bears([middle] * count) else (low, middle)
        return low

    def single(self, rungs: list[int]) -> list[int]:
        """Tensors for themselves, the largest first, as far up as the loss bears, until none can go on."""
        order = sorted(range(len(rungs)), key=lambda k: -self._sources[k].array.size)
        going = True
        while going:
            going = False
            for k in order:
                raised = next((up for up in (_up(rungs, k, move) for move in MOVES) if self.bears(up)), None)
                rungs, going = (rungs, going) if raised is None else (raised, True)
        return rungs


def _up(rungs: list[int], k: int, move: int) -> list[int]:
    return [*rungs[:k], rungs[k] + move, *rungs[k + 1 :]]


def by_loss(sources: Sequence[Source], loss: Loss, rise: float, trials: int) -> bytes:
    """The fewest bytes found. Raises DataError: the loss bears nothing, or is not finite to begin with."""
    before = loss({source.name: restored(source) for source in sources})
    if not isfinite(before):
        raise DataError(f"the loss of the state itself is {before}, expected a finite number")
    walk = _Walk(sources, loss, before + rise, trials)
    alike = walk.alike()
    if alike < 0:
        raise DataError(
            f"no error found that raises a loss of {before:.6g} by at most {rise:g}: allow more, or more trials"
        )
    starts = [[rung] * len(sources) for rung in (alike, max(0, alike - SLACK))]
    found = [walk.single(rungs) for k, rungs in enumerate(starts) if k == 0 or walk.bears(rungs)]
    return min((pack_named(walk.tensors(rungs)) for rungs in found), key=len)
