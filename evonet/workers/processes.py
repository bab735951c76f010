"""Workers as plain processes of this machine, over socket pairs: no Ray, a start as fast as importing torch.

The same rules and the same code inside a worker as with Ray; data in shared memory, one copy. Processes die with the
driver (PR_SET_PDEATHSIG), lead a process group that is killed as a whole, and do not hear the terminal's Ctrl-C.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evonet.workers.backend import Answered, Ended, Event, Placed, Ready, Refused
from evonet.workers.base import WorkersSettings, processors
from evonet.workers.dispatch import Fault
from evonet.workers.inside import reap
from evonet.workers.origin import About, about
from evonet.workers.source import environment, import_path
from evonet.workers.wire import Channel, SharedArgs

GRACE = 1.0  # seconds for a process whose socket was closed to be gone by itself
_GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass(kw_only=True)
class _Process:
    worker: int
    process: subprocess.Popen[bytes]
    channel: Channel
    watched: int  # pidfd: readable when the process has ended; -1 where the system has none
    trace: Path
    device: str
    about: About | None = None
    killed_before: int  # by the kernel for want of memory, on this machine, when this process was started


class ProcessBackend:
    """See `pool.Backend`. One machine, so that it can never be lost."""

    joined = False

    def __init__(self, settings: WorkersSettings, factory: str, args: tuple[Any, ...]) -> None:
        self.here = about(node="")
        self._settings, self._factory = settings, factory
        self._environment = {**os.environ, **environment(settings), "PYTHONPATH": import_path("evonet", factory)}
        self._gpus = _gpus() if settings.gpus_per_worker else []
        self._processes: dict[int, _Process] = {}
        self._events: deque[Event] = deque()
        self._selector = selectors.DefaultSelector()
        self._args = SharedArgs(args)
        self._traces = Path(tempfile.mkdtemp(prefix="evonet-workers-"))

    def capacity(self) -> int:
        s = self._settings
        fit = int(processors() / s.cpus_per_worker + 1e-9)
        if s.count != "auto":
            fit = s.count  # more workers than processors are slow, and the user's wish
        return min(fit, int(len(self._gpus) / s.gpus_per_worker + 1e-9)) if s.gpus_per_worker else fit

    def scarce(self) -> str:
        gpus = self._settings.gpus_per_worker
        return f"{len(self._gpus)} GPU in this machine" if gpus else f"{processors()} CPU in this machine"

    def start(self, worker: int) -> None:
        mine, theirs = socket.socketpair()
        trace, device = self._traces / f"{worker}.txt", self._device()
        variables = {**self._environment, "CUDA_VISIBLE_DEVICES": device} if device else self._environment
        numbers = (str(theirs.fileno()), str(self._args.file), str(os.getpid()))
        before = _killed_for_memory()
        with theirs, trace.open("ab") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "evonet.workers.child", *numbers, device, str(trace)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=variables,
                pass_fds=(theirs.fileno(), self._args.file),
                start_new_session=True,
            )
        watched = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
        one = _Process(
            worker=worker, process=process, channel=Channel(mine), watched=watched, trace=trace, device=device,
            killed_before=before,
        )  # fmt: skip
        self._processes[worker] = one
        self._selector.register(mine, selectors.EVENT_READ, one)
        if watched >= 0:
            self._selector.register(watched, selectors.EVENT_READ, one)

    def setup(self, worker: int) -> None:
        s = self._settings
        self._send(worker, "setup", self._factory, s.device, s.threads, self._args.specs)

    def send(self, worker: int, job: bytes, seconds: float) -> None:
        self._send(worker, "run", job, seconds - min(1.0, seconds / 10))

    def end(self, worker: int, fault: Fault, reason: str) -> None:
        one = self._processes.get(worker)
        if one is not None:
            self._bury(one, fault, reason)

    def drop(self, worker: int) -> None:
        self.end(worker, Fault.NODE, "not needed any more")

    def wait(self, timeout: float) -> Sequence[Event]:
        if not self._events:
            if self._processes:
                self._look(timeout)
            else:
                time.sleep(min(timeout, 1.0))
        events, self._events = self._events, deque()
        return events

    def rejoin(self) -> None:
        raise AssertionError("one machine is never lost")

    def close(self) -> None:
        for one in list(self._processes.values()):
            self._kill(one)
        self._selector.close()
        self._args.close()
        shutil.rmtree(self._traces, ignore_errors=True)

    def _device(self) -> str:
        """The GPU with the fewest workers, as CUDA_VISIBLE_DEVICES names it."""
        used = Counter(one.device for one in self._processes.values())
        return min(self._gpus, key=lambda gpu: used[gpu], default="")

    def _send(self, worker: int, *message: Any) -> None:
        one = self._processes.get(worker)
        if one is not None:
            one.channel.send(*message)
            self._watch_writing(one)

    def _watch_writing(self, one: _Process) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if one.channel.unsent else 0)
        self._selector.modify(one.channel.socket, events, one)

    def _look(self, timeout: float) -> None:
        for key, events in self._selector.select(max(0.0, timeout)):
            one: _Process = key.data
            if one.worker not in self._processes:
                continue  # ended by an event before this one
            if events & selectors.EVENT_WRITE:
                one.channel.flush()
                self._watch_writing(one)
            messages, alive = one.channel.receive()  # also when the process has ended: it may have answered before
            for message in messages:
                self._heard(one, *message)
            if one.worker in self._processes and (not alive or key.fd == one.watched):
                self._bury(one, None, "")

    def _heard(self, one: _Process, verb: str, *rest: Any) -> None:
        if verb == "placed":
            one.about = msgspec.convert(rest[0], About)
            self._events.append(Placed(one.worker, one.about))
        elif verb == "ready":
            self._events.append(Ready(one.worker))
        elif verb == "refused":
            self._events.append(Refused(one.worker, *rest))
        elif verb == "outcome":
            self._events.append(Answered(one.worker, rest[0]))
        else:
            self._bury(one, Fault.DEVICE, rest[0].decode())

    def _bury(self, one: _Process, fault: Fault | None, reason: str) -> None:
        """`fault` None: it went by itself, and how says why."""
        if fault is None:
            _await_end(one.process.pid, GRACE)
        pid = one.process.pid
        birth = one.about.born if one.about else ""
        detail = reap(pid, birth, str(one.trace), hung=fault is Fault.HUNG)
        how, memory = self._kill(one)
        if fault is None:
            starved = memory and _killed_for_memory() > one.killed_before
            fault = Fault.MEMORY if starved else Fault.DIED
            reason = f"out of memory: the kernel ended the worker ({memory})" if starved else f"the worker died: {how}"
        self._events.append(Ended(one.worker, fault, reason, f"{how}, {memory}\n{detail}"))

    def _kill(self, one: _Process) -> tuple[str, str]:
        """End the process and its group; (how it ended, the most memory it held)."""
        del self._processes[one.worker]
        self._selector.unregister(one.channel.socket)
        one.channel.socket.close()
        if one.watched >= 0:
            self._selector.unregister(one.watched)
            os.close(one.watched)
        with suppress(OSError):
            os.killpg(one.process.pid, signal.SIGKILL)
        return _collect(one.process)


def _await_end(pid: int, seconds: float) -> None:
    """Wait until a child is a zombie: its number stays its own until `_collect`."""
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < until:
        time.sleep(0.01)


def _collect(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """(how the process ended, the most memory it held). It has been killed, so that this is soon."""
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    bytes_ = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return how, f"peak memory {bytes_ / 2**20:.0f} MiB"


def _killed_for_memory() -> int:
    """Processes that the kernel has ended for want of memory so far: in this control group, else on this machine."""
    for path in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with suppress(OSError):
            counts = dict(line.split() for line in Path(path).read_text().splitlines())
            if "oom_kill" in counts:
                return int(counts["oom_kill"])
    return 0


def _gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES allows, else all that the driver of NVIDIA knows; torch is not imported for that."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(n) for n in range(len(list(_GPUS.iterdir())))] if _GPUS.is_dir() else []
