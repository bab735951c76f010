"""Workers on a clock of their own: any number of them, hours in seconds, and the same hours every time."""

from __future__ import annotations

import heapq
from collections import deque
from types import TracebackType
from typing import NamedTuple, Self

from evonet.bench.stubs import Durations, answer
from evonet.errors import WorkersError
from evonet.job import Job, Lost, Outcome, decode_outcome, encode
from evonet.seeds import Stream
from evonet.workers.base import OnAttempt, WorkersSettings

RESTART = 10.0  # simulated seconds until a worker is there again: a process that imports torch
ATTEMPTS = WorkersSettings().attempts


class _Event(NamedTuple):
    """What is to come: a worker ends a job, dies over it, or is back. Compared by `at`, then in order of scheduling."""

    at: float
    order: int
    job: Job | None  # None: the worker is back
    tries: int
    dies: bool


class SimulatedWorkers:
    """`count` workers with as many jobs again in wait, as `RayWorkers` has.

    `collect` does not wait: it turns the clock to what happens next. Jobs and outcomes pass the boundary as bytes, as
    they do between processes. The clock, the draws and the stubs themselves cost the driver 0.05 ms a job.
    """

    def __init__(
        self, count: int, durations: Durations, *, kill_rate: float = 0.0, on_attempt: OnAttempt | None = None
    ) -> None:
        self.slots = 2 * count
        self.now = 0.0  # simulated seconds
        self._idle, self._durations, self._kill_rate = count, durations, kill_rate
        self._on_attempt = on_attempt
        self._waiting: deque[tuple[Job, int]] = deque()
        self._events: list[_Event] = []
        self._scheduled = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        if self._closed:
            raise WorkersError(f"workers: decision {job.decision} came after close(). Make new workers.")
        encode(job)  # what a real boundary costs the driver
        self._waiting.append((job, 0))
        self._assign()

    def collect(self, timeout: float) -> Outcome | None:
        """The next outcome on the simulated clock; with `timeout` 0 only one that is there already."""
        while self._events and (timeout > 0 or self._events[0].at <= self.now):
            if (outcome := self._happen(heapq.heappop(self._events))) is not None:
                return decode_outcome(encode(outcome))
        return None

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._events.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _assign(self) -> None:
        while self._idle and self._waiting:
            job, tries = self._waiting.popleft()
            self._idle -= 1
            seconds = self._durations.of(job)
            fate = Stream("kill", job.key, tries)
            dies = fate.chance(self._kill_rate)
            self._schedule(seconds * fate.unit() if dies else seconds, job, tries + 1, dies)

    def _schedule(self, delay: float, job: Job | None, tries: int = 0, dies: bool = False) -> None:
        heapq.heappush(self._events, _Event(self.now + delay, self._scheduled, job, tries, dies))
        self._scheduled += 1

    def _happen(self, event: _Event) -> Outcome | None:
        """Turn the clock to `event`; the outcome it brings, if any."""
        self.now = event.at
        outcome: Outcome | None = None
        if event.job is None:
            self._idle += 1
        elif event.dies:
            outcome = self._died(event.job, event.tries)
            self._schedule(RESTART, None)
        else:
            self._idle += 1
            outcome = answer(event.job, self._durations.of(event.job))
        self._assign()
        return outcome

    def _died(self, job: Job, tries: int) -> Outcome | None:
        if self._on_attempt is not None:
            self._on_attempt(job.decision, tries, "simulated", "killed")
        if tries < ATTEMPTS:
            self._waiting.appendleft((job, tries))
            return None
        return Lost(decision=job.decision, reason="killed", attempts=tries)


def barrier_utilisation(durations: list[float], *, workers: int, population: int) -> float:
    """What share of the workers' time is used if every generation waits for its last: each job, in order, to the
    worker that is free first."""
    busy = span = 0.0
    for first in range(0, len(durations), population):
        free = [0.0] * workers
        for seconds in durations[first : first + population]:
            heapq.heappush(free, heapq.heappop(free) + seconds)
        busy += sum(durations[first : first + population])
        span += max(free)
    return busy / (workers * span) if span else 0.0
