"""Who drives a run: an exclusive flock on `RUN/lock`, let go by the kernel when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from evonet.errors import RunLocked, StoreError

LOCK = "lock"
#: `is_held` has to take the lock for some microseconds to know; a driver waits that out, not another driver.
PATIENCE_S = 0.3


class RunLock:
    """Held from construction to `release`. Raises RunLocked, saying who holds it, or StoreError."""

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written: {error.strerror}; a run is resumed only where its folder is writable"
            ) from error
        if not _try_lock(self._file.fileno()):
            holder = self._file.read(200).decode(errors="replace").strip()
            self._file.close()
            raise RunLocked(
                f"{folder}: another driver holds this run ({holder or 'unknown process'}); "
                "stop that one first, or only look: `evonet status`, `evonet watch`"
            )
        with contextlib.suppress(OSError):  # the lock is held, with or without room for a name
            self._file.truncate()
            self._file.write(f"process {os.getpid()} on {os.uname().nodename}\n".encode())

    def release(self) -> None:
        self._file.close()


def _try_lock(file: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)


def is_held(folder: Path) -> bool:
    """Is a driver at work on this run now, on this machine? Writes nothing."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
