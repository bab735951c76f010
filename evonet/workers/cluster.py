"""Workers as Ray actors. With `session`, `watch` and `actor` the only user of Ray; its exceptions are translated here.

One job at a time goes to an actor, so that a deadline counts from the job's start and a death blames one job alone.
Not `ray.util.ActorPool`: it loses results when all actors die. Ray never restarts an actor by itself
(max_restarts = 0), and never runs a call again: that is decided in `dispatch`. An actor for which no machine has room
stays with Ray, pending, and comes up when there is room again.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evonet.errors import WorkersError
from evonet.workers.actor import Actor
from evonet.workers.backend import Answered, ClusterLost, Ended, Event, Placed, Ready, Refused
from evonet.workers.base import WorkersSettings
from evonet.workers.dispatch import STORY, Fault
from evonet.workers.inside import reap
from evonet.workers.origin import About, about
from evonet.workers.session import connect, disconnect, may_return
from evonet.workers.source import environment, import_path
from evonet.workers.watch import Watch

SLICE = 1.0  # seconds of one wait in Ray: so often it is looked whether the cluster is still there
REAPING = 4.0  # seconds for another machine to end a worker and send what it left


@dataclass(kw_only=True)
class _Call:
    """Something that an actor, or a machine, was asked."""

    worker: int
    what: Literal["where", "setup", "run", "reap"]
    until: float = float("inf")  # monotonic; a reaping is not waited for longer
    end: Ended | None = None  # what to report when the reaping is through


class RayBackend:
    """See `pool.Backend`."""

    def __init__(self, settings: WorkersSettings, factory: str, args: tuple[Any, ...]) -> None:
        self.here = about(node="")
        self.joined = bool(settings.address)
        self._settings, self._factory, self._plain = settings, factory, args
        self._actors: dict[int, Any] = {}
        self._abouts: dict[int, About] = {}
        self._calls: dict[Any, _Call] = {}  # by the reference that is awaited
        self._events: deque[Event] = deque()
        self._args: list[Any] = []  # references: Ray keeps the data as long as somebody holds them
        self._watch: Watch | None = None
        self._traces = Path(tempfile.mkdtemp(prefix="evonet-workers-"))
        self._owns_ray = False
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def capacity(self) -> int:
        return self._watched.capacity

    def scarce(self) -> str:
        return self._watched.scarce

    def start(self, worker: int) -> None:
        s = self._settings
        with self._translated():
            make = self._ray.remote(
                num_cpus=s.cpus_per_worker,
                num_gpus=s.gpus_per_worker,
                max_restarts=0,
                max_task_retries=0,
                runtime_env=self._environment,
            )(Actor)
            actor = self._actors[worker] = make.remote(str(self._traces), self.here.machine, f"worker-{worker}")
            self._ask(worker, "where", actor.where.remote())

    def setup(self, worker: int) -> None:
        s = self._settings
        with self._translated():
            call = self._actors[worker].setup_with.remote(self._factory, s.device, s.threads, *self._args)
            self._ask(worker, "setup", call)

    def send(self, worker: int, job: bytes, seconds: float) -> None:
        with self._translated():
            self._ask(worker, "run", self._actors[worker].run.remote(job, seconds - min(1.0, seconds / 10)))

    def end(self, worker: int, fault: Fault, reason: str) -> None:
        with self._translated():
            self._end(Ended(worker, fault, reason, ""))

    def drop(self, worker: int) -> None:
        with self._translated():
            self._forget(worker)

    def wait(self, timeout: float) -> Sequence[Event]:
        if self._watched.lost:
            raise ClusterLost(self._watched.lost)
        with self._translated():
            if not self._events:
                self._look(timeout)
        events, self._events = self._events, deque()
        return events

    def rejoin(self) -> None:
        self._leave()
        self._owns_ray = True  # whoever had started the one that is lost: this one is ours
        self._join()

    def close(self) -> None:
        self._leave()
        shutil.rmtree(self._traces, ignore_errors=True)  # an actor may be writing its last line

    # Joining and leaving

    @property
    def _watched(self) -> Watch:
        assert self._watch is not None, "joined"  # noqa: S101 - between `_join` and `_leave`
        return self._watch

    def _join(self) -> None:
        s = self._settings
        self._owns_ray = connect(s, data_bytes=sum(map(_size, self._plain)), modules=("evonet", self._factory))
        import ray

        self._ray: Any = ray
        # Where packages travel, the folders of this machine mean nothing.
        path = {} if s.address and self._owns_ray else {"PYTHONPATH": import_path("evonet", self._factory)}
        self._environment = {"env_vars": environment(s) | path}
        with self._translated():
            self._watch = Watch(s)
            self._args = [ray.put(arg) for arg in self._plain]

    def _leave(self) -> None:
        if self._watch is not None:
            self._watch.end()
            if not self._watch.lost and self._ray.is_initialized():
                with suppress(self._ray.exceptions.RayError):  # the cluster is going, and the workers with it
                    for worker in list(self._actors):
                        self._forget(worker)
            self._watch = None
        self._args = []
        self._actors, self._abouts, self._calls, self._events = {}, {}, {}, deque()
        if self._owns_ray:
            self._owns_ray = False
            disconnect()

    # Calls

    def _ask(self, worker: int, what: Literal["where", "setup", "run", "reap"], reference: Any) -> None:
        self._calls[reference] = _Call(worker=worker, what=what)

    def _look(self, timeout: float) -> None:
        """Wait in Ray until a call is through, and take all that are, lest the first places hold up the others."""
        if not self._calls:
            time.sleep(max(0.0, min(timeout, SLICE)))
            return
        until = time.monotonic() + min(timeout, SLICE)
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=max(0.0, until - time.monotonic()))
        if ready:
            ready, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        for reference in ready:
            if (call := self._calls.pop(reference, None)) is not None:
                self._through(call, reference)
        now = time.monotonic()
        for reference in [r for r, call in self._calls.items() if now >= call.until]:
            self._report(self._calls.pop(reference), "its machine did not say what it left")

    def _through(self, call: _Call, reference: Any) -> None:
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if call.what == "reap":
                self._report(call, f"its machine did not say what it left: {_short(error)}")
                return
            found = what_died(error)
            if found is None:
                raise
            self._end(Ended(call.worker, *found, str(error)[:STORY]))
            return
        match call.what:
            case "where":
                self._abouts[call.worker] = value
                self._events.append(Placed(call.worker, value))
            case "setup":
                self._events.append(Refused(call.worker, *value) if value[0] else Ready(call.worker))
            case "run" if value[0] == "outcome":
                self._events.append(Answered(call.worker, value[1]))
            case "run":
                self._end(Ended(call.worker, Fault.DEVICE, value[1].decode(), ""))
            case "reap":
                self._report(call, value)

    # Ends

    def _end(self, ended: Ended) -> None:
        """End what may still run, and report it together with what it left."""
        about_ = self._abouts.get(ended.worker)
        if about_ is not None and ended.fault is Fault.DIED and self._watched.is_gone(about_.node.rpartition(":")[2]):
            ended = Ended(ended.worker, Fault.NODE, "the worker's machine is gone", ended.detail)
        hung = ended.fault is Fault.HUNG
        call = _Call(worker=ended.worker, what="reap", until=time.monotonic() + REAPING, end=ended)
        if about_ is None or ended.fault is Fault.NODE:
            self._report(call, "")
        elif about_.machine == self.here.machine:
            self._report(call, reap(about_.pid, about_.born, about_.trace, hung=hung))
        else:
            there = self._reap_there(about_, hung=hung)
            if there is None:
                self._report(call, "its machine is not known yet, so nothing of it was read")
            else:
                self._calls[there] = call
        self._forget(ended.worker)

    def _reap_there(self, about_: About, *, hung: bool) -> Any:
        """`reap` on the worker's machine; it takes no processor, so that there is always room. None: a machine that
        has just come and was not looked at yet.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        known = about_.node.rpartition(":")[2]
        identity = next((node for node in self._watched.node_ids if node.startswith(known)), None)
        if identity is None:
            return None
        there = NodeAffinitySchedulingStrategy(identity, soft=False)
        task = self._ray.remote(num_cpus=0, max_retries=0, runtime_env=self._environment, scheduling_strategy=there)
        return task(reap).remote(about_.pid, about_.born, about_.trace, hung=hung)

    def _report(self, call: _Call, left: str) -> None:
        assert call.end is not None, "a reaping"  # noqa: S101 - `_end` made the call
        end = call.end
        self._events.append(Ended(end.worker, end.fault, end.reason, f"{left}\n{end.detail}".strip()))

    def _forget(self, worker: int) -> None:
        """Nothing that the actor still says is heard. Killing it gives Ray its resources back."""
        self._abouts.pop(worker, None)
        self._calls = {r: call for r, call in self._calls.items() if call.worker != worker or call.what == "reap"}
        actor = self._actors.pop(worker, None)
        if actor is not None:
            self._ray.kill(actor)

    def _translated(self) -> Translated:
        return Translated(self._ray)


