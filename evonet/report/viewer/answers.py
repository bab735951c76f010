"""What the page asks of a run too large to hand over whole: pages of a table, bins, quantiles, ancestors.

Pure functions of columns. Each answer is some ten kB whatever the size of the run. The page computes the same from
columns of its own where it has them (js/local.js).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np

from evonet.errors import EvonetError
from evonet.report.viewer.columns import DTYPES, KINDS, STATES, Array, Columns
from evonet.report.viewer.genes import FEATURES

BINS = (96, 64)
BANDS = 400  # steps of the history of a long run
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
MOST_ROWS = 500
MOST_ANCESTORS = 2000
_ROW = ("id", "generation", "kind", "operator", "p0", "p1", "state", "rung", "genes")


_TESTS: dict[str, Callable[[Array, Any], Array]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.isclose,
    "!=": lambda a, b: ~np.isclose(a, b),
}


class QueryError(EvonetError):
    """A question that the page would not ask."""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One condition; all have to hold. `gene` asks whether a genome has a feature, the rest compare a column."""

    column: str
    op: Literal["<", "<=", ">", ">=", "=", "!=", "has", "lacks"]
    value: float | str


def filters(text: str) -> tuple[Filter, ...]:
    """From the JSON that the page sends. Raises QueryError."""
    try:
        found = msgspec.json.decode(text, type=tuple[Filter, ...])
    except msgspec.MsgspecError as error:
        raise QueryError(f"filters: {error}") from error
    if len(found) > 32:
        raise QueryError(f"filters: {len(found)}, expected at most 32")
    return found


def number(columns: Columns, name: str) -> str:
    """`name` where it is a column with numbers. Raises QueryError."""
    if name not in (*columns.numbers, "id", "generation", "rung"):
        raise QueryError(f"no measure {name!r:.40}; there are {', '.join(columns.numbers)}")
    return name


def chosen(columns: Columns, conditions: Sequence[Filter]) -> Array:
    """Which individuals pass: bool, one per individual."""
    keep = np.ones(columns.count, bool)
    for one in conditions:
        keep &= _passes(columns, one)
    return keep


def _passes(columns: Columns, one: Filter) -> Array:
    if one.op in ("has", "lacks"):
        if one.value not in FEATURES:
            raise QueryError(f"no gene feature {one.value!r:.40}; there are {', '.join(FEATURES)}")
        has: Array = (columns["genes"] >> np.uint32(FEATURES.index(str(one.value)))) & 1 == 1
        return has if one.op == "has" else ~has
    if one.column in ("state", "kind", "operator"):
        words: Sequence[str] = {"state": STATES, "kind": KINDS, "operator": columns.words}[one.column]
        among = [i for i, word in enumerate(words) if str(one.value) in (word if one.column == "operator" else [word])]
        is_one: Array = np.isin(columns[one.column], among)
        return ~is_one if one.op == "!=" else is_one
    values = columns[number(columns, one.column)]
    if not isinstance(one.value, float | int):
        raise QueryError(f"{one.column}: expected a number, came {one.value!r:.40}")
    known = values == values if values.dtype.kind == "f" else values != _empty(one.column)
    with np.errstate(invalid="ignore"):
        test: Array = _TESTS[one.op](values, one.value)
    passes: Array = test & known
    return passes


def _empty(name: str) -> int:
    return -1 if DTYPES.get(name) == "i4" else -128


def known(columns: Columns, name: str) -> tuple[Array, Array]:
    """The values of a column as float64, and where there are any."""
    return columns.floats(name, _empty(name))


def page(columns: Columns, keep: Array, sort: str, descending: bool, offset: int, limit: int) -> dict[str, object]:
    """Rows offset..offset + limit of those kept, sorted, those without a value last."""
    value, there = known(columns, number(columns, sort))
    which = np.flatnonzero(keep)
    if len(which) < columns.count:
        value, there = value[which], there[which]
    key = np.where(there, -value if descending else value, np.inf)
    first, last = offset, min(offset + min(limit, MOST_ROWS), len(which)) - 1
    found: Array = np.zeros(0, np.int64)
    if first <= last:  # only what the page holds is sorted; of equal values the lower id comes first
        parted = np.partition(key, (first, last))
        near = np.flatnonzero((key >= parted[first]) & (key <= parted[last]))
        before = np.count_nonzero(key < parted[first])
        found = near[np.argsort(key[near], kind="stable")][first - before : last + 1 - before]
    return {"total": len(which), "offset": offset, "rows": rows(columns, which[found])}


