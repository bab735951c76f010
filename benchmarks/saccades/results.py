"""Arithmetic on the record: which learning rate counts, what is on the frontier, what a gap is worth.

Validation chooses, rates as well as networks; test errors are only told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import log
from statistics import mean
from typing import Any, NamedTuple

from jobs import first
from models import MIXED

Record = Mapping[str, Any]
KEY = "error"


class Row(NamedTuple):
    """A model of a task, trained for as long, at the learning rate that validation chose; one record a seed."""

    task: str
    model: str
    lr: float
    trials: int  # trainings that the choice was made from
    records: tuple[Record, ...]

    @property
    def steps(self) -> int:
        return int(self.records[0]["steps"])

    @property
    def batch(self) -> int:
        return int(self.records[0]["batch"])

    @property
    def macs(self) -> int:
        return int(self.records[0]["macs"])

    def values(self, split: str, name: str = KEY) -> list[float]:
        """Seed by seed."""
        return [float(record[split][name]) for record in self.records]

    def mean(self, split: str = "test", name: str = KEY) -> float:
        return mean(self.values(split, name))


def rows(records: Iterable[Record]) -> list[Row]:
    """A row for each task, model, number of steps and batch, by task, MACs, model, then steps."""
    groups: dict[tuple[str, str, int, int], list[Record]] = defaultdict(list)
    for record in records:
        groups[record["task"], record["model"], record["steps"], record["batch"]].append(record)
    found = [_row(group) for group in groups.values()]
    return sorted(found, key=lambda row: (side_of(row.task), row.macs, row.model, row.steps, row.batch))


def _row(group: Sequence[Record]) -> Row:
    """The rate of the lowest mean validation error over the seeds that all rates have, else over what each has.

    Raises ValueError: records of several models or budgets, whose errors have no common mean.
    """
    kinds = {(record["task"], record["model"], record["steps"], record["batch"]) for record in group}
    if len(kinds) != 1:
        raise ValueError(f"records of {sorted(kinds)} in one row, expected those of one task, model, steps and batch")
    ((task, model, _, _),) = kinds
    by_rate: dict[float, dict[int, Record]] = defaultdict(dict)
    for record in group:
        by_rate[record["lr"]][record["seed"]] = record
    common = set.intersection(*(set(seeds) for seeds in by_rate.values()))

    def error(rate: float) -> float:
        return mean(first(by_rate[rate][seed]["validation"]) for seed in common or by_rate[rate])

    best = min(sorted(by_rate), key=error)
    return Row(task, model, best, len(group), tuple(by_rate[best][seed] for seed in sorted(by_rate[best])))


def shown(text: str) -> str:
    """`saccade:SOMEWHERE/NAME.toml:SELECTOR` as tables have it: NAME, SELECTOR."""
    return re.sub(r"saccade:(?:[^:\s]*/)?([^/:\s]+)\.toml:([\w@~-]+)", r"\1, \2", text)


def side_of(task: str) -> int:
    return int(task.split(":")[1])


def is_dense(model: str) -> bool:
    """Whether a model is one of the ladder's or a rival, trained without boxes."""
    return not model.startswith(("saccade:", "glance-")) and "@" not in model


def is_learned(model: str) -> bool:
    """Whether a model is a saccade network that chooses its cells itself, trained without boxes."""
    return model.startswith("saccade:") and model.split(":")[2].startswith("learned") and "@" not in model


def is_mixed(model: str) -> bool:
    """Whether a model is trained with corrupted canvases, too."""
    return model.endswith(MIXED)


class Point(NamedTuple):
    cost: float  # MACs or milliseconds
    error: float
    model: str


def frontier(points: Iterable[Point]) -> list[Point]:
    """The points that no cheaper or equally cheap one beats, by rising cost; errors fall strictly."""
    front: list[Point] = []
    for point in sorted(points):
        if not front or point.error < front[-1].error:
            front.append(point)
    return front


def chosen(found: Iterable[tuple[float, Row]]) -> list[Point]:
    """The frontier of validation errors over costs, with the test errors of those on it: they may rise."""
    by_validation = {Point(cost, row.mean("validation"), row.model): row for cost, row in found}
    return [Point(p.cost, by_validation[p].mean(), p.model) for p in frontier(by_validation)]


def error_at(front: Sequence[Point], cost: float) -> float | None:
    """The frontier's error at `cost`, straight in the logarithm of the cost; None below its cheapest point.

    Beyond its dearest point it stays: a dearer model is not worse than a cheaper one.
    """
    if not front or cost < front[0].cost:
        return None
    for low, high in pairwise(front):
        if cost < high.cost:
            share = log(cost / low.cost) / log(high.cost / low.cost)
            return low.error + share * (high.error - low.error)
    return front[-1].error


def cheapest(points: Iterable[Point], error: float) -> Point | None:
    """The cheapest point that is at most as wrong as `error`; None where there is none."""
    return min((p for p in points if p.error <= error), default=None)


def best(found: Iterable[Row]) -> Row:
    """The row of the lowest validation error, the cheaper of equal ones."""
    return min(found, key=lambda row: (row.mean("validation"), row.macs, row.model))


def closed_gap(random: float, ours: float, oracle: float) -> float | None:
    """(random - ours) / (random - oracle): 0 no better than chance, 1 as good as knowing; None without a gap."""
    return (random - ours) / (random - oracle) if random > oracle else None
