"""What each operator's children gained, beside what unmutated clones of their parents did (`search.clones`).

A child's gain is its first score minus that of its best parent, as the decision that bred it could know the parent.
More training raises all, so what counts of an operator is its gain minus the clones': each gain less the median gain
of clones whose parents had come from the same rung, and of those differences the median.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec
import numpy as np

from evonet import seeds
from evonet.evolution.credit import CLONE
from evonet.evolution.score import score
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.job import Scored
from evonet.store.rows import Decision

LEVEL = 0.95
_DRAWS = 1000
_LEAST = 6  # children, and clones: of fewer values even the range holds their median with less than `LEVEL`

Gains = Mapping[int, Sequence[float]]  # by rung of the best parent


class OperatorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One operator; None where there is nothing to say it from."""

    operator: str
    births: int
    scored: int
    gain: float | None  # median gain over the best parent, in points of the score
    beyond: float | None  # median gain minus that of clones
    low: float | None  # interval of `beyond` at `LEVEL`, by bootstrap; None: too few children or clones
    high: float | None


class _Scores:
    """The scored evaluations of each individual, in order of decision."""

    def __init__(self, settings: ScoreSettings) -> None:
        self._settings = settings
        self._found: defaultdict[int, list[tuple[int, int, float]]] = defaultdict(list)

    def add(self, decision: Decision) -> float | None:
        if not isinstance(decision.outcome, Scored):
            return None
        value = score(decision.outcome.measures, self._settings)
        self._found[decision.individual].append((decision.decision, decision.rung, value))
        return value

    def newest(self, individual: int, before: int) -> tuple[int, float] | None:
        """Rung and score of its last scored evaluation before decision `before`."""
        known = [(rung, value) for n, rung, value in self._found[individual] if n < before]
        return known[-1] if known else None


def operator_table(decisions: Iterable[Decision], search: SearchSettings, settings: ScoreSettings) -> list[OperatorRow]:
    """A row for every operator that bred a child, the clones' first, then by what they gained beyond clones.

    `decisions` in their order, as of `evonet.store.Run.decisions`. A child of two operators counts for both.
    """
    births: defaultdict[str, list[bool]] = defaultdict(list)  # of each whether it was scored
    gains: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    scores = _Scores(settings)
    for d in decisions:
        came = scores.add(d)
        if d.kind != "breed":
            continue
        seen = (d.decision - search.lag + 1) // search.block * search.block  # decisions that d could know of
        parents = [known for p in d.parents if (known := scores.newest(p, seen)) is not None]
        for name in d.operator.split("+"):
            births[name].append(came is not None)
            if came is not None and parents:
                rung, before = max(parents, key=lambda known: known[1])
                gains[name][rung].append(came - before)
    rows = [_row(name, born, gains[name], gains.get(CLONE, {})) for name, born in births.items()]
    return sorted(rows, key=lambda r: (r.operator != CLONE, r.beyond is None, -(r.beyond or 0.0), r.operator))


def _row(name: str, births: Sequence[bool], gains: Gains, clones: Gains) -> OperatorRow:
    every = [gain for group in gains.values() for gain in group]
    known = {rung: group for rung, group in gains.items() if clones.get(rung) and name != CLONE}
    enough = min(sum(map(len, known.values())), sum(len(clones[rung]) for rung in known)) >= _LEAST
    low, high = _interval(name, known, clones) if enough else (None, None)
    beyond = [gain - median(clones[rung]) for rung, group in known.items() for gain in group]
    return OperatorRow(
        operator=name,
        births=len(births),
        scored=sum(births),
        gain=median(every) if every else None,
        beyond=median(beyond) if beyond else None,
        low=low,
        high=high,
    )


def _interval(name: str, gains: Gains, clones: Gains) -> tuple[float, float]:
    """The percentile interval of Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13: children and
    clones drawn anew, rung by rung.
    """
    draw = np.random.default_rng(seeds.key("operators", name))
    beyond = [
        _resampled(draw, gains[r]) - np.median(_resampled(draw, clones[r]), axis=1)[:, None] for r in sorted(gains)
    ]
    medians = np.median(np.concatenate(beyond, axis=1), axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(draw: np.random.Generator, values: Sequence[float]) -> np.ndarray:
    """(draws, number of values)"""
    return draw.choice(np.asarray(values), (_DRAWS, len(values)))
