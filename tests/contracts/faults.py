"""What every kind of workers made of processes owes when they die, hang or break. Inherit `FaultsContract`."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from contracts.hangs import WITHOUT_STACK
from contracts.workers import IMAGES, LIGHT, PATIENCE, job, outcomes, serially
from msgspec.structs import replace

from evonet.job import Job, Lost, Outcome, Scored
from evonet.workers import WorkersSettings, make_workers
from evonet.workers.dispatch import State
from evonet.workers.guard import family
from evonet.workers.origin import born
from evonet.workers.pool import PooledWorkers


class Story(NamedTuple):
    """A run with faults: what came out of it, and what was recorded on the way."""

    outcomes: dict[int, Outcome]
    attempts: list[tuple[int, int, str, str]]


JOBS: tuple[Job, ...] = (job(0, "die"), job(1, "hang"), job(2, "die once"), *(job(n) for n in range(3, 9)))


class FaultsContract:
    """Two workers; of nine jobs one always kills its worker, one once, and one hangs."""

    settings: WorkersSettings

    @pytest.fixture(scope="class")
    @classmethod
    def story(cls, tmp_path_factory: pytest.TempPathFactory) -> Story:
        attempts: list[tuple[int, int, str, str]] = []
        settings = replace(cls.settings, count=2, attempts=2, deadline=2.0)
        args = (IMAGES, str(tmp_path_factory.mktemp("faults")))
        with make_workers(settings, LIGHT, args, on_attempt=lambda *attempt: attempts.append(attempt)) as workers:
            return Story(outcomes(workers, JOBS), attempts)

    def test_a_job_whose_worker_was_killed_ends_as_if_nothing_had_been(self, story: Story, tmp_path: Path) -> None:
        (tmp_path / "2").touch()  # in this process nobody dies
        assert story.outcomes[2] == serially([job(2, "die once")], tmp_path, LIGHT)[2]
        assert [(decision, attempt) for decision, attempt, *_ in story.attempts if decision == 2] == [(2, 1)]

    def test_a_job_that_always_kills_its_worker_is_lost(self, story: Story) -> None:
        lost = story.outcomes[0]
        assert isinstance(lost, Lost)
        assert lost.reason.startswith("the worker died: ")
        assert lost.attempts == 2
        tries = [attempt for attempt in story.attempts if attempt[0] == 0]
        assert [attempt for _, attempt, *_ in tries] == [1, 2]
        assert len({worker for _, _, worker, _ in tries}) == 2  # a fresh process each time
        assert all(f"try {attempt} on {worker}: {reason}" in lost.cause for _, attempt, worker, reason in tries)

    def test_a_job_that_hangs_is_lost_and_leaves_its_stack(self, story: Story) -> None:
        lost = story.outcomes[1]
        assert isinstance(lost, Lost)
        assert (lost.reason, lost.attempts) == ("deadline of 2 s passed", 2)
        assert lost.cause.count("in _hang") == 2  # of each try

    def test_the_other_jobs_are_not_harmed(self, story: Story, tmp_path: Path) -> None:
        others = JOBS[3:]
        assert all(isinstance(story.outcomes[one.decision], Scored) for one in others)
        assert {one.decision: story.outcomes[one.decision] for one in others} == serially(others, tmp_path, LIGHT)
        assert all(decision < 3 for decision, *_ in story.attempts)


def check_hang(settings: WorkersSettings, kinds: list[str], *, deadline: float = 3.0) -> dict[str, float]:
    """Every kind is ended within its deadline + 5 s and leaves a stack; seconds from submission to `Lost`.

    One worker after the other, so that nobody waits for anybody.
    """
    settings = replace(settings, count=1, attempts=1, deadline=deadline)
    took: dict[str, float] = {}
    with make_workers(settings, "contracts.hangs:hanging") as workers:
        for n, kind in enumerate(kinds):
            workers.submit(job(2 * n, kind))
            started = time.monotonic()
            lost = workers.collect(PATIENCE)
            took[kind] = time.monotonic() - started
            assert isinstance(lost, Lost), kind
            assert lost.reason == f"deadline of {deadline:g} s passed", kind
            if kind in WITHOUT_STACK:
                # In Ray's workers another thread may hear the signal.
                assert "no stack; the process was S (sleeping)" in lost.cause or f"in {kind}" in lost.cause
            else:
                assert f"in {kind}" in lost.cause, lost.cause
            # The next worker is up before the next kind begins, so that only its hang is timed.
            workers.submit(job(2 * n + 1, "no such kind"))
            assert isinstance(workers.collect(PATIENCE), Lost)
    return took


ORPHANING = """
import sys, time
from contracts.workers import job
from msgspec.structs import replace
from evonet.workers import WorkersSettings, make_workers
settings = WorkersSettings(kind=sys.argv[1], count=2)
workers = make_workers(settings, "contracts.hangs:hanging")
for n, kind in enumerate(["c_loop_with_the_gil", "sleep"]):
    workers.submit(job(n, kind))
workers.collect(1.0)
print("running", flush=True)
time.sleep(600)
"""


def left_after_sigkill(kind: str, seconds: float) -> set[int]:
    """Start a driver with two busy workers, kill it, and give the processes that are still there after `seconds`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ORPHANING, kind]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "running\n"
        alive = {pid: born(pid) for pid in family(driver.pid)}
        assert len(alive) >= 2
        driver.kill()
    until = time.monotonic() + seconds
    while (left := {pid for pid, birth in alive.items() if born(pid) == birth != ""}) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def check_kills(settings: WorkersSettings, folder: Path, *, seconds: float = 20.0, rounds: int = 6) -> float:
    """Kill one of four workers every two evaluation times; wall time as a multiple of the undisturbed ideal.

    Evaluations that sleep for `seconds`, `rounds` for each worker, all of which must end as if nothing had been.
    """
    workers_number, generator = 4, random.Random(1)  # noqa: S311 - which worker dies
    work = [job(n, f"slow{seconds}") for n in range(rounds * workers_number)]
    found: dict[int, Outcome] = {}
    kills = 0
    with make_workers(replace(settings, count=workers_number), LIGHT, (IMAGES, str(folder))) as workers:
        assert isinstance(workers, PooledWorkers)
        started = time.monotonic()
        for one in work:
            workers.submit(one)
        while len(found) < len(work):
            if time.monotonic() - started > (kills + 1) * 2 * seconds:
                busy = [seat for seat in workers._dispatch.seats.values() if seat.state is State.BUSY]
                os.kill(int(generator.choice(busy).name.rpartition("/")[2]), signal.SIGKILL)
                kills += 1
            outcome = workers.collect(0.2)
            if outcome is not None:
                found[outcome.decision] = outcome
        took = time.monotonic() - started
    assert kills >= 2
    assert found == serially([job(one.decision) for one in work], folder, LIGHT)
    return took / (rounds * seconds)
