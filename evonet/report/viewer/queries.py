"""What the viewer asks of `run.db` beyond `Run`: rows in pages, each statement with a time limit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from evonet.errors import StoreError
from evonet.store import Run
from evonet.store.rows import MEASURES, TIMES
from evonet.store.schema import find_database

LIMIT_S = 2.0  # of one statement
CHUNK = 10_000  # evaluations read at a time: some 30 ms, so that other questions come in between
_STEPS = 20_000  # SQLite instructions between two looks at the clock
_AT_ONCE = 500  # numbers in one statement

EVALUATION = ("decision", "individual", "kind", "operator", "rung", "outcome", *TIMES, *MEASURES)
_SELECT = f"SELECT {', '.join(EVALUATION)} FROM evaluation "  # noqa: S608 - names of our own schema


class Failure(NamedTuple):
    """A decision that ended without a score."""

    decision: int
    individual: int
    kind: str
    operator: str
    rung: int
    outcome: str
    reason: str
    cause: str
    step: int | None
    attempts: int  # tries that ended without an answer


class Reader(Run):
    """A run, read with a time limit on every statement. For one thread."""

    def __init__(self, path: Path | str, limit_s: float = LIMIT_S) -> None:
        """Raises StoreError as `open_run` does."""
        self._limit_s, self._deadline = limit_s, 0.0
        super().__init__(find_database(path))
        self._db.set_progress_handler(self._late, _STEPS)

    def __enter__(self) -> Reader:
        return self

    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        self._deadline = time.monotonic() + self._limit_s
        try:
            return super()._rows(sql, *values)
        except StoreError as error:
            if getattr(error.__cause__, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise StoreError(
                    f"{self.path}: a question took more than {self._limit_s:g} s and was stopped; the run is not "
                    "affected. Ask for less at a time"
                ) from error
            raise

    def evaluations(self, after: int) -> list[tuple[object, ...]]:
        """At most CHUNK evaluations with decisions > `after`, in order, as tuples of EVALUATION."""
        return _plain(self._rows(f"{_SELECT} WHERE decision > ? ORDER BY decision LIMIT ?", after, CHUNK))

    def those(self, decisions: Iterable[int]) -> list[tuple[object, ...]]:
        """The evaluations of these decisions that have an outcome, as `evaluations` gives them."""
        wanted, found = sorted(decisions), list[tuple[object, ...]]()
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            where = f"WHERE outcome IS NOT NULL AND decision IN ({','.join('?' * len(some))})"
            found += _plain(self._rows(_SELECT + where, *some))
        return found

    def parents_of(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """(decision, position, parent) of the decisions first..last."""
        sql = "SELECT decision, position, parent FROM parent WHERE decision BETWEEN ? AND ? AND position < 2"
        return [(row[0], row[1], row[2]) for row in self._rows(sql, first, last)]

    def genomes(self, first: int, last: int) -> list[tuple[int, bytes, str]]:
        """(id, canonical code, gene ids as JSON) of the individuals first..last."""
        sql = "SELECT id, genome, ids FROM individual WHERE id BETWEEN ? AND ? ORDER BY id"
        return [(row[0], row[1], row[2]) for row in self._rows(sql, first, last)]

    def failed(self, before: int, count: int) -> list[Failure]:
        """The newest `count` failures among decisions < `before`, newest first."""
        sql = (
            "SELECT decision, individual, kind, operator, rung, outcome, ifnull(reason, ''), ifnull(cause, ''), step, "
            "(SELECT count(*) FROM attempt WHERE attempt.decision = evaluation.decision) FROM evaluation "
            "WHERE outcome IN ('diverged', 'rejected', 'lost') AND decision < ? ORDER BY decision DESC LIMIT ?"
        )
        return [Failure(*row) for row in self._rows(sql, before, count)]

    def retried(self, count: int) -> list[tuple[int, int, str, str, str]]:
        """The newest `count` tries without an answer: (decision, try, worker, reason, at)."""
        sql = "SELECT decision, attempt, worker, reason, at FROM attempt ORDER BY rowid DESC LIMIT ?"
        return [(row[0], row[1], row[2], row[3], row[4]) for row in self._rows(sql, count)]

    def newest_events(self, count: int) -> list[tuple[str, str, str, int | None]]:
        """The newest `count` events, newest first: (at, kind, text, decision)."""
        rows = self._rows("SELECT at, kind, text, decision FROM event ORDER BY id DESC LIMIT ?", count)
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def any_package(self) -> bytes | None:
        """Some package of the run: all have one input shape."""
        rows = self._rows("SELECT package FROM weights LIMIT 1")
        return rows[0][0] if rows else None


def _plain(rows: Sequence[sqlite3.Row]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows]
