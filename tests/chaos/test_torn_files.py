"""A database or its log with bytes that nobody wrote: a StoreError, or what can be read; never another exception.

`tests/store/test_reader.py` cuts the database of a closed run; here bytes are flipped, and the log of a killed driver
is cut and flipped as well.
"""

import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from chaos import lab
from chaos.driver import Driver

from evonet.errors import EvonetError, StoreError
from evonet.report import tables
from evonet.store import RunWriter, open_run, run_digest

FLIPS = lab.short_or_long(40, 1500)
PAGE = 4096


@pytest.fixture(scope="module")
def killed(config, root) -> Path:
    """A run with most of its decisions in the log."""
    run = root / "torn"
    arguments = ("run", str(config), "--run", str(run))
    driver = Driver(arguments=arguments, diary=root / "torn.txt", fail=("after recorded", 20))
    assert lab.lived(driver) == -signal.SIGKILL
    (run / "run.db-shm").unlink()  # as in a copy: the index of the log is made again
    return run


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Of the processor's time: a reader that never ends is an answer too, but not one to wait for."""

    def tell(number: int, frame: object) -> None:
        raise AssertionError(f"reading took more than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, tell)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def look(run: Path) -> list[tuple[object, ...]]:
    """All that reading commands ask; the decisions, each with whether it is answered."""
    with open_run(run) as record:
        assert record.state in ("running", "stopped", "finished", "failed")
        record.counts()
        decisions = [(d.decision, d.key, d.outcome is not None) for d in record.decisions(weights=True)]
        list(record.events()), record.attempts(), run_digest(record)
        for one in list(record.individuals())[:3]:
            record.lineage(one.id), record.package(one.id), record.latest(one.id)
        tables.rows(record, tables.config_of(record).score)
    return decisions


def damaged(run: Path, place: Path, name: str, content: bytes) -> Path:
    copy = place / "damaged"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    (copy / name).write_bytes(content)
    return copy


def try_all(copy: Path) -> list[tuple[object, ...]] | None:
    """What can be read, None if it was refused. The driver may refuse or take it, too."""
    try:
        with within(5.0):
            found = look(copy)
    except EvonetError as error:
        assert "run.db" in str(error) or "stored configuration" in str(error)  # noqa: PT017 - either is right
        found = None
    with suppress(StoreError):
        RunWriter.open(copy).close()
    return found


@pytest.mark.parametrize("where", ["header", "page heads", "anywhere"])
def test_flipped_bytes_of_the_database(undisturbed, place, figure, where):
    content = (undisturbed / "run.db").read_bytes()
    draw = random.Random(where)  # noqa: S311 - where to flip
    refused = 0
    for _ in range(FLIPS // 3):
        page = PAGE * draw.randrange(len(content) // PAGE)
        at = {"header": draw.randrange(100), "page heads": page + draw.randrange(12)}.get(
            where, draw.randrange(len(content))
        )
        changed = bytearray(content)
        changed[at] = draw.choice((0, 255, changed[at] ^ 1 << draw.randrange(8)))
        refused += try_all(damaged(undisturbed, place, "run.db", bytes(changed))) is None
    figure(f"bytes of run.db flipped: {where}", FLIPS // 3, f"{refused} refused, the others read; no traceback")


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_log_gives_what_came_before(killed, place, figure, how):
    """SQLite's checksums end the log at the first frame that is not whole: what is read is how the run once was."""
    content = (killed / "run.db-wal").read_bytes()
    whole = look(shutil.copytree(killed, place / "whole"))
    draw, shorter = random.Random(how), 0  # noqa: S311 - where to cut
    assert len(whole) >= 20
    for _ in range(FLIPS // 2):
        at = draw.randrange(len(content))
        flipped = content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]
        found = try_all(damaged(killed, place, "run.db-wal", content[:at] if how == "cut" else flipped))
        if found is not None:
            assert [d[:2] for d in found] == [d[:2] for d in whole][: len(found)]
            assert {n for n, _, answered in found if answered} <= {n for n, _, answered in whole if answered}
            shorter += found != whole
    assert shorter > 0
    figure(f"log {how} anywhere", FLIPS // 2, f"{shorter} gave an earlier state, none another one")
