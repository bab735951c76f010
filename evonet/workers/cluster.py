"""Workers as Ray actors. The only user of Ray beside `session`; its exceptions are translated here, once.

One job at a time goes to an actor, so that a deadline counts from the job's start and a death blames one job alone; the
others wait here. Not `ray.util.ActorPool`: it loses results when all actors die. Ray never restarts an actor by itself
(max_restarts = 0): a dead one is replaced and its job goes first, with the same seed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from evonet import errors
from evonet.errors import WorkersError
from evonet.job import Job, Lost, Outcome, decode_outcome, encode
from evonet.workers.base import OnAttempt, WorkersSettings, deadline_of
from evonet.workers.inside import STORY, Worker
from evonet.workers.session import connect, import_path

START = 300.0  # seconds for a worker to come up: it may import torch from a slow disk
OVERRUNS = 2  # tries of a job that passes its deadline


@dataclass(kw_only=True)
class _Task:
    """A job on its way."""

    decision: int
    job: bytes
    limit: float  # seconds of one try
    tries: int = 0
    overruns: int = 0


@dataclass(kw_only=True)
class _Place:
    """A worker's place: the actor that now fills it, and what that is doing."""

    actor: Any
    trace: Path
    name: str
    running: Any  # the object reference awaited; None when idle
    task: _Task | None = None  # None while it sets up
    since: float  # monotonic start of what runs


