"""What is left of a damaged run, and a new folder with it. The damaged one is never written to.

A run can be gone on with from any decision up to which everything is there: what came later is decided again, the same
as before. So the whole beginning is kept, up to the first decision of which anything cannot be read.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from evonet.errors import StoreError
from evonet.job import Scored
from evonet.store.folder import create_folder
from evonet.store.rows import BIRTHS, Decision, decision_of
from evonet.store.schema import TABLES, VERSION, connect, find_database, log_of, show_later, version_of

Sound = Callable[[bytes], bool]  # whether a package's checksum is right
_FAULTS = (sqlite3.Error, msgspec.MsgspecError, StoreError)


class Health(NamedTuple):
    """How much of a run can be read."""

    version: int | None  # None: the file has no readable head
    faults: list[str]  # what SQLite's integrity check says, shortened
    tables: dict[str, int | None]  # rows that can be read; None: not one
    decisions: int  # the whole beginning: decisions 0..decisions-1
    issued: int | None  # decisions in all, as far as that is known
    end: str  # why the beginning ends there, "" if nothing is missing


def examine(path: Path | str, sound: Sound) -> Health:
    """Read all of a run. Raises StoreError if there is no file to look at."""
    with _copy(find_database(path)) as db:
        try:
            version: int | None = version_of(db)
            found = [row[0] for row in db.execute("PRAGMA integrity_check(4)")]
        except sqlite3.Error as error:
            return Health(None, [str(error)], {}, 0, None, str(error))
        faults = [line[:200] for text in found for line in str(text).splitlines() if line != "ok"]
        tables = {name: _readable(db, name) for name in sorted(TABLES - {"decision"})}
        decisions, end = 0, ""
        for one in _beginning(db, sound):
            if isinstance(one, str):
                end = one
            else:
                decisions += 1
        return Health(version, faults, tables, decisions, _issued(db), end)


class Repaired(NamedTuple):
    """What a new folder holds."""

    decisions: int
    left_out: int  # events that belong to decisions after those
    complete: bool  # whether all events could be read; if not, what was asked for from outside may be missing


def repair(path: Path | str, target: Path, sound: Sound) -> Repaired:
    """Make the run `target` of the whole beginning of the one at `path`.

    Raises:
        StoreError: not even the run's own row can be read, it is of another version, or the new one cannot be written.
        RunExists: there is something at `target`.
    """
    kept = left_out = 0
    complete = True
    with _copy(find_database(path)) as db:
        try:
            version = version_of(db)
            row = list(db.execute("SELECT * FROM run").fetchone())
        except (TypeError, *_FAULTS) as error:
            raise StoreError(
                f"{path}: its configuration cannot be read ({error}), so there is nothing to go on with: restore the "
                "run folder from a copy, or start it again from its configuration file with the same seed"
            ) from error
        if version != VERSION:
            raise StoreError(
                f"{path}: written with schema version {version}, this evonet writes {VERSION}: repair it with the "
                "evonet that made it"
            )
        row[6] = "stopped"

        def fill(new: sqlite3.Connection) -> None:
            nonlocal kept, left_out, complete
            for one in _beginning(db, sound):
                if isinstance(one, str):
                    break
                _write(db, new, one)
                kept += 1
            events, complete = _events(db)
            for event in events:  # an intervention takes effect before its decision, which is the next one at most
                if event["decision"] is None or event["decision"] <= kept:
                    new.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", tuple(event))
                else:
                    left_out += 1

        try:
            create_folder(target, tuple(row), fill).release()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{target}: cannot be written: {error}; make room, or choose another folder") from error
    return Repaired(kept, left_out, complete)


@contextlib.contextmanager
def _copy(database: Path) -> Iterator[sqlite3.Connection]:
    """Database and log, side by side in a folder of their own, where SQLite may fold the one into the other."""
    with tempfile.TemporaryDirectory(prefix="evonet-doctor-") as folder:
        with _held(database):
            for file in (database, log_of(database)):
                if file.exists():
                    shutil.copy(file, folder)
        with contextlib.closing(connect(Path(folder) / database.name, "mode=rw")) as db:
            with contextlib.suppress(sqlite3.Error):  # where the head cannot be read, whoever reads says so
                show_later(db)
            yield db


@contextlib.contextmanager
def _held(database: Path) -> Iterator[None]:
    """A read transaction, as far as the file allows one: the driver of a live run does not reset its log meanwhile."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(sqlite3.Error):
            db = stack.enter_context(contextlib.closing(connect(database, "mode=ro")))
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM run").fetchone()
        yield


