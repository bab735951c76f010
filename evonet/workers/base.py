"""The contract of workers, and their settings: section [workers] of a run configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Annotated, Literal, Protocol, Self

import msgspec
from msgspec import Meta

from evonet.job import Job, Outcome

Evaluate = Callable[[Job], Outcome]

# (decision, attempt from 1, worker, reason): a try ended with a dead or hung worker. `collect` calls it in the driver.
OnAttempt = Callable[[int, int, str, str], None]

# (kind, text): something that people should know: "quarantine", "cluster", "machine". Decides nothing.
OnEvent = Callable[[str, str], None]


class WorkersSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [workers]. Nothing here but `device` and `threads` can change an outcome."""

    kind: Literal["ray", "process", "serial"] = "ray"  # process: this machine alone, without Ray
    # auto: as many as the processors (and GPUs) carry, also of machines that join or leave a cluster meanwhile
    count: Annotated[int, Meta(ge=1)] | Literal["auto"] = "auto"
    cpus_per_worker: Annotated[float, Meta(gt=0)] = 1
    gpus_per_worker: Annotated[float, Meta(ge=0)] = 0  # 0.25 puts four workers on one GPU
    device: str = "cpu"
    threads: Annotated[int, Meta(ge=1)] = 1  # torch threads in each worker
    # Tries of one job whose worker dies; of them at most 3 for want of memory and 2 that hang. A machine that goes is
    # not the job's doing and does not count. Five: a job that is killed five times by accident is one in thousands.
    attempts: Annotated[int, Meta(ge=1)] = 5
    # Seconds of one try, for every 1,000 steps that the job has begun: a last resort, no budget. `serial` has none.
    deadline: Annotated[float, Meta(gt=0)] = 600
    # "" starts Ray on this machine; "host:port", "ray://host:port" or "auto" joins a cluster (docs/cluster.md)
    address: str = ""


def deadline_of(job: Job, settings: WorkersSettings) -> float:
    """Seconds that one try of `job` may take: finishing trains a hundred times as long as the first rung."""
    return settings.deadline * max(1, -(-job.steps // 1000))


class Workers(Protocol):
    """Turns jobs into outcomes, one each, in any order.

    A context manager. A worker that dies or hangs is replaced and its job tried again with the same seed; a job that
    has used up its tries becomes `Lost`, and so does one whose evaluation raises (at once: it would raise again).

    A job that was lost is tried again where the same work is submitted later, but for one that took several workers
    down: these workers refuse it until they are closed (`dispatch`). Whether they do depends on what has come back by
    then, as any `Lost` depends on machines and their troubles; a replay follows what was recorded.
    """

    @property
    def slots(self) -> int:
        """Jobs worth having in flight, at least 1. Changes as machines come and go."""
        ...

    def submit(self, job: Job) -> None:
        """Queue `job`; never blocks.

        Raises:
            WorkersError: after `close`.
        """
        ...

    def collect(self, timeout: float) -> Outcome | None:
        """One outcome; None if none came within `timeout` seconds, at once if no job is in flight.

        Here dead workers are replaced, and a lost cluster too: another is started, or the address joined again, some
        times with growing pauses, and jobs in flight are done again. Such a call lasts longer, by the start of Ray.

        Raises:
            WorkersError: the workers cannot be replaced any more, or no cluster came back. The run is resumable.
        """
        ...

    def close(self) -> None:
        """End the workers. Jobs in flight are dropped; closing twice is allowed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity
