"""How a run folder comes to be: complete or not at all, and never in the place of anything."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

from evonet.errors import RunExists, StoreError
from evonet.files import sync
from evonet.store.lock import RunLock
from evonet.store.schema import APPLICATION_ID, DATABASE, SCHEMA, VERSION, check, connect, reading


def create_folder(path: Path, row: tuple[object, ...]) -> RunLock:
    """Fill a sibling folder, then rename it: rename takes the place of an empty folder and of nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{path.name}.{secrets.token_hex(4)}.new"
    fresh.mkdir()
    lock = RunLock(fresh)  # on the inode, so it is held through the rename
    try:
        (fresh / "logs").mkdir()
        _create_database(fresh / DATABASE, row)
        sync(fresh)
        os.rename(fresh, path)
        sync(path.parent)
    except BaseException as error:
        lock.release()
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise RunExists(
                f"{path}: is there already and is never overwritten; `evonet resume {path}` goes on with it, "
                "or choose another --run"
            ) from error
        raise
    return lock


def _create_database(database: Path, row: tuple[object, ...]) -> None:
    with contextlib.closing(connect(database, "mode=rwc")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.executescript(SCHEMA)
        db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    sync(database)


def check_whole(database: Path) -> None:
    with reading(database), contextlib.closing(connect(database, "mode=ro")) as db:
        check(db, database)
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{database}: damaged ({found.splitlines()[-1]}); restore the whole run folder from a copy")
