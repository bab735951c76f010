"""A run's database, open for reading: a live run's, a dead one's, a copy, one in a read-only folder. Writes nothing.

Long answers are read in pages, each its own short transaction, so that a slow reader never keeps the driver's
write-ahead log from being folded back.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from evonet.errors import StoreError
from evonet.store.schema import advice, check, connect, has_log, log_of, reading, show_later

PAGE = 512
# A folder that is read-only, or a disk without room for the index of the log.
_NO_INDEX = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


class Opened:
    """A database as it is now; a context manager. Raises StoreError if it is not that of a run, or damaged."""

    def __init__(self, database: Path) -> None:
        self.path = database.parent
        self._database = database
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._db = self._connect()
        try:
            check(self._db, database, newer=True)
            with reading(database):
                show_later(self._db)
                self._db.execute("PRAGMA query_only = ON")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()
        if self._copy is not None:
            self._copy.cleanup()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within, all answers are of one moment. Not for long: a live driver's log cannot be folded back meanwhile."""
        with reading(self._database):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def rows_of(self, table: str, columns: str, where: str, *values: object) -> Iterator[tuple[object, ...]]:
        """Raw rows, for a copy; names and condition are the caller's own, never from data."""
        with reading(self._database):
            for row in self._db.execute(f"SELECT {columns} FROM {table} WHERE {where}", values):  # noqa: S608
                yield tuple(row)

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with reading(self._database):
            return self._db.execute(sql, values).fetchall()

    def _further(self, last: int, following: int) -> int:
        """In a damaged file the order of an index may lead back, and pages never end."""
        if following <= last:
            raise StoreError(f"{self._database}: damaged, rows out of order. {advice(self._database)}")
        return following

    def _connect(self) -> sqlite3.Connection:
        """SQLite reads a write-ahead log only where it may keep its index beside it; elsewhere go round that.

        Without a log the file alone is whole, and nobody is writing. With one, the two are read from a copy.
        """
        database = self._database
        with reading(database):
            try:
                return _try(database, "mode=ro")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _NO_INDEX:
                    raise
            if not has_log(database):
                return _try(database, "mode=ro&immutable=1")
            self._copy = tempfile.TemporaryDirectory(prefix="evonet-")
            for file in (database, log_of(database)):
                shutil.copy(file, self._copy.name)
            return _try(Path(self._copy.name) / database.name, "mode=rw")


def _try(database: Path, options: str) -> sqlite3.Connection:
    connection = connect(database, options)
    try:
        connection.execute("PRAGMA user_version").fetchone()  # the first read opens the log
    except BaseException:
        connection.close()
        raise
    return connection
