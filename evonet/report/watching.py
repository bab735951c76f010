"""How a run stands at this moment, kept up to date by what is new: one look a second costs the driver nothing.

Every question is one short statement, so no look holds a transaction open between two: the driver can fold its
write-ahead log back at any time. A look reads the evaluations it has not seen, and those that were in flight.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evonet.report.ranking import score_sql
from evonet.report.tables import Row, config_of, row
from evonet.store import Run
from evonet.store.rows import KIND_OF

SPAN_S = 60.0  # over which evaluations a minute are counted
_PAGE = 5000
_AT_ONCE = 500  # numbers in one statement

Array = NDArray[Any]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a screen shows."""

    name: str
    path: str
    state: str  # as in `tables.Status`: running, stopped, finished, failed, dead
    data: str
    seed: int
    workers: str
    drivers: int  # how many have worked on it so far
    population: int
    individuals: int
    wanted: int
    generation: int  # the newest; -1: none yet
    outcomes: dict[str, int]  # evaluations by kind of outcome, pending included
    finishing: bool
    per_minute: float | None  # evaluations that got an outcome
    span: str  # of that figure: "the last 40 s", "the whole run"
    minutes_left: float | None  # of the search, as far as births so far tell
    best: Row | None
    top: tuple[Row, ...]  # finished individuals by their choice score, then the others by their score
    mean: float | None  # score, of the newest generation
    bests: tuple[float | None, ...]  # score, of each generation
    tries: int  # that ended without an answer
    newest_try: str
    newest_failure: str


class Watch:
    """Looks at a run, again and again. Not for several threads."""

    def __init__(self, run: Run, *, top: int = 8) -> None:
        self._run, self._top = run, top
        self._config = config_of(run)
        score = score_sql(self._config.score)
        choice = score_sql(self._config.score, loss="choice_loss", accuracy="choice_accuracy")
        self._columns = f"decision, individual, kind, rung, outcome, {score}, {choice}"
        self._last = -1
        self._pending: set[int] = set()
        self._outcomes = dict.fromkeys(("pending", *KIND_OF.values()), 0)
        self._births = 0
        self._finishing = False
        self._decision, self._score, self._choice = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self._looks: deque[tuple[float, int]] = deque()

    def look(self) -> Frame:
        run, config = self._run, self._config
        said = run.state  # before the rows: a run that has ended then grows no more
        state = "dead" if said == "running" and not run.live else said
        self._read()
        recorded = sum(self._outcomes.values()) - self._outcomes["pending"]
        rate, span = self._rate(recorded, state)
        leaders = [row(run.individual(id), config.score) for id in self._leaders()]
        generation = (self._births - 1) // run.population
        return Frame(
            name=run.path.name,
            path=str(run.path),
            state=state,
            data=config.data.spec,
            seed=run.seed,
            workers=f"{config.workers.kind}, {config.workers.count}",
            drivers=run.epoch,
            population=run.population,
            individuals=self._births,
            wanted=config.search.individuals,
            generation=generation,
            outcomes=dict(self._outcomes),
            finishing=self._finishing,
            per_minute=rate,
            span=span,
            minutes_left=self._left(rate, recorded) if state == "running" else None,
            best=leaders[0] if leaders else None,
            top=tuple(leaders),
            mean=_mean(self._score[max(generation, 0) * run.population : self._births]),
            bests=tuple(self._bests()),
            **self._troubles(),
        )

    def _read(self) -> None:
        for some in _pieces(sorted(self._pending), _AT_ONCE):
            marks = ",".join("?" * len(some))
            self._enter(
                self._rows(f"outcome IS NOT NULL AND decision IN ({marks}) ORDER BY decision", *some), new=False
            )
        while rows := self._rows("decision > ? ORDER BY decision LIMIT ?", self._last, _PAGE):
            self._last = int(rows[-1][0])
            self._enter(rows, new=True)

    def _rows(self, where: str, *values: object) -> list[tuple[Any, ...]]:
        return list(self._run.rows_of("evaluation", self._columns, where, *values))

    def _enter(self, rows: Iterable[tuple[Any, ...]], *, new: bool) -> None:
        for decision, individual, kind, rung, outcome, score, choice in rows:
            if new:
                self._births = max(self._births, individual + 1)
                self._finishing |= kind == "finish"
                self._grow()
            else:
                self._pending.discard(decision)
                self._outcomes["pending"] -= 1
            self._outcomes[outcome or "pending"] += 1
            if outcome is None:
                self._pending.add(decision)
            elif outcome == "scored" and decision > self._decision[individual]:
                self._decision[individual], self._score[individual] = decision, score
                self._choice[individual] = choice if rung == -1 and choice is not None else np.nan

    def _grow(self) -> None:
        lacking = self._births - len(self._score)
        if lacking > 0:
            more = max(lacking, len(self._score), 64)
            self._decision = np.concatenate([self._decision, np.full(more, -1)])
            self._score = np.concatenate([self._score, np.full(more, np.nan)])
            self._choice = np.concatenate([self._choice, np.full(more, np.nan)])

    def _leaders(self) -> list[int]:
        """As `tables.best_rows`."""
        done = ~np.isnan(self._choice)
        finished = _greatest(self._choice, self._top)
        others = _greatest(np.where(done, np.nan, self._score), self._top - len(finished))
        return [*finished, *others]

    def _bests(self) -> list[float | None]:
        population = self._run.population
        values = self._score[: self._births]
        some = (values[i : i + population] for i in range(0, self._births, population))
        return [None if np.isnan(one).all() else float(np.nanmax(one)) for one in some]

    def _rate(self, recorded: int, state: str) -> tuple[float | None, str]:
        """Evaluations a minute: since the looks began, else over the whole run where one driver did all of it."""
        now = time.monotonic()
        self._looks.append((now, recorded))
        while now - self._looks[0][0] > SPAN_S:
            self._looks.popleft()
        (first, before), seconds = self._looks[0], now - self._looks[0][0]
        if state == "running" and seconds >= 5 and recorded > before:
            return 60 * (recorded - before) / (now - first), f"the last {seconds:.0f} s"
        whole = self._seconds(state)
        return (60 * recorded / whole if whole and recorded else None), "the whole run"

    def _seconds(self, state: str) -> float | None:
        """Of the whole run by the clock of its machine; None where several drivers left gaps, or it was killed."""
        if self._run.epoch != 1 or state == "dead":
            return None
        ends = list(self._run.rows_of("event", "at", "kind = 'end' ORDER BY id DESC LIMIT 1"))
        end = datetime.fromisoformat(str(ends[0][0])) if ends else datetime.now(UTC)
        seconds = (end - datetime.fromisoformat(self._run.created)).total_seconds()
        return seconds if seconds > 0 and (ends or state == "running") else None

    def _left(self, rate: float | None, recorded: int) -> float | None:
        births = self._config.search.individuals - self._births
        if not rate or not recorded or births <= 0:
            return None
        return births / (rate * self._births / (recorded + self._outcomes["pending"]))

    def _troubles(self) -> dict[str, Any]:
        tries = sum(1 for _ in self._run.rows_of("attempt", "decision", "1"))
        newest = list(self._run.rows_of("attempt", "decision, worker, reason", "1 ORDER BY rowid DESC LIMIT 1"))
        where = "outcome IN ('diverged', 'rejected', 'lost') ORDER BY decision DESC LIMIT 1"
        failed = list(self._run.rows_of("evaluation", "individual, outcome, reason", where))
        return {
            "tries": tries,
            "newest_try": "".join(f"decision {d}, {worker}: {reason}" for d, worker, reason in newest),
            "newest_failure": "".join(f"#{id} {outcome}: {reason}" for id, outcome, reason in failed),
        }


def _greatest(values: Array, count: int) -> list[int]:
    """The places of the `count` greatest that are numbers, of equals the first."""
    there = np.flatnonzero(~np.isnan(values))
    if len(there) > count > 0:
        least = np.partition(values[there], -count)[-count]
        there = there[values[there] >= least]
    return [int(i) for i in there[np.lexsort((there, -values[there]))][: max(count, 0)]]


def _mean(values: Array) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _pieces(values: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (values[i : i + size] for i in range(0, len(values), size))
