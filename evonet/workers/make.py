"""Settings -> workers. Ray is imported only if it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evonet.workers.base import OnAttempt, OnEvent, Workers, WorkersSettings

if TYPE_CHECKING:
    from evonet.workers.backend import Backend


def make_workers(
    settings: WorkersSettings,
    factory: str,
    args: tuple[Any, ...] = (),
    *,
    on_attempt: OnAttempt | None = None,
    on_event: OnEvent | None = None,
) -> Workers:
    """Workers that are ready for jobs.

    Args:
        factory: "module:function"; every worker calls `function(*args)` once and evaluates jobs with what it returns.
        args: plain values, bytes and numpy arrays. Workers see arrays read-only: they share one copy per machine.
        on_attempt: told of each try that ended with a dead or hung worker.
        on_event: told of machines that do not fit, devices in quarantine, and clusters lost and found.

    Raises:
        WorkersError: no cluster at the address, too few processors or GPUs, unlike versions, or the factory failed.
        EvonetError: whatever of this kind the factory raised, e.g. DataError.
    """
    if settings.kind == "serial":
        from evonet.workers.serial import SerialWorkers

        return SerialWorkers(settings, factory, args)
    from evonet.workers.pool import PooledWorkers

    return PooledWorkers(
        settings,
        _backend(settings, factory, args),
        on_attempt=on_attempt or _no_attempt,
        on_event=on_event or _no_event,
    )


def _backend(settings: WorkersSettings, factory: str, args: tuple[Any, ...]) -> Backend:
    if settings.kind == "process":
        from evonet.workers.processes import ProcessBackend

        return ProcessBackend(settings, factory, args)
    from evonet.workers.cluster import RayBackend

    return RayBackend(settings, factory, args)


def _no_attempt(decision: int, attempt: int, worker: str, reason: str) -> None:
    del decision, attempt, worker, reason


def _no_event(kind: str, text: str) -> None:
    del kind, text
