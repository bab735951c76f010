"""What the page asks of a run too large to hand over whole: pages of a table, bins, quantiles, ancestors.

Pure functions of columns. Each answer is some ten kB whatever the size of the run. The page computes the same from
columns of its own where it has them (js/local.js).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from evonet.errors import EvonetError
from evonet.report.viewer.columns import DTYPES, KINDS, NUMBERS, STATES, Array, Columns
from evonet.report.viewer.genes import FEATURES

BINS = (96, 64)
BANDS = 400  # steps of the history of a long run
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
MOST_ROWS = 500
MOST_ANCESTORS = 2000
_ROW = ("id", "generation", "kind", "operator", "p0", "p1", "state", "rung", "genes", *NUMBERS)


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


def number(name: str) -> str:
    """`name` where it is a column with numbers. Raises QueryError."""
    if name not in (*NUMBERS, "id", "generation", "rung"):
        raise QueryError(f"no measure {name!r:.40}; there are {', '.join(NUMBERS)}")
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
    values = columns[number(one.column)]
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
    raw = columns[name]
    there = ~np.isnan(raw) if raw.dtype.kind == "f" else raw != _empty(name)
    return raw.astype(np.float64), there


def page(columns: Columns, keep: Array, sort: str, descending: bool, offset: int, limit: int) -> dict[str, object]:
    """Rows offset..offset + limit of those kept, sorted, those without a value last."""
    which = np.flatnonzero(keep)
    value, there = known(columns, number(sort))
    value, there = value[which], there[which]
    key = np.where(there, -value if descending else value, np.inf)
    end = offset + min(limit, MOST_ROWS)
    if end < len(which) // 4:  # a page near the top needs no full sort; ties are broken by id in either case
        bound = np.partition(key, end)[end]
        near = np.flatnonzero(key <= bound)
        order = near[np.argsort(key[near], kind="stable")]
    else:
        order = np.argsort(key, kind="stable")
    return {"total": len(which), "offset": offset, "rows": rows(columns, which[order[offset:end]])}


def rows(columns: Columns, ids: Array | Sequence[int]) -> list[dict[str, object]]:
    """Individuals as plain data; None where nothing is known."""
    who = np.asarray(ids, np.int64)
    picked = {name: columns[name][who].tolist() for name in _ROW}
    return [{name: _value(name, values[i]) for name, values in picked.items()} for i in range(len(who))]


def _value(name: str, value: Any) -> Any:
    if name == "id" or value is None:
        return value
    empty = value != value if isinstance(value, float) else name in DTYPES and value == _empty(name)
    return None if empty and name != "rung" else value


def spread(columns: Columns, keep: Array, x: str, y: str, log: tuple[bool, bool], colour: str) -> dict[str, object]:
    """How the kept individuals lie over two measures: counts in bins, the mean colour of each, and the best few."""
    (a, has_a), (b, has_b), (c, has_c) = (known(columns, number(name)) for name in (x, y, colour))
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
    (a, has_a), (b, has_b) = known(columns, number(x)), known(columns, number(y))
    which = np.flatnonzero(keep & has_a & has_b)
    a, b = (-v[which] if m else v[which] for v, m in ((a, more[0]), (b, more[1])))
    if len(a) > 10_000:  # those that some strong individual dominates cannot be in it
        sample = np.argsort(np.argsort(a) + np.argsort(np.argsort(b)))[:64] if len(a) < 50_000 else _strong(a, b)
        alive = np.ones(len(a), bool)
        for s in sample:
            alive &= (a < a[s]) | (b < b[s]) | ((a == a[s]) & (b == b[s]))
        which, a, b = which[alive], a[alive], b[alive]
    order = np.lexsort((b, a))
    lowest = np.minimum.accumulate(np.concatenate(([np.inf], b[order])))[:-1]
    return [int(i) for i in which[order[b[order] < lowest]]][:MOST_ROWS]


def _strong(a: Array, b: Array) -> Array:
    """Some that are good on a line between both measures."""
    x, y = ((v - v.min()) / ((v.max() - v.min()) or 1) for v in (a, b))
    return np.array([int(np.argmin(w * x + (1 - w) * y)) for w in np.linspace(0.02, 0.98, 9)])


def bands(columns: Columns, keep: Array, name: str) -> dict[str, object]:
    """Quantiles of a measure by generation; generations of a long run are taken together, `step` at a time."""
    value, there = known(columns, number(name))
    which = np.flatnonzero(keep & there)
    generations = -(-columns.count // columns.population)
    step = max(1, -(-generations // BANDS))
    group = which // (columns.population * step)
    order = np.lexsort((value[which], group))
    ordered, first = value[which][order], np.searchsorted(group[order], np.arange(-(-generations // step) + 1))
    found = []
    for start, end in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        places = [start + round(q * (end - start - 1)) for q in QUANTILES] if end > start else []
        found.append([float(f"{ordered[p]:.7g}") for p in places] or None)
    return {"measure": name, "step": step, "quantiles": found, "count": np.diff(first).tolist()}


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
    order = np.lexsort((which, -score[which], cell))
    first = np.unique(cell[order], return_index=True)[1]
    count = np.bincount(cell)
    cells = [[int(cell[i]), int(which[i]), int(count[cell[i]]), float(score[which[i]])] for i in order[first].tolist()]
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
    """[how many, the best of them] of each of the sorted `parents`."""
    found = {int(i): [0, -1] for i in parents}
    score = columns["score"]
    for name in ("p0", "p1"):
        column = columns[name]
        who = np.flatnonzero(np.isin(column, parents, kind="table") if len(parents) else [])
        for child in who.tolist():
            entry = found[int(column[child])]
            entry[0] += 1
            if entry[1] < 0 or score[child] > score[entry[1]] or score[entry[1]] != score[entry[1]]:
                entry[1] = child
    return [found[int(i)] for i in parents]
