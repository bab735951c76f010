"""A run as columns, one row an individual by its newest scored evaluation, kept up to date by what is new.

Reads only what it has not seen: evaluations by number, and those that were in flight. A million individuals take
some 90 MB and seconds to read; every further look costs what has changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonet.errors import StoreError
from evonet.evolution.score import BEYOND, WORST
from evonet.evolution.settings import ScoreSettings
from evonet.job import EXTRAS
from evonet.report.viewer import genes
from evonet.report.viewer.queries import CHUNK, EVALUATION, Reader
from evonet.store.rows import BIRTHS, MEASURES, TIMES

Array = NDArray[Any]
COUNTS = ("bytes", "weights", "nonzero", "macs", "connections", "sheets", "taps", "seen", "train_images")
SCORES = ("score", "choice_score")
STATES = ("pending", "scored", "diverged", "rejected", "lost")
KINDS = BIRTHS
_LARGEST = 2**31 - 1

DTYPES: dict[str, str] = {
    **dict.fromkeys(SCORES, "f8"),
    **{name: "i4" if name in COUNTS else "f4" for name in MEASURES},
    **dict.fromkeys(TIMES, "f4"),
    "rung": "i1",
    "state": "u1",
    "kind": "u1",
    "operator": "u2",
    "p0": "i4",
    "p1": "i4",
    "genes": "u4",
    "code": "u2",
}
#: What the page may put on an axis, sort and filter by, in this order; what a run measures on request comes after.
NUMBERS = (
    "score",
    "accuracy",
    "loss",
    "bytes",
    "macs",
    "weights",
    "nonzero",
    "connections",
    "sheets",
    "taps",
    "long_share",
    "seen",
    "seconds",
    "choice_score",
    "choice_accuracy",
    "choice_loss",
    "code",
)
#: Columns of runs alone that ask for them.
_ASKED = {extra: (*names, *TIMES[1:]) if extra == "milliseconds" else names for extra, names in EXTRAS.items()}
_PLACE = {name: place for place, name in enumerate(EVALUATION)}


class Columns:
    """See the module. `version` grows whenever something has changed."""

    def __init__(self, settings: ScoreSettings, population: int) -> None:
        self.population, self.count, self.version = population, 0, 0
        self.words: list[str] = [""]  # of operators, by index
        self.behind = True  # whether there is more to read than was read last
        self._settings = settings
        self._word = {"": 0}
        asked = [name for extra in settings.extras for name in _ASKED[extra]]
        self.numbers = (*NUMBERS, *asked)
        absent = {name for names in _ASKED.values() for name in names} - set(asked)
        self._all: dict[str, Array] = {name: np.zeros(0, dtype) for name, dtype in DTYPES.items() if name not in absent}
        self._rank, self._stamp = np.zeros(0, np.int64), np.zeros(0, np.int32)
        self._pending: set[int] = set()
        self._last, self._genes = -1, 0
        self._floats: dict[str, tuple[Array, Array]] = {}
        self._floats_of = -1
        self.outcomes = dict.fromkeys(STATES, 0)  # of evaluations

    def __getitem__(self, name: str) -> Array:
        """`id` and `generation` are columns too."""
        if name == "id":
            return np.arange(self.count, dtype=np.int32)
        if name == "generation":
            return np.arange(self.count, dtype=np.int32) // self.population
        return self._all[name][: self.count]

    @property
    def names(self) -> tuple[str, ...]:
        """All columns but `id` and `generation`."""
        return tuple(self._all)

    def floats(self, name: str, empty: int) -> tuple[Array, Array]:
        """A column as float64 and where it has values; kept for the few that are asked for in turn."""
        if self._floats_of != self.version:
            self._floats, self._floats_of = {}, self.version
        if name not in self._floats:
            if len(self._floats) >= 12:
                del self._floats[next(iter(self._floats))]
            raw = self[name]
            there = ~np.isnan(raw) if raw.dtype.kind == "f" else raw != empty
            self._floats[name] = raw.astype(np.float64), there
        return self._floats[name]

    def changed(self, since: int) -> Array:
        """The individuals that changed after version `since`."""
        return np.flatnonzero(self._stamp[: self.count] > since)

    @property
    def genes_read(self) -> int:
        """Individuals whose genes were looked at, of `count`."""
        return self._genes

    def refresh(self, run: Reader) -> None:
        """Read one chunk of what is new, and genes for some milliseconds; `behind` says whether there is more."""
        # All that may fail is read before anything is entered: what is entered in part would never be whole.
        done = run.those(self._pending) if self._pending else []
        new = run.evaluations(self._last)
        parents = run.parents_of(int(new[0][0]), int(new[-1][0])) if new else []  # type: ignore[call-overload]
        for row in (*done, *new):
            _state(row[_PLACE["outcome"]])
        if done or new:
            self.version += 1
            self._pending -= {int(row[0]) for row in done}  # type: ignore[call-overload]
            self.outcomes["pending"] -= len(done)
            self._births(new, parents)
            self._enter(done)
            self._enter(new)
        self.behind = len(new) == CHUNK
        self._read_genes(run)

    def load(self, run: Reader) -> None:
        """All there is now."""
        self.refresh(run)
        while self.behind or self._genes < self.count:
            self.refresh(run)

    def _births(self, rows: Sequence[tuple[object, ...]], parents: Iterable[tuple[int, int, int]]) -> None:
        if not rows:
            return
        births = [row for row in rows if row[2] in KINDS]
        self._last = int(rows[-1][0])  # type: ignore[call-overload]
        if not births:
            return
        ids = np.array([row[1] for row in births], np.int64)
        self._grow(int(ids.max()) + 1)
        self._all["kind"][ids] = [KINDS.index(str(row[2])) for row in births]
        self._all["operator"][ids] = [self._index(str(row[3])) for row in births]
        of = dict(zip([row[0] for row in births], ids.tolist(), strict=True))
        for decision, position, parent in parents:
            if decision in of:
                self._all["p1" if position else "p0"][of[decision]] = parent

    def _index(self, operator: str) -> int:
        if operator not in self._word:
            self._word[operator] = len(self.words)
            self.words.append(operator)
        return min(self._word[operator], 2**16 - 1)

    def _grow(self, count: int) -> None:
        if count > len(self._rank):
            size = max(1024, count, 2 * len(self._rank))
            for name, old in self._all.items():
                empty = np.nan if old.dtype.kind == "f" else -1 if name in (*COUNTS, "p0", "p1") else 0
                self._all[name] = _longer(old, size, empty)
            self._rank, self._stamp = _longer(self._rank, size, -1), _longer(self._stamp, size, 0)
        self.count = max(self.count, count)

    def _enter(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Each individual shows its newest scored evaluation, else its newest of any kind."""
        if not rows:
            return
        table = list(zip(*rows, strict=True))
        states = np.array([_state(o) for o in table[_PLACE["outcome"]]], np.uint8)
        decisions, ids = (np.array(table[_PLACE[name]], np.int64) for name in ("decision", "individual"))
        for place, state in enumerate(STATES):
            self.outcomes[state] += int((states == place).sum())
        self._pending.update(decisions[states == 0].tolist())
        # A promotion in flight leaves what is known; of two, the later decision holds.
        rank = ((states == 1).astype(np.int64) << 41) + ((states > 0).astype(np.int64) << 40) + decisions
        order = np.argsort(rank, kind="stable")
        order = order[rank[order] > self._rank[ids[order]]]
        who = ids[order]
        self._rank[who] = rank[order]
        self._stamp[who] = self.version
        self._all["state"][who] = states[order]
        self._all["rung"][who] = np.array(table[_PLACE["rung"]], np.int8)[order]
        for name in self._all.keys() & {*MEASURES, *TIMES}:
            self._all[name][who] = _column(table[_PLACE[name]], self._all[name].dtype)[order]
        self._score(np.unique(who))

    def _score(self, who: Array) -> None:
        known = {name: self._all[name][who].astype(np.float64) for name in MEASURES if name in self._all}
        known["state"] = self._all["state"][who]
        self._all["score"][who] = scores(known, self._settings, "loss", "accuracy")
        self._all["choice_score"][who] = scores(known, self._settings, "choice_loss", "choice_accuracy")

    def _read_genes(self, run: Reader) -> None:
        until = time.monotonic() + 0.03
        while self._genes < self.count and time.monotonic() < until:
            last = min(self._genes + 500, self.count) - 1
            rows = run.genomes(self._genes, last)
            ids = np.array([row[0] for row in rows], np.int64)
            self._all["genes"][ids] = [genes.features(row[1]) for row in rows]
            self._all["code"][ids] = [min(len(row[1]), 2**16 - 1) for row in rows]
            self._genes = last + 1
            self.version += 1
            self._stamp[ids] = self.version


