"""What runs inside a worker process. The serial twin runs the same functions, so that both give the same bits."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import os
import platform
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from evonet.errors import EvonetError, WorkersError
from evonet.job import Lost, Outcome, decode_job, encode
from evonet.workers.base import Evaluate
from evonet.workers.origin import born

STORY = 4000  # characters kept of a traceback
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SPEAK = signal.SIGUSR2  # asks a worker process for its stacks
_STACK = "(most recent call first)"  # in every stack that faulthandler writes


def make_evaluate(factory: str, args: tuple[Any, ...], *, threads: int) -> Evaluate:
    """Call "module:function" with `args`; torch, if that imports it, held to `threads` (more would change the bits).

    Raises:
        EvonetError: as raised by the factory.
        WorkersError: the factory cannot be found, or failed in another way.
    """
    module, _, function = factory.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
        _hold_torch(threads)
    except Exception as error:
        raise WorkersError(
            f"workers: {factory} cannot be imported on {platform.node()}: {_headline(error)}. Install what it needs "
            f"there, or correct the name. Cause: {_story(error)}"
        ) from error
    try:
        evaluate: Evaluate = make(*args)
        _hold_torch(threads)
    except EvonetError:
        raise
    except Exception as error:
        raise WorkersError(f"workers: {factory} failed: {_headline(error)}. Cause: {_story(error)}") from error
    return evaluate


def _hold_torch(threads: int) -> None:
    """A factory without torch is not made to wait for it; later it reads OMP_NUM_THREADS (`source.environment`)."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def answer(evaluate: Evaluate, data: bytes) -> bytes:
    """Job in, outcome out, both msgpack. What `evaluate` raises becomes `Lost`.

    At once, because it is deterministic and would come again; want of memory may not, and has one more try.
    """
    try:
        return _checked(evaluate, data)
    except Exception as error:
        if not _is_memory(error):
            return _lost(data, error, attempts=1)
    gc.collect()
    try:
        return _checked(evaluate, data)
    except Exception as error:
        return _lost(data, error, attempts=2)


def _checked(evaluate: Evaluate, data: bytes) -> bytes:
    job = decode_job(data)
    outcome = evaluate(job)
    if not isinstance(outcome, Outcome) or outcome.decision != job.decision:
        raise TypeError(f"the evaluation of decision {job.decision} answered {outcome!r:.200}, expected its outcome")
    return encode(outcome)


def _lost(data: bytes, error: Exception, *, attempts: int) -> bytes:
    cause = f"{_peak()}\n{_story(error)}" if _is_memory(error) else _story(error)
    decision = decode_job(data).decision
    return encode(Lost(decision=decision, reason=_headline(error), cause=cause, attempts=attempts))


def _is_memory(error: Exception) -> bool:
    """torch has its own class on GPUs, and on processors says it with a plain RuntimeError."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate memory" in str(error)


def _peak() -> str:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"peak memory of the process: {peak / 2**20:.0f} MiB"


def _headline(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _story(error: Exception) -> str:
    """The traceback below evonet's own call, so that it reads the same from every kind of worker."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))[-STORY:]


class Worker:
    """One worker process: built once, set up once, then asked for outcome after outcome."""

    def __init__(self, trace: Path) -> None:
        """`trace`: the file that takes the stacks of a crash or of a job that is about to pass its deadline."""
        self._trace: TextIO = trace.open("w+")
        self._evaluate: Evaluate | None = None
        self._device = "cpu"
        faulthandler.enable(self._trace)
        faulthandler.register(_SPEAK, file=self._trace)  # a C handler: works while the GIL is held

    def setup(self, factory: str, device: str, threads: int, args: Sequence[Any]) -> tuple[str, str]:
        """("", ""), or (error class, message): Ray would wrap an exception beyond recognition."""
        try:
            self._evaluate = make_evaluate(factory, tuple(args), threads=threads)
        except EvonetError as error:
            return type(error).__name__, str(error)
        self._device = device
        return "", ""

    def run(self, job: bytes, seconds: float) -> tuple[str, bytes]:
        """("outcome", msgpack), or ("device", what the GPU reported). After `seconds` all stacks are kept.

        A failed CUDA kernel spoils every later call in its process: no outcome of it is believed, the process is to be
        ended, and the job goes to a fresh one.
        """
        assert self._evaluate is not None, "setup comes first"  # noqa: S101 - order of calls inside this package
        self._trace.seek(0)
        self._trace.truncate()
        faulthandler.dump_traceback_later(seconds, file=self._trace)  # a C thread: works while the GIL is held
        try:
            outcome = answer(self._evaluate, job)
        finally:
            faulthandler.cancel_dump_traceback_later()
        broken = self._broken_device()
        return ("device", broken.encode()) if broken else ("outcome", outcome)

    def _broken_device(self) -> str:
        if not self._device.startswith("cuda"):
            return ""
        import torch

        try:
            torch.cuda.synchronize()
        except RuntimeError as error:
            return f"CUDA error: {error}"
        return ""


def die_with(parent: int) -> None:
    """The kernel kills this process when `parent`, which started it, ends, whatever this process is doing then.

    Linux only; elsewhere a busy process ends when its job is done and nobody takes the outcome.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(0)


def reap(pid: int, birth: str, trace: str, *, hung: bool) -> str:
    """End a worker process of this machine for good, and give what it left: its stacks, or why there are none.

    Stacks come from the worker's own watchdog, shortly before the deadline. Where it was called off, or the process is
    stopped, it is asked by signal, and awoken. Only a process that blocks its signals as well can leave none.
    """
    same = birth == born(pid)  # else it is gone, and the number may be another's by now
    state = _state(pid) if same else "gone"
    if hung and same and _STACK not in _text(trace):
        with suppress(OSError):
            os.kill(pid, _SPEAK)
            os.kill(pid, signal.SIGCONT)
        until = time.monotonic() + 0.5
        while _STACK not in _text(trace) and time.monotonic() < until:
            time.sleep(0.02)
    if same:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    left = _text(trace)  # after the kill: it may have been writing
    with suppress(OSError):
        os.unlink(trace)
    return f"no stack; the process was {state}\n{left}".strip() if hung and _STACK not in left else left


def _text(trace: str) -> str:
    try:
        return Path(trace).read_text(errors="replace")[-STORY:].strip()
    except OSError:
        return ""


def _state(pid: int) -> str:
    """What the kernel says the process does, e.g. "T (stopped) in do_signal_stop"."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        where = Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return "in an unknown state"
    state = next((line.partition(":")[2].strip() for line in lines if line.startswith("State:")), "?")
    return f"{state} in {where}" if where.strip("0") else state
