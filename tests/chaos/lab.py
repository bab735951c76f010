"""Starting drivers, ending them, and comparing what their store holds with what it promised."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from chaos.driver import Driver

from evonet.job import Outcome
from evonet.store import open_run, run_digest

LONG = bool(os.environ.get("EVONET_CHAOS"))
PATIENCE = 120.0  # seconds until a driver that does not end is a defect

CONFIG = """
[run]
seed = 3
[search]
population = 8
individuals = 30
rungs = [10, 30]
promote = 0.5
promote_every = 3
finish_best = 2
[workers]
kind = "serial"
"""

context = multiprocessing.get_context("forkserver")


def short_or_long(short: int, long: int) -> int:
    return long if LONG else short


def serve() -> None:
    """Start the process that drivers are forked from: it imports the program once, instead of every driver."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    context.set_forkserver_preload(["chaos.driver"])
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def start(driver: Driver, together: Any = None) -> BaseProcess:
    process = context.Process(target=driver.live, args=(together,))
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Its exit code; minus the signal that killed it."""
    process.join(PATIENCE)
    code = process.exitcode
    if code is None:
        process.kill()
        raise AssertionError("the driver did not end")
    return code


def lived(driver: Driver) -> int:
    return ended(start(driver))


def diary(path: Path) -> dict[str, list[int]]:
    """What is written there, by kind: evaluating, issued, recorded."""
    entries: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else ():
        kind, _, number = line.partition(" ")
        entries[kind].append(int(number))
    return entries


def digest(run: Path) -> str:
    with open_run(run) as record:
        return run_digest(record)


def state(run: Path) -> str:
    with open_run(run) as record:
        return record.state


def outcomes(run: Path) -> dict[int, Outcome | None]:
    with open_run(run) as record:
        return {d.decision: d.outcome for d in record.decisions(weights=True)}


def in_flight(run: Path) -> set[int]:
    return {n for n, outcome in outcomes(run).items() if outcome is None}


def assert_whole(run: Path) -> None:
    """SQLite finds no fault in the database; in a copy, so that evonet still meets what was left behind."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(run, Path(folder) / "copy")
        with closing(sqlite3.connect(copy / "run.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def assert_kept(run: Path, notes: dict[str, list[int]]) -> None:
    """All that the store acknowledged is there."""
    held = outcomes(run)
    assert set(notes["issued"]) <= set(held)
    assert {n for n in notes["recorded"] if held[n] is None} == set()


@contextmanager
def running(driver: Driver) -> Iterator[BaseProcess]:
    """A driver that is killed at the end, should it still be there."""
    process = start(driver)
    try:
        yield process
    finally:
        if process.is_alive():
            process.kill()
        process.join()