def _state(outcome: object) -> int:
    """Its place in STATES. Raises StoreError for an outcome that only a newer evonet knows."""
    try:
        return STATES.index(str(outcome or "pending"))
    except ValueError:
        raise StoreError(f"an outcome {outcome!r}, which this evonet does not know: look with a newer one") from None


def scores(known: dict[str, Array], settings: ScoreSettings, loss: str, accuracy: str) -> Array:
    """`evonet.evolution.score.score` of many at once, NaN where `loss` is unknown; `known` are measures as float64."""
    size, bits, hits = known["bytes"], known[loss], known[accuracy]
    if share := settings.corrupted:
        bits = (1 - share) * bits + share * known["corrupted_loss"]
        hits = (1 - share) * hits + share * known["corrupted_accuracy"]
    match settings.kind:
        case "length":
            found = -(settings.size_weight * 8 * size + known["train_images"] * bits)
        case "weighted":
            found = 100 * hits - settings.size_price * size / 100
        case "bound":
            within = -np.minimum(bits, BEYOND)
            found = np.where(size > settings.bound, -(BEYOND + size / settings.bound), within)
        case "pareto":
            found = -bits
    found = np.where(np.isfinite(found), found, WORST)
    return np.where((known["state"] == STATES.index("scored")) & ~np.isnan(known[loss]), found, np.nan)


def best(columns: Columns, count: int) -> list[int]:
    """As `tables.best_rows`: finished individuals by their score on the choice split, then the others by score."""
    score, choice = columns["score"], columns["choice_score"]
    finished = (columns["rung"] == -1) & ~np.isnan(choice)
    first = _top(np.where(finished, choice, np.nan), count)
    return [*first, *_top(np.where(finished, np.nan, score), count)][:count]


def _top(value: Array, count: int) -> list[int]:
    there = np.flatnonzero(~np.isnan(value))
    if len(there) > 4 * count:
        least = np.partition(value[there], -count)[-count]
        there = there[value[there] >= least]
    order = np.lexsort((there, -value[there]))[:count]
    return [int(i) for i in there[order]]


def _longer(old: Array, size: int, empty: float) -> Array:
    new = np.full(size, empty, old.dtype)
    new[: len(old)] = old
    return new


def _column(values: Iterable[object], dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return np.array(values, dtype)  # None becomes NaN
    return np.array([-1 if v is None else min(int(v), _LARGEST) for v in values], dtype)  # type: ignore[call-overload]