def _beginning(db: sqlite3.Connection, sound: Sound) -> Iterator[Decision | str]:
    """Decisions from 0 as long as all of each can be read; then why the next one cannot, if there is one."""
    n = 0
    while True:
        try:
            one = _decision(db, n)
        except _FAULTS as error:
            yield f"decision {n}: {error}"
            return
        if one is None:
            more = (_issued(db) or 0) > n
            if more:
                yield f"decision {n} is missing"
            return
        if isinstance(one.outcome, Scored) and not sound(one.outcome.package):
            yield f"decision {n}: its package has a wrong checksum"
            return
        yield one
        n += 1


def _decision(db: sqlite3.Connection, n: int) -> Decision | None:
    """By the tables' own keys: an index may be damaged where the table is not."""
    row = db.execute(
        "SELECT e.*, i.genome, i.ids, i.decision AS born, w.package, w.shadow, "
        "(SELECT json_group_array(parent) FROM (SELECT parent FROM parent WHERE decision = e.decision "
        "ORDER BY position)) AS parents FROM evaluation e JOIN individual i ON i.id = e.individual "
        "LEFT JOIN weights w ON w.decision = e.decision WHERE e.decision = ?",
        (n,),
    ).fetchone()
    if row is None:
        return None
    if (row["born"] == n) != (row["kind"] in BIRTHS):
        raise StoreError(f"individual {row['individual']} says that decision {row['born']} gave birth to it")
    if row["outcome"] == "scored" and row["package"] is None:
        raise StoreError("its weights are missing")
    return decision_of(row)


def _write(old: sqlite3.Connection, new: sqlite3.Connection, one: Decision) -> None:
    n = one.decision
    if one.kind in BIRTHS:
        _move(old, new, "individual", "id", one.individual)
    _move(old, new, "evaluation", "decision", n)
    _move(old, new, "parent", "decision", n)
    _move(old, new, "weights", "decision", n)


def _move(old: sqlite3.Connection, new: sqlite3.Connection, table: str, key: str, value: int) -> None:
    for row in old.execute(f"SELECT * FROM {table} WHERE {key} = ?", (value,)):  # noqa: S608 - our own names
        names, marks = ", ".join(row.keys()), ", ".join("?" * len(row))
        new.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row))  # noqa: S608


def _events(db: sqlite3.Connection) -> tuple[list[sqlite3.Row], bool]:
    """Events in order, up to the first that cannot be read; whether those are all."""
    found = []
    try:
        for row in db.execute("SELECT * FROM event NOT INDEXED ORDER BY id"):
            found.append(row)
    except sqlite3.Error:
        return found, False
    return found, True


def _readable(db: sqlite3.Connection, table: str) -> int | None:
    count = None
    with contextlib.suppress(sqlite3.Error):
        for count, _ in enumerate(db.execute(f"SELECT * FROM main.{table} NOT INDEXED"), 1):  # noqa: S608, B007
            pass
        count = count or 0
    return count


def _issued(db: sqlite3.Connection) -> int | None:
    try:
        found: int = db.execute("SELECT coalesce(max(decision), -1) + 1 FROM main.evaluation NOT INDEXED").fetchone()[0]
    except sqlite3.Error:
        return None
    return found
