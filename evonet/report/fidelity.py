"""Does brief training tell what longer training would say? Rank agreement of scores at neighbouring rungs.

Kendall's tau-b (Kendall 1945, "The treatment of ties in ranking problems"): +1 the same order, 0 no relation, -1 the
reverse. Its interval: Fisher's z with variance 0.437 / (n - 4) (Fieller, Hartley and Pearson 1957, "Tests for rank
correlation coefficients. I").
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby

import msgspec

from evonet.evolution.score import score
from evonet.evolution.settings import ScoreSettings
from evonet.store import Run

LOW = 0.6
BIAS = (
    "Only promoted individuals have both scores, and the best are promoted: among them ranks are closer, so tau comes "
    "out lower than it would for all."
)


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """Agreement between two rungs among the individuals of a generation (None: of all) that were scored at both."""

    generation: int | None
    rung: int  # the lower of the two
    count: int
    tau: float | None  # None: fewer than two, or all of them equal on one rung
    low: float | None  # 95 % interval; None below 5 individuals
    high: float | None


def fidelity(run: Run, settings: ScoreSettings) -> list[Fidelity]:
    """Per pair of neighbouring rungs: a line per generation, then one for all."""
    pairs: defaultdict[tuple[int, int | None], list[tuple[float, float]]] = defaultdict(list)
    ladders: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for individual, rung, measures in run.promoted():
        ladders[individual][rung] = score(measures, settings)
    for individual, scores in ladders.items():
        for rung in scores:
            if rung + 1 in scores:
                for generation in (individual // run.population, None):
                    pairs[rung, generation].append((scores[rung], scores[rung + 1]))
    order = sorted(pairs, key=lambda key: (key[0], math.inf if key[1] is None else key[1]))
    return [_line(generation, rung, pairs[rung, generation]) for rung, generation in order]


def _line(generation: int | None, rung: int, pairs: Sequence[tuple[float, float]]) -> Fidelity:
    tau = kendall(pairs)
    low, high = (None, None) if tau is None else interval(tau, len(pairs))
    return Fidelity(generation=generation, rung=rung, count=len(pairs), tau=tau, low=low, high=high)


def kendall(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Tau-b of the pairs, in [-1, 1]; None where it is not defined.

    In n log n, as Knight 1966, "A computer method for calculating Kendall's tau with ungrouped data": in order of x,
    the y before each y that are smaller agree with it, those that are greater do not.
    """
    agree, before = 0, list[float]()
    for _, group in groupby(sorted(pairs), key=lambda pair: pair[0]):
        ys = [y for _, y in group]
        agree += sum(bisect_left(before, y) - (len(before) - bisect_right(before, y)) for y in ys)
        for y in ys:
            insort(before, y)
    total = _choose(len(pairs))
    x_ties, y_ties = (sum(map(_choose, Counter(values).values())) for values in zip(*pairs, strict=True))
    scale = math.sqrt((total - x_ties) * (total - y_ties))
    return agree / scale if scale else None


def _choose(count: int) -> int:
    """Pairs among `count`."""
    return count * (count - 1) // 2


def interval(tau: float, count: int) -> tuple[float | None, float | None]:
    """About 95 %."""
    if count < 5:
        return None, None
    z, half = math.atanh(max(-0.999999, min(0.999999, tau))), 1.96 * math.sqrt(0.437 / (count - 4))
    return math.tanh(z - half), math.tanh(z + half)
