"""The pool over an imagined backend: machines that come and go, lost clusters, workers that do not fit."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from contracts.workers import job
from msgspec.structs import replace

from evonet.errors import DataError, WorkersError
from evonet.job import Rejected, decode_job, encode
from evonet.workers import WorkersSettings, pool
from evonet.workers.backend import Answered, ClusterLost, Ended, Event, Placed, Ready, Refused
from evonet.workers.dispatch import Fault, State
from evonet.workers.origin import About, about
from evonet.workers.pool import PooledWorkers

HERE = about(node="here")


class Imagined:
    """Workers that answer at once, as many as `room`; the tests change what happens."""

    here = HERE

    def __init__(self, room: int = 2, *, joined: bool = False) -> None:
        self.room, self.joined = room, joined
        self.running: set[int] = set()
        self.pending: list[int] = []
        self.dropped: list[int] = []
        self.events: deque[Event] = deque()
        self.refuse: tuple[str, str] | None = None
        self.about: About = HERE
        self.lost = 0  # so many of the next waits find the cluster lost
        self.absent = 0  # so many of the next rejoins fail
        self.answering = True
        self.closed = False

    def capacity(self) -> int:
        return self.room

    def scarce(self) -> str:
        return f"{self.room} CPU in the cluster"

    def start(self, worker: int) -> None:
        self.pending.append(worker)

    def setup(self, worker: int) -> None:
        self.events.append(Refused(worker, *self.refuse) if self.refuse else Ready(worker))

    def send(self, worker: int, job: bytes, seconds: float) -> None:
        if self.answering:
            self.events.append(Answered(worker, encode(Rejected(decision=decode_job(job).decision, reason="stub"))))

    def end(self, worker: int, fault: Fault, reason: str) -> None:
        self.running.discard(worker)
        self.events.append(Ended(worker, fault, reason, ""))

    def drop(self, worker: int) -> None:
        self.pending.remove(worker)
        self.dropped.append(worker)

    def wait(self, timeout: float) -> Sequence[Event]:
        if self.lost:
            self.lost -= 1
            raise ClusterLost("head lost")
        while self.pending and len(self.running) < self.room:
            worker = self.pending.pop(0)
            self.running.add(worker)
            self.events.append(Placed(worker, self.about))
        events, self.events = self.events, deque()
        return events

    def rejoin(self) -> None:
        self.running, self.pending, self.events = set(), [], deque()
        if self.absent:
            self.absent -= 1
            raise WorkersError("workers: no Ray cluster at head:6379.")

    def close(self) -> None:
        self.closed = True

    def lose_machine(self, room: int) -> None:
        """Workers beyond `room` go."""
        self.room = room
        for worker in sorted(self.running)[room:]:
            self.end(worker, Fault.NODE, "the worker's machine is gone")


def make(backend: Imagined, events: list[tuple[str, str]] | None = None, **settings: Any) -> PooledWorkers:
    told = [] if events is None else events
    return PooledWorkers(
        WorkersSettings(**settings),
        backend,
        on_attempt=lambda *_: None,
        on_event=lambda *event: told.append(event),
    )


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PAUSE", 0.001)


def answers(workers: PooledWorkers, *decisions: int) -> set[int]:
    for decision in decisions:
        workers.submit(job(decision))
    found = [workers.collect(5.0) for _ in decisions]
    for _ in range(4):
        workers._step(0.0)  # let what has begun to start come up
    return {outcome.decision for outcome in found if outcome is not None}


def working(workers: PooledWorkers) -> int:
    return workers._dispatch.count(State.IDLE, State.BUSY)


def test_auto_grows_and_shrinks_with_the_cluster() -> None:
    backend = Imagined(2, joined=True)
    workers = make(backend)
    assert (workers.slots, working(workers)) == (4, 2)
    backend.room = 5
    answers(workers, 0, 1)
    assert (workers.slots, working(workers)) == (10, 5)
    backend.lose_machine(1)
    answers(workers, 2, 3)
    assert (workers.slots, working(workers)) == (2, 1)
    assert backend.pending == []


def test_what_has_no_room_any_more_is_taken_back() -> None:
    backend = Imagined(3, joined=True)
    workers = make(backend)
    backend.room = 5
    workers.submit(job(0))
    workers._refill()  # two more are asked for, and then the machines go
    backend.room = 3
    assert answers(workers, 1) <= {0, 1}
    assert backend.dropped == [4, 5]


def test_a_fixed_number_goes_on_with_fewer_and_is_filled_up_again() -> None:
    backend = Imagined(4, joined=True)
    workers = make(backend, count=4)
    backend.lose_machine(1)
    assert answers(workers, *range(8)) == set(range(8))
    assert (working(workers), len(backend.pending)) == (1, 3)  # pending in the cluster, which may grow for them
    backend.room = 4
    answers(workers, 8, 9)
    assert working(workers) == 4


def test_a_cluster_whose_machines_are_on_their_way_is_waited_for() -> None:
    backend = Imagined(1, joined=True)
    events: list[tuple[str, str]] = []
    workers = make(backend, events, count=3)
    assert working(workers) == 1
    assert events == [("cluster", "1 CPU in the cluster carry 1 workers of 3; the others start when there is room")]


def test_a_machine_that_is_too_small_is_told_at_once() -> None:
    with pytest.raises(WorkersError, match=r"2 CPU in the cluster carry 2 workers, expected 3. Lower workers.count"):
        make(Imagined(2), count=3)


def test_a_lost_cluster_is_followed_by_another() -> None:
    backend, events = Imagined(2, joined=True), []
    workers = make(backend, events)
    backend.lost, backend.absent = 1, 3
    assert answers(workers, *range(4)) == set(range(4))
    assert events == [("cluster", "lost: head lost"), ("cluster", "a cluster is there again; 2 CPU in the cluster")]


def test_a_lost_cluster_is_not_sought_for_ever() -> None:
    backend = Imagined(2, joined=True)
    workers = make(backend)
    backend.lost, backend.absent = 1, 100
    workers.submit(job(0))
    with pytest.raises(WorkersError, match="did not come back in 6 tries: workers: no Ray cluster at head:6379"):
        workers.collect(60.0)


def test_clusters_that_are_lost_again_and_again_end_the_run() -> None:
    backend = Imagined(2, joined=True)
    workers = make(backend)
    backend.lost = 100
    workers.submit(job(0))
    with pytest.raises(WorkersError, match="lost 7 times without an outcome between them"):
        workers.collect(60.0)


def test_a_long_run_may_lose_many_clusters() -> None:
    backend = Imagined(2, joined=True)
    workers = make(backend)
    for n in range(3 * pool.RECONNECTS):
        backend.lost = 1
        assert answers(workers, n) == {n}


def test_while_the_cluster_is_away_collect_comes_back_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PAUSE", 1e6)
    backend = Imagined(2, joined=True)
    workers = make(backend)
    backend.lost, backend.absent = 1, 1
    workers.submit(job(0))
    assert workers.collect(0.01) is None  # so that the loop hears of Ctrl-C
    workers.submit(job(1))
    assert workers.collect(0.01) is None


UNLIKE = {
    "torch": (replace(HERE, versions={**HERE.versions, "torch": "1.0"}), "torch 1.0 .here .*Install the same"),
    "missing": (replace(HERE, versions={**HERE.versions, "numpy": ""}), "numpy missing"),
    "source": (replace(HERE, machine="other", versions={**HERE.versions, "evonet": "x"}), "evonet x"),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_other_versions_stop_the_run_before_it_begins(what: str) -> None:
    backend = Imagined(1, joined=True)
    backend.about, expected = UNLIKE[what]
    with pytest.raises(WorkersError, match=rf"workers: here: .*{expected}"):
        make(backend)
    assert backend.closed


def test_a_machine_with_other_versions_that_joins_later_gets_no_jobs() -> None:
    backend, events = Imagined(1, joined=True), []
    workers = make(backend, events)
    backend.about, backend.room = UNLIKE["torch"][0], 3
    assert answers(workers, *range(6)) == set(range(6))
    assert (working(workers), workers._dispatch.count(State.RETIRED)) == (1, 2)
    assert len(events) == 1  # each remark once
    assert "a worker is left without jobs: workers: here: torch 1.0" in events[0][1]


def test_another_processor_is_remarked() -> None:
    backend, events = Imagined(2), []
    backend.about = replace(HERE, processor="Zilog Z80")
    assert answers(make(backend, events), 0) == {0}
    assert events == [
        (
            "machine",
            (
                f"here: processor Zilog Z80 (here {HERE.processor}): outcomes may differ in their last bits, and so "
                "may the same run elsewhere"
            ),
        )
    ]


def test_on_gpus_other_versions_are_remarked() -> None:
    backend, events = Imagined(1), []
    backend.about = replace(UNLIKE["torch"][0], device="0")
    assert answers(make(backend, events), 0) == {0}
    assert "torch 1.0" in events[0][1]


def test_the_error_of_a_factory_is_raised_as_it_is() -> None:
    backend = Imagined()
    backend.refuse = ("DataError", "no such file")
    with pytest.raises(DataError, match="no such file"):
        make(backend)


def test_a_worker_that_cannot_be_set_up_later_is_started_again() -> None:
    backend, events = Imagined(2), []
    workers = make(backend, events, count=2)
    backend.refuse = ("", "workers: disk full")
    backend.end(1, Fault.DIED, "killed")
    assert answers(workers, *range(6)) == set(range(6))
    assert events == [("machine", "a worker is left without jobs: workers: disk full")]
    backend.refuse = None
    workers._next_start = 0.0
    answers(workers, 6, 7)
    assert working(workers) == 2


def test_without_a_place_that_may_be_used_the_run_stops_resumable() -> None:
    backend = Imagined(1)
    backend.about, backend.answering = replace(HERE, device="0"), False
    workers = make(backend, count=1, gpus_per_worker=1, device="cuda")
    workers.submit(job(0))
    for _ in range(2):
        for _ in range(4):
            workers.collect(0.0)
        backend.end(*backend.running, Fault.DEVICE, "CUDA error")
    with pytest.raises(WorkersError, match="no machine or device is left that may be used"):
        workers.collect(1.0)


def test_workers_that_never_come_up_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Imagined):
        def wait(self, timeout: float) -> Sequence[Event]:
            ended, self.pending = [Ended(n, Fault.DIED, "exit code 7", "no libc") for n in self.pending], []
            return ended

    with pytest.raises(WorkersError, match=r"2 workers ended while starting: exit code 7\. Cause: no libc"):
        make(Broken(2), attempts=2)
    now = iter(range(10**6))  # the pauses between starts pass at once
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    with pytest.raises(WorkersError, match=r"5 workers ended while starting: exit code 7\. Cause: no libc"):
        make(Broken(1), count=1, attempts=5)
