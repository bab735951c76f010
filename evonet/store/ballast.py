"""Room on the disk: looked for before a run is written to, and a little kept back for its last words.

Why a file of its own: on a full disk even looking needs room (SQLite's index of the write-ahead log), and so does
saying that the run has stopped. What was recorded is safe without it, by SQLite's own transactions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from pathlib import Path

from evonet.errors import DiskFull

BALLAST = "ballast"
SIZE = 2**18  # bytes kept back: some pages of log, its index, and an event
LEAST = 2**20  # bytes free without which a driver does not start


def reserve(folder: Path) -> None:
    """Make sure that there is room for a driver to begin, and keep the ballast back. Raises DiskFull."""
    ballast = folder / BALLAST
    kept = ballast.stat().st_size if ballast.exists() else 0
    free = shutil.disk_usage(folder).free
    if free + kept < LEAST + SIZE:
        raise DiskFull(
            f"{folder}: {free / 2**20:.1f} MB free on its disk, expected at least {(LEAST + SIZE) / 2**20:.1f} MB. "
            f"All that was recorded is safe: make room, then `evonet resume {folder}`"
        )
    if kept < SIZE:
        with contextlib.suppress(OSError), ballast.open("wb") as file:  # without it the run is as safe
            file.write(os.urandom(SIZE))  # so that no file system stores it as nothing


def release(folder: Path) -> None:
    with contextlib.suppress(OSError):
        (folder / BALLAST).unlink()


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether `error` comes of a full disk or quota. SQLite says so of its log, and not of the log's index."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return shutil.disk_usage(folder).free < 2**16
    return code == sqlite3.SQLITE_FULL
