"""The beginning of one run as the beginning of another: rows as they are, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from evonet.errors import StoreError
from evonet.store.reader import Run
from evonet.store.rows import to_json

# In an order in which every row's references are there already. Each is one question in the order of its key.
_HISTORY = (
    ("individual", "decision < ? ORDER BY id"),
    ("evaluation", "decision < ? ORDER BY decision"),
    ("parent", "decision < ? ORDER BY decision, position"),
    ("weights", "decision < ? ORDER BY decision"),
    ("attempt", "decision < ? ORDER BY rowid"),
    ("event", "decision < ? AND kind != 'pause' ORDER BY id"),  # what was to come in the origin is none of the fork's
)

Event = tuple[str, str, int | None, object]  # kind, text, decision, data


def copy_history(
    origin: Run, target: sqlite3.Connection, *, before: int, at: str, events: Iterable[Event] = ()
) -> None:
    """Write all that was decided and found before decision `before`, then `events`, whose time is `at`.

    Raises:
        StoreError: a decision among them has no outcome yet.
    """
    with origin.snapshot():
        missing = origin.first_open(before)
        if missing is not None:
            raise StoreError(
                f"{origin.path}: decision {missing} is not done, and a fork before decision {before} copies it. Wait "
                f"for the run, or `evonet resume {origin.path}`, or fork an earlier generation."
            )
        for table, where in _HISTORY:
            columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names from our own schema
            target.executemany(insert, origin.rows_of(table, names, where, before))
        target.executemany(
            "INSERT INTO event (at, kind, text, decision, data) VALUES (?, ?, ?, ?, ?)",
            [(at, kind, text, n, None if data is None else to_json(data)) for kind, text, n, data in events],
        )
