"""Two processes and one run; and processes that are killed."""

import fcntl
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from evonet.errors import RunLocked
from evonet.store import RunWriter, open_run, run_digest
from evonet.store.lock import is_held

HOLD = """
import sys
from evonet.store import RunWriter
writer = RunWriter.open(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""

RACE = """
import sys
from evonet.errors import RunLocked
from evonet.store import RunWriter
sys.stdin.readline()
try:
    writer = RunWriter.open(sys.argv[1])
    print("won", flush=True)
except RunLocked as error:
    print("lost", error.exit_code, flush=True)
sys.stdin.read()
"""

WRITE = """
import sys
sys.path.insert(0, sys.argv[2])
from conftest import make_job, make_scored
from evonet.store import RunWriter, open_run
writer = RunWriter.open(sys.argv[1])
with open_run(sys.argv[1]) as run:
    todo = [d.decision for d in run.decisions() if d.outcome is None]
    n = run.counts().issued
while True:
    if not todo:
        writer.issued(make_job(n), kind="found")
        print("issued", n, flush=True)
        todo.append(n)
        n += 1
    writer.recorded(make_scored(todo[0], package=b"p" * 3000))
    print("recorded", todo.pop(0), flush=True)
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


@pytest.fixture
def path(writer):
    writer.close()
    return writer.path


def test_the_second_driver_is_told_who_holds_the_run(path):
    with start(HOLD, path) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(
            RunLocked, match=rf"run: another driver holds this run \(process {first.pid} on .+\); stop that one"
        ):
            RunWriter.open(path)
        assert is_held(path)
        first.kill()
    assert not is_held(path)  # no stale lock after a kill
    RunWriter.open(path).close()


def test_looking_takes_nothing_from_a_driver(path):
    for _ in range(50):
        assert not is_held(path)
        with RunWriter.open(path):
            assert is_held(path)


def test_a_driver_waits_while_somebody_looks(path, monkeypatch):
    monkeypatch.setattr("evonet.store.lock.PATIENCE_S", 30)
    file = os.open(path / "lock", os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_SH)  # as `is_held` does, but longer
    threading.Timer(0.05, os.close, [file]).start()
    RunWriter.open(path).close()


def test_a_race_has_one_winner(path):
    racers = [start(RACE, path) for _ in range(4)]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(racer.stdout.readline() for racer in racers) == ["lost 4\n"] * 3 + ["won\n"]
    for racer in racers:
        racer.communicate()


def test_nothing_acknowledged_is_lost_by_kill_9(path):
    draw = random.Random(5)  # noqa: S311 - when to kill
    said = {"issued": set(), "recorded": set()}
    for _ in range(10):
        with start(WRITE, path, os.path.dirname(__file__)) as child:
            line = child.stdout.readline()
            time.sleep(draw.uniform(0, 0.03))
            child.send_signal(signal.SIGKILL)
            for kind, n in re.findall(r"(issued|recorded) (\d+)\n", line + child.stdout.read()):
                said[kind].add(int(n))
        with open_run(path) as run:
            decisions = list(run.decisions(weights=True))
            assert not run.live
        issued = {d.decision for d in decisions}
        recorded = {d.decision for d in decisions if d.outcome is not None}
        assert said["issued"] <= issued
        assert said["recorded"] <= recorded
        assert len(issued) - len(recorded) <= 1
        assert {len(d.outcome.package) for d in decisions if d.outcome} == {3000}
    assert len(said["recorded"]) >= 10
    with RunWriter.open(path) as writer, open_run(path) as run:
        before = run_digest(run)
        assert writer._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert run_digest(run) == before
