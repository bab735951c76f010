"""Workers that are processes, wherever they run: the contract over a `Backend`, which starts, feeds and ends them.

Two backends: `cluster` (Ray) and `processes` (plain subprocesses of this machine). What the rules are is in `dispatch`;
here they meet real time. One thread, the driver's: everything happens inside `submit` and `collect`.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from evonet import errors
from evonet.errors import WorkersError
from evonet.job import Job, Outcome
from evonet.workers.backend import Answered, Backend, ClusterLost, Ended, Event, Placed, Ready, Refused
from evonet.workers.base import OnAttempt, OnEvent, WorkersSettings
from evonet.workers.dispatch import START, Dispatch, Fault, State
from evonet.workers.origin import About, differences

RECONNECTS = 6  # tries to get a cluster back, without an outcome between them ...
PAUSE = 2.0  # ... the first at once, the next after so many seconds, and twice as many each time


class PooledWorkers:
    """The contract `base.Workers` over a backend; construct it with `make_workers`."""

    def __init__(
        self, settings: WorkersSettings, backend: Backend, *, on_attempt: OnAttempt, on_event: OnEvent
    ) -> None:
        self._settings, self._backend, self._on_event = settings, backend, on_event
        self._dispatch = Dispatch(settings, on_attempt=on_attempt, on_event=on_event)
        self._started = 0
        self._next_start = 0.0  # monotonic; later than now after failed starts
        self._told: set[str] = set()  # remarks that were made already
        self._coming_up = True  # until the first workers are ready, what is wrong with one is an error
        self._losses, self._rejoin_at = 0, float("inf")
        self._closed = False
        try:
            self._come_up()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        return 2 * max(1, self._working)  # one runs and one waits here, so that a worker's next job is there at once

    def submit(self, job: Job) -> None:
        if self._closed:
            raise WorkersError(f"workers: decision {job.decision} came after close(). Make new workers.")
        self._dispatch.submit(job)
        try:
            self._assign()
        except ClusterLost as lost:
            self._lose(lost)

    def collect(self, timeout: float) -> Outcome | None:
        if self._closed:
            return None
        end = time.monotonic() + timeout
        while not self._dispatch.done and self._dispatch.unfinished:
            self._step(end - time.monotonic())
            if time.monotonic() >= end:
                break
        return self._dispatch.done.popleft() if self._dispatch.done else None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _working(self) -> int:
        """Workers that do jobs or will, those without room included."""
        return len(self._dispatch.seats) - self._dispatch.count(State.RETIRED)

    # Coming up

    def _come_up(self) -> None:
        """Start all workers and wait until those that have room are ready."""
        capacity = self._backend.capacity()
        wanted = 1 if self._settings.count == "auto" else self._settings.count
        if capacity < wanted:
            self._too_small(capacity, wanted)
        limit = time.monotonic() + START
        while self._dispatch.count(State.IDLE) < min(self._target(), max(1, capacity)):
            self._step(1.0)
            if time.monotonic() > limit:
                raise WorkersError(
                    f"workers: no worker was ready within {START:.0f} s: {self._backend.scarce()} carry {capacity} "
                    "workers. Look into Ray's logs and `ray status`, then resume."
                )
        self._coming_up = False

    def _too_small(self, capacity: int, wanted: int) -> None:
        scarce = self._backend.scarce()
        unit = scarce.split()[1]
        if not self._backend.joined:
            raise WorkersError(
                f"workers: {scarce} carry {capacity} workers, expected {self._settings.count}. Lower workers.count or "
                f"workers.{unit.lower()}s_per_worker."
            )
        self._on_event("cluster", f"{scarce} carry {capacity} workers of {wanted}; the others start when there is room")

    def _target(self) -> int:
        """Workers to have, those without room included."""
        if self._settings.count == "auto":
            return max(1, self._backend.capacity())
        wanted = self._settings.count + self._dispatch.count(State.RETIRED)
        return wanted if self._backend.joined else min(wanted, self._backend.capacity())  # nothing will be added here

    def _refill(self) -> None:
        """Start what is missing, at growing intervals while starts fail; take back what has no room any more."""
        now, target = time.monotonic(), self._target()
        while len(self._dispatch.seats) < target and now >= self._next_start:
            self._started += 1
            self._dispatch.starting(self._started, now)
            self._backend.start(self._started)
        surplus = len(self._dispatch.seats) - target
        if surplus > 0:
            for seat in [s for s in self._dispatch.seats.values() if s.state is State.STARTING][-surplus:]:
                self._dispatch.drop(seat.worker)
                self._backend.drop(seat.worker)
        if self._working == 0 and now >= self._next_start:  # else somebody is started again after a pause
            raise WorkersError("workers: no machine or device is left that may be used; the events of the run say why.")

    # What happens

    def _step(self, timeout: float) -> None:
        """Wait for at most `timeout` seconds until something happens to a worker, and deal with it."""
        if self._rejoin_at < float("inf"):
            self._rejoin(timeout)
            return
        try:
            self._refill()
            self._assign()
            nearest = self._dispatch.next_deadline() - time.monotonic()
            for event in self._backend.wait(max(0.0, min(timeout, nearest))):
                self._take(event)
            self._end_overdue()
            self._assign()
        except ClusterLost as lost:
            self._lose(lost)

    def _assign(self) -> None:
        if self._rejoin_at == float("inf"):
            for worker, job, seconds in self._dispatch.assign(time.monotonic()):
                self._backend.send(worker, job, seconds)

    def _end_overdue(self) -> None:
        for seat in self._dispatch.overdue(time.monotonic()):
            reason = f"deadline of {seat.task.limit:g} s passed" if seat.task else f"not ready after {START:.0f} s"
            self._backend.end(seat.worker, Fault.HUNG, reason)

    def _take(self, event: Event) -> None:
        dispatch, now = self._dispatch, time.monotonic()
        match event:
            case Placed(worker, about):
                spot = {"name": about.name, "node": about.node, "device": about.device}
                if dispatch.placed(worker, now, **spot) and self._fits(worker, about):
                    self._backend.setup(worker)
            case Ready(worker):
                dispatch.ready(worker)
            case Refused(worker, kind, text):
                self._refused(worker, kind, text)
            case Answered(worker, data):
                self._losses = 0
                if wrong := dispatch.answered(worker, data):
                    self._backend.end(worker, Fault.DIED, wrong)
            case Ended(worker, fault, reason, detail):
                dispatch.ended(worker, fault, reason, detail, now)
                self._check_starts(reason, detail, now)

    def _fits(self, worker: int, about: About) -> bool:
        """Whether outcomes from there are those of here (DESIGN: bit-equal for the same torch and processor type)."""
        different, remarks = differences(self._backend.here, about, exact=not about.device)
        for remark in remarks:
            self._tell_once(f"{about.node}: {remark}")
        if different:
            self._refused(worker, "", f"workers: {about.node}: {different}")
        return not different

    def _refused(self, worker: int, kind: str, text: str) -> None:
        """The first workers stop the run with what is wrong. Later, a machine that does not fit gets no jobs."""
        if self._coming_up:
            raise getattr(errors, kind, WorkersError)(text)  # the class that the factory raised
        self._tell_once(f"a worker is left without jobs: {text}")
        if self._backend.joined:
            self._dispatch.retire(worker)
        else:
            self._backend.end(worker, Fault.DIED, text)  # on this one machine another start may be luckier

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._on_event("machine", text)

    def _check_starts(self, reason: str, detail: str, now: float) -> None:
        failed = self._dispatch.failed_starts
        if failed >= max(2, self._settings.attempts) and not self._dispatch.count(State.IDLE, State.BUSY):
            raise WorkersError(f"workers: {failed} workers ended while starting: {reason}. Cause: {detail}")
        self._next_start = now + min(60.0, 2.0 ** (failed - 1)) if failed > 1 else 0.0

    # Losing the cluster

    def _lose(self, lost: ClusterLost) -> None:
        self._dispatch.all_gone(str(lost))
        self._on_event("cluster", f"lost: {lost}")
        if self._coming_up:
            raise lost
        self._rejoin_at = time.monotonic()

    def _rejoin(self, timeout: float) -> None:
        pause = self._rejoin_at - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, max(0.0, timeout)))
            return
        self._losses += 1
        try:
            self._backend.rejoin()
        except WorkersError as error:
            if self._losses >= RECONNECTS:
                raise WorkersError(f"workers: the cluster did not come back in {RECONNECTS} tries: {error}") from error
            self._rejoin_at = time.monotonic() + PAUSE * 2 ** (self._losses - 1)
            return
        if self._losses > RECONNECTS:
            raise WorkersError(f"workers: the cluster was lost {self._losses} times without an outcome between them.")
        self._rejoin_at = float("inf")
        self._on_event("cluster", f"a cluster is there again; {self._backend.scarce()}")
