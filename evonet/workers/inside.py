"""What runs inside a worker process. The serial twin runs the same functions, so that both give the same bits."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import platform
import sys
import traceback
from typing import Any, TextIO

from evonet.errors import EvonetError, WorkersError
from evonet.job import Lost, Outcome, decode_job, encode
from evonet.workers.base import Evaluate

STORY = 4000  # characters kept of a traceback


def make_evaluate(factory: str, args: tuple[Any, ...], *, threads: int) -> Evaluate:
    """Call "module:function" with `args`, torch held to `threads` threads (more would change the bits).

    Raises:
        EvonetError: as raised by the factory.
        WorkersError: the factory cannot be found, or failed in another way.
    """
    import torch

    torch.set_num_threads(threads)
    module, _, function = factory.partition(":")
    try:
        evaluate: Evaluate = getattr(importlib.import_module(module), function)(*args)
    except EvonetError:
        raise
    except Exception as error:
        raise WorkersError(f"workers: {factory} failed: {_headline(error)}. Cause: {_story(error)}") from error
    return evaluate


def answer(evaluate: Evaluate, data: bytes) -> bytes:
    """Job in, outcome out, both msgpack. What `evaluate` raises becomes `Lost`.

    At once, because it is deterministic and would come again; a MemoryError may not, and has one more try.
    """
    try:
        return _checked(evaluate, data)
    except MemoryError:
        gc.collect()
    except Exception as error:
        return _lost(data, error, attempts=1)
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
    decision = decode_job(data).decision
    return encode(Lost(decision=decision, reason=_headline(error), cause=_story(error), attempts=attempts))


def _headline(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _story(error: Exception) -> str:
    """The traceback below evonet's own call, so that it reads the same from every kind of worker."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))[-STORY:]


class Worker:
    """One worker process: built once, then asked for outcome after outcome. Becomes a Ray actor in `cluster`."""

    def __init__(self, traces: str, name: str) -> None:
        # The driver reads this file when the process is gone. On another machine its folder is missing, and a stack
        # goes to the log that Ray keeps there.
        here = os.path.isdir(traces)
        self._trace: TextIO = open(os.path.join(traces, name), "w+") if here else sys.stderr  # noqa: SIM115
        self._evaluate: Evaluate | None = None
        self._device = "cpu"
        faulthandler.enable(self._trace)

    def setup(self, factory: str, device: str, threads: int, *args: Any) -> tuple[str, str]:
        """("", name of the process), or (error class, message): Ray would wrap an exception beyond recognition."""
        try:
            self._evaluate = make_evaluate(factory, args, threads=threads)
        except EvonetError as error:
            return type(error).__name__, str(error)
        self._device = device
        return "", f"{platform.node()}/{os.getpid()}"

    def run(self, job: bytes, seconds: float) -> bytes:
        """Job in, outcome out. Still running after `seconds`, the stacks of all threads are stored."""
        assert self._evaluate is not None, "setup comes first"  # noqa: S101 - order of calls inside this package
        if self._trace is not sys.stderr:
            self._trace.seek(0)
            self._trace.truncate()
        faulthandler.dump_traceback_later(seconds, file=self._trace)  # a C thread: works while the GIL is held
        try:
            outcome = answer(self._evaluate, job)
        finally:
            faulthandler.cancel_dump_traceback_later()
        self._leave_if_the_device_is_broken()
        return outcome

    def _leave_if_the_device_is_broken(self) -> None:
        """A failed CUDA kernel spoils every later call in its process: no outcome of it is believed, and the job goes
        to a fresh one."""
        if not self._device.startswith("cuda"):
            return
        import torch

        try:
            torch.cuda.synchronize()
        except RuntimeError as error:
            print(f"CUDA error: {error}", file=self._trace, flush=True)
            os._exit(1)