class Translated:
    """Ray's errors about the cluster become ClusterLost, or, where another cluster would not help, WorkersError."""

    def __init__(self, ray: Any) -> None:
        self._kinds = (ray.exceptions.RayError, ConnectionError)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._kinds):
            if may_return(error):
                raise ClusterLost(f"workers: Ray gave up: {_short(error)}") from error
            raise WorkersError(f"workers: Ray gave up: {_short(error)}. Resume the run.") from error


def what_died(error: Exception) -> tuple[Fault, str] | None:
    """Why the worker, and not the cluster, is to be replaced; None if the error is of another kind."""
    from ray import exceptions as e

    if isinstance(error, e.OutOfMemoryError):
        return Fault.MEMORY, "out of memory: Ray ended the worker"
    if isinstance(error, (e.NodeDiedError, e.ObjectLostError)):
        return Fault.NODE, "the worker's machine is gone"
    if isinstance(error, e.ActorDiedError) and "node has died" in str(error):
        return Fault.NODE, "the worker's machine is gone"
    if isinstance(error, (e.RayActorError, e.WorkerCrashedError)):
        return Fault.DIED, "the worker died: killed, crashed or out of memory"
    if isinstance(error, e.RuntimeEnvSetupError):
        return Fault.DIED, "the machine could not prepare the worker's environment"
    if isinstance(error, (e.RayTaskError, e.TaskCancelledError)):
        return Fault.DIED, "the call failed inside Ray"
    return None


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip()[:300]}"


def _size(arg: Any) -> int:
    """Bytes in Ray's object store; small values do not count."""
    return arg.nbytes if isinstance(arg, np.ndarray) else len(arg) if isinstance(arg, bytes) else 0