class RayWorkers:
    """A pool of actors that evaluate jobs; construct it with `make_workers`."""

    def __init__(
        self, settings: WorkersSettings, factory: str, args: tuple[Any, ...], *, on_attempt: OnAttempt
    ) -> None:
        self._owns_ray = connect(settings, data_bytes=sum(map(_size, args)))
        import ray

        self._ray: Any = ray
        self._settings, self._factory, self._on_attempt = settings, factory, on_attempt
        self._waiting: deque[_Task] = deque()
        self._done: deque[Outcome] = deque()
        self._places: list[_Place] = []
        self._args: list[Any] = []  # object references: Ray keeps the data as long as somebody holds them
        self._started = self._failed_starts = 0
        self._closed = False
        self._traces = Path(tempfile.mkdtemp(prefix="evonet-workers-"))
        try:
            with self._translated():
                count = self._count()
                self._args = [ray.put(arg) for arg in args]
                self._places = [self._new_place() for _ in range(count)]  # all at once: they come up together
                while any(place.running is not None for place in self._places):
                    self._step(1.0)
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        return 2 * len(self._places)  # one runs and one waits here, so that a worker's next job is there at once

    def submit(self, job: Job) -> None:
        if self._closed:
            raise WorkersError(f"workers: decision {job.decision} came after close(). Make new workers.")
        limit = deadline_of(job, self._settings)
        self._waiting.append(_Task(decision=job.decision, job=encode(job), limit=limit))
        with self._translated():
            self._assign()

    def collect(self, timeout: float) -> Outcome | None:
        end = time.monotonic() + timeout
        with self._translated():
            while not self._done and (self._waiting or any(place.task for place in self._places)):
                self._step(end - time.monotonic())
                if time.monotonic() >= end:
                    break
        return self._done.popleft() if self._done else None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        self._done.clear()
        if self._ray.is_initialized():
            with suppress(self._ray.exceptions.RayError):  # the cluster is gone, and the workers with it
                for place in self._places:
                    self._ray.kill(place.actor)
            if self._owns_ray:
                self._ray.shutdown()
        self._places, self._args = [], []
        shutil.rmtree(self._traces, ignore_errors=True)  # an actor may be writing its last line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count(self) -> int:
        """Workers to start, at least 1; all of them find room."""
        s = self._settings
        offered: dict[str, float] = self._ray.cluster_resources()
        needs = [(name, each) for name, each in (("CPU", s.cpus_per_worker), ("GPU", s.gpus_per_worker)) if each > 0]
        fits, scarce = min((int(offered.get(name, 0.0) / each + 1e-9), name) for name, each in needs)
        if fits < (1 if s.count == "auto" else s.count):
            raise WorkersError(
                f"workers: {offered.get(scarce, 0.0):g} {scarce} in the cluster carry {fits} workers, expected "
                f"{s.count}. Lower workers.count or workers.{scarce.lower()}s_per_worker."
            )
        return fits if s.count == "auto" else s.count

    def _new_place(self) -> _Place:
        self._started += 1
        s, trace = self._settings, self._traces / f"{self._started}.txt"
        environment = {name: str(s.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment["PYTHONPATH"] = import_path("evonet", self._factory)
        if not s.gpus_per_worker:
            environment["CUDA_VISIBLE_DEVICES"] = ""  # Ray no longer hides GPUs from actors that asked for none
        options = self._ray.remote(
            num_cpus=s.cpus_per_worker,
            num_gpus=s.gpus_per_worker,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": environment},
        )
        actor: Any = options(Worker).remote(str(self._traces), trace.name)
        running = actor.setup.remote(self._factory, s.device, s.threads, *self._args)
        return _Place(actor=actor, trace=trace, name=f"worker {self._started}", running=running, since=time.monotonic())

    def _step(self, timeout: float) -> None:
        """Wait for at most `timeout` seconds until a worker answers or passes a deadline, and deal with it."""
        self._assign()
        busy = {place.running: place for place in self._places if place.running is not None}
        if not busy:
            return
        nearest = min(self._overdue_at(place) for place in busy.values()) - time.monotonic()
        ready, _ = self._ray.wait(list(busy), num_returns=1, timeout=max(0.0, min(timeout, nearest)))
        if ready:  # all that is ready: otherwise the first place's answers would hold up the others
            ready, _ = self._ray.wait(list(busy), num_returns=len(busy), timeout=0)
        for reference in ready:
            self._answered(busy.pop(reference))
        for place in busy.values():
            if time.monotonic() >= self._overdue_at(place):
                self._overdue(place)
        self._assign()

    def _assign(self) -> None:
        for place in self._places:
            if place.running is None and self._waiting:
                place.task = self._waiting.popleft()
                limit = place.task.limit
                place.since = time.monotonic()
                place.running = place.actor.run.remote(place.task.job, limit - min(1.0, limit / 10))

    def _overdue_at(self, place: _Place) -> float:
        return place.since + (place.task.limit if place.task else START)

    def _answered(self, place: _Place) -> None:
        task, died = place.task, None
        try:
            value = self._ray.get(place.running)
        except self._ray.exceptions.RayError as error:
            died = what_died(error)
            if died is None:
                raise
            value = error
        if died is not None:
            self._died(place, died, str(value))
        elif task is not None:
            self._done.append(decode_outcome(value))
            place.task = place.running = None
        else:
            kind, text = value
            if kind:
                raise getattr(errors, kind, WorkersError)(text)  # the class that the factory raised
            place.name, place.running, self._failed_starts = text, None, 0

    def _died(self, place: _Place, reason: str, detail: str) -> None:
        task, stack = place.task, _tail(place.trace)
        cause = f"{stack}\n{detail[:STORY]}".strip()
        if task is not None:
            task.tries += 1
            self._again_or_lost(place, task, reason, cause, task.tries < self._settings.attempts)
            return
        self._failed_starts += 1
        if self._failed_starts >= self._settings.attempts:
            raise WorkersError(f"workers: {self._failed_starts} workers ended while starting: {reason}. Cause: {cause}")
        self._replace(place)

    def _overdue(self, place: _Place) -> None:
        task = place.task
        if task is None:
            raise WorkersError(
                f"workers: {place.name} not ready after {START:.0f} s. Look into Ray's logs, then resume."
            )
        task.tries, task.overruns = task.tries + 1, task.overruns + 1
        more = task.tries < self._settings.attempts and task.overruns < OVERRUNS
        self._again_or_lost(place, task, f"deadline of {task.limit:g} s passed", _tail(place.trace), more)

    def _again_or_lost(self, place: _Place, task: _Task, reason: str, cause: str, again: bool) -> None:
        self._on_attempt(task.decision, task.tries, place.name, reason)
        if again:
            self._waiting.appendleft(task)
        else:
            self._done.append(Lost(decision=task.decision, reason=reason, cause=cause, attempts=task.tries))
        self._replace(place)

    def _replace(self, place: _Place) -> None:
        self._ray.kill(place.actor)  # nothing happens to one that is dead already
        place.trace.unlink(missing_ok=True)
        self._places[self._places.index(place)] = self._new_place()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._ray.exceptions.RayError as error:
            message = f"workers: Ray gave up: {type(error).__name__}: {str(error)[:300]}. Resume the run."
            raise WorkersError(message) from error


def what_died(error: Exception) -> str | None:
    """Why the worker, and not the cluster, is to be replaced; None if the error is of another kind."""
    from ray import exceptions as e

    reasons: dict[str, tuple[type[Exception], ...]] = {
        "out of memory: Ray ended the worker": (e.OutOfMemoryError,),
        "the worker's machine is gone": (e.NodeDiedError, e.ObjectLostError),
        "the worker died: killed, crashed or out of memory": (e.RayActorError, e.WorkerCrashedError),
        "the call failed inside Ray": (e.RayTaskError, e.TaskCancelledError),
    }
    return next((reason for reason, kinds in reasons.items() if isinstance(error, kinds)), None)


def _tail(trace: Path) -> str:
    """The stacks that a worker on this machine left, else ""."""
    return trace.read_text(errors="replace")[-STORY:].strip() if trace.exists() else ""


def _size(arg: Any) -> int:
    """Bytes in Ray's object store; small values do not count."""
    return arg.nbytes if isinstance(arg, np.ndarray) else len(arg) if isinstance(arg, bytes) else 0
