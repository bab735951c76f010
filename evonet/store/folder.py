"""How a run folder comes to be: complete or not at all, and never in the place of anything."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from evonet.errors import RunExists, StoreError
from evonet.files import sync
from evonet.store.lock import RunLock
from evonet.store.schema import APPLICATION_ID, DATABASE, SCHEMA, VERSION, advice, check, connect, reading

Fill = Callable[[sqlite3.Connection], None]
#: A database up to this size is checked page by page before it is written to, which takes about a second for a
#: gigabyte. Above it only what a search reads whole; a package is checked when it is used, by its own checksum.
CHECKED_WHOLE = 64 * 2**20


def create_folder(path: Path, row: tuple[object, ...], fill: Fill = lambda _: None) -> RunLock:
    """Fill a sibling folder, then rename it: rename takes the place of an empty folder and of nothing else.

    `fill` writes into the new database, whose table run has its row, inside one transaction.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{path.name}.{secrets.token_hex(4)}.new"
    fresh.mkdir()
    lock: RunLock | None = None
    try:
        lock = RunLock(fresh)  # on the inode, so it is held through the rename
        (fresh / "logs").mkdir()
        _create_database(fresh / DATABASE, row, fill)
        sync(fresh)
        os.rename(fresh, path)
        sync(path.parent)
    except BaseException as error:
        if lock is not None:
            lock.release()
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise RunExists(
                f"{path}: is there already and is never overwritten; `evonet resume {path}` goes on with it, "
                "or choose another --run"
            ) from error
        raise
    return lock


def _create_database(database: Path, row: tuple[object, ...], fill: Fill) -> None:
    with contextlib.closing(connect(database, "mode=rwc")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.executescript(SCHEMA)
        db.execute("BEGIN")
        db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        fill(db)
        db.execute("COMMIT")
    sync(database)


def check_whole(database: Path) -> None:
    with reading(database), contextlib.closing(connect(database, "mode=ro")) as db:
        check(db, database)
        large = database.stat().st_size > CHECKED_WHOLE
        parts = ("run", "individual", "evaluation", "parent", "event") if large else (1,)
        found = [db.execute(f"PRAGMA quick_check({part})").fetchone()[0] for part in parts]
    if said := next((line for line in found if line != "ok"), None):
        raise StoreError(f"{database}: damaged ({said.splitlines()[-1]}). {advice(database)}")
