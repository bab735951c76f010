"""Settings -> workers. Ray is imported only if it is asked for."""

from __future__ import annotations

from typing import Any

from evonet.workers.base import OnAttempt, Workers, WorkersSettings


def make_workers(
    settings: WorkersSettings, factory: str, args: tuple[Any, ...] = (), *, on_attempt: OnAttempt | None = None
) -> Workers:
    """Workers that are ready for jobs.

    Args:
        factory: "module:function"; every worker calls `function(*args)` once and evaluates jobs with what it returns.
        args: plain values, bytes and numpy arrays. Workers see arrays read-only: Ray shares one copy per machine.
        on_attempt: told of each try that ended with a dead or hung worker.

    Raises:
        WorkersError: no cluster at the address, too few processors or GPUs, or the factory failed.
        EvonetError: whatever of this kind the factory raised, e.g. DataError.
    """
    told = on_attempt or _ignore
    if settings.kind == "serial":
        from evonet.workers.serial import SerialWorkers

        return SerialWorkers(settings, factory, args)
    from evonet.workers.cluster import RayWorkers

    return RayWorkers(settings, factory, args, on_attempt=told)


def _ignore(decision: int, attempt: int, worker: str, reason: str) -> None:
    del decision, attempt, worker, reason