def rows(columns: Columns, ids: Array | Sequence[int]) -> list[dict[str, object]]:
    """Individuals as plain data; None where nothing is known."""
    who = np.asarray(ids, np.int64)
    picked = {name: columns[name][who].tolist() for name in (*_ROW, *columns.numbers)}
    return [{name: _value(name, values[i]) for name, values in picked.items()} for i in range(len(who))]


def _value(name: str, value: Any) -> Any:
    if name == "id" or value is None:
        return value
    empty = value != value if isinstance(value, float) else name in DTYPES and value == _empty(name)
    return None if empty and name != "rung" else value


def spread(columns: Columns, keep: Array, x: str, y: str, log: tuple[bool, bool], colour: str) -> dict[str, object]:
    """How the kept individuals lie over two measures: counts in bins, the mean colour of each, and the best few."""
    (a, has_a), (b, has_b), (c, has_c) = (known(columns, number(columns, name)) for name in (x, y, colour))
    which = keep & has_a & has_b & (~np.bool_(log[0]) | (a > 0)) & (~np.bool_(log[1]) | (b > 0))
    a, b, c = a[which], b[which], np.where(has_c, c, 0)[which]
    if not len(a):
        return {"total": 0, "x": [0, 1], "y": [0, 1], "bins": BINS, "at": [], "count": [], "colour": [], "one": []}
    spans, places = list[list[float]](), list[Array]()
    for value, is_log, bins in ((a, log[0], BINS[0]), (b, log[1], BINS[1])):
        low, high = float(value.min()), float(value.max())
        spans.append([low, high])
        scaled = np.log(value / low) / (np.log(high / low) or 1) if is_log else (value - low) / ((high - low) or 1)
        places.append(np.minimum((scaled * bins).astype(np.int64), bins - 1))
    cell = places[1] * BINS[0] + places[0]
    count = np.bincount(cell, minlength=BINS[0] * BINS[1])
    total = np.bincount(cell, weights=c, minlength=len(count))
    one = np.zeros(len(count), np.int64)
    one[cell] = np.flatnonzero(which)
    at = np.flatnonzero(count)
    return {
        "total": len(a),
        "x": spans[0],
        "y": spans[1],
        "bins": BINS,
        "at": at.tolist(),
        "count": count[at].tolist(),
        "colour": [float(f"{v:.6g}") for v in total[at] / count[at]],
        "one": one[at].tolist(),
    }


def front(columns: Columns, keep: Array, x: str, y: str, more: tuple[bool, bool]) -> list[int]:
    """The individuals among those kept that no other dominates; `more`: whether more is better."""
    (a, has_a), (b, has_b) = known(columns, number(columns, x)), known(columns, number(columns, y))
    which = np.flatnonzero(keep & has_a & has_b)
    a, b = (-v[which] if m else v[which] for v, m in ((a, more[0]), (b, more[1])))
    if len(a) > 10_000:
        # Who is no better than somebody in a strip further left is dominated; of a million some hundred remain.
        strip = ((a - a.min()) / ((a.max() - a.min()) or 1) * 4095).astype(np.int64)
        least = np.full(4096, np.inf)
        np.minimum.at(least, strip, b)
        further = np.concatenate(([np.inf], np.minimum.accumulate(least)[:-1]))
        alive = b < further[strip]
        which, a, b = which[alive], a[alive], b[alive]
    order = np.lexsort((b, a))
    lowest = np.minimum.accumulate(np.concatenate(([np.inf], b[order])))[:-1]
    return [int(i) for i in which[order[b[order] < lowest]]][:MOST_ROWS]


def bands(columns: Columns, keep: Array, name: str) -> dict[str, object]:
    """Quantiles of a measure by generation; generations of a long run are taken together, `step` at a time."""
    value, there = known(columns, number(columns, name))
    which = np.flatnonzero(keep & there)
    generations = -(-columns.count // columns.population)
    step = max(1, -(-generations // BANDS))
    size = columns.population * step
    ends = np.searchsorted(which, np.arange(-(-generations // step) + 1) * size).tolist()
    values, found = value[which], []
    for start, end in pairwise(ends):
        places = [round(q * (end - start - 1)) for q in QUANTILES]
        ordered = np.sort(values[start:end])
        found.append([float(f"{ordered[p]:.7g}") for p in places] if end > start else None)
    return {"measure": name, "step": step, "quantiles": found, "count": np.diff(ends).tolist()}


def progress(columns: Columns, points: int = 300) -> list[tuple[int, float]]:
    """The best score so far by individual: only where it rises, thinned to about `points`."""
    score = np.where(np.isnan(columns["score"]), -np.inf, columns["score"])
    if not len(score) or not np.isfinite(score.max()):
        return []
    top = np.maximum.accumulate(score)
    rises = np.flatnonzero(top > np.concatenate(([-np.inf], top[:-1])))
    rises = rises[np.unique(np.linspace(0, len(rises) - 1, points).astype(int))]
    return [(int(i), float(top[i])) for i in rises]


def atlas(columns: Columns, keep: Array, across: int = 16, down: int = 14) -> dict[str, object]:
    """The best individual of every cell over (long share, bytes), bytes in equal ratios."""
    size, has_size = known(columns, "bytes")
    share, has_share = known(columns, "long_share")
    score, has_score = known(columns, "score")
    which = np.flatnonzero(keep & has_size & has_share & has_score & (size > 0))
    if not len(which):
        return {"total": 0, "cells": [], "across": across, "down": down, "bytes": [1, 2]}
    low, high = float(size[which].min()), float(size[which].max()) * 1.0001
    row = (np.log(size[which] / low) / np.log(max(high / low, 1.0001)) * down).astype(int)
    column = np.minimum((share[which] * across).astype(int), across - 1)
    cell = np.minimum(row, down - 1) * across + column
    top = np.full(across * down, -np.inf)
    np.maximum.at(top, cell, score[which])
    count = np.bincount(cell, minlength=across * down)
    leading = np.flatnonzero(score[which] == top[cell])
    first = leading[np.unique(cell[leading], return_index=True)[1]]
    cells = [[int(cell[i]), int(which[i]), int(count[cell[i]]), float(score[which[i]])] for i in first.tolist()]
    return {"total": len(which), "cells": cells, "across": across, "down": down, "bytes": [low, high]}


def lineage(columns: Columns, id: int) -> dict[str, object]:
    """The individual and its ancestors, nearest first, at most MOST_ANCESTORS; how many children each has."""
    p0, p1 = columns["p0"], columns["p1"]
    found, at = [id], 0
    known_ids = {id}
    while at < len(found) and len(found) < MOST_ANCESTORS:
        for parent in (int(p0[found[at]]), int(p1[found[at]])):
            if parent >= 0 and parent not in known_ids:
                known_ids.add(parent)
                found.append(parent)
        at += 1
    everyone = np.array(sorted(found))
    children = dict(zip(everyone.tolist(), _children(columns, everyone), strict=True))
    return {"rows": rows(columns, found), "children": [children[i] for i in found], "cut": at < len(found)}


def _children(columns: Columns, parents: Array) -> list[list[int]]:
    """[how many, the best of them or -1] of each of the sorted `parents`."""
    count = columns.count
    place = np.full(count + 1, -1, np.int32)  # the last for -1, no parent
    place[parents] = np.arange(len(parents))
    score = np.where(np.isnan(columns["score"]), -np.inf, columns["score"])
    of = np.concatenate([place[columns[name]] for name in ("p0", "p1")])
    at = np.flatnonzero(of >= 0)
    of, who = of[at], at % count
    many = np.bincount(of, minlength=len(parents))
    order = np.lexsort((-who, score[who], of))  # the best of each parent last, of equals the first born
    best = np.full(len(parents), -1)
    best[of[order]] = who[order]
    told: list[list[int]] = np.stack([many, best], 1).tolist()
    return told
