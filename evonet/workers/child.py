"""The main program of a worker process without Ray: python -m evonet.workers.child SOCKET DATA PARENT DEVICE TRACE."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from evonet.workers.inside import Worker
from evonet.workers.origin import about
from evonet.workers.wire import HEAD, frame, shared

_PR_SET_PDEATHSIG = 1


def main() -> None:
    end, data, parent, device, trace = sys.argv[1:]
    _die_with(int(parent))
    with socket.socket(fileno=int(end)) as driver:
        worker = Worker(Path(trace))
        driver.sendall(frame("placed", about(node=platform.node(), device=device, trace=trace)))
        while (message := _receive(driver)) is not None:
            verb, *rest = message
            if verb == "setup":
                *options, specs = rest
                factory, on, threads = options
                kind, text = worker.setup(factory, on, threads, shared(int(data), specs))
                driver.sendall(frame("refused", kind, text) if kind else frame("ready"))
            else:
                driver.sendall(frame(*worker.run(*rest)))


def _die_with(parent: int) -> None:
    """The kernel kills this process when the thread that started it ends, whatever this process is doing then."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(0)


def _receive(driver: socket.socket) -> list[Any] | None:
    """The next message; None when the driver has gone or closed."""
    head = _exactly(driver, HEAD)
    body = None if head is None else _exactly(driver, int.from_bytes(head, "big"))
    return None if body is None else list(msgspec.msgpack.decode(body))


def _exactly(driver: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            piece = driver.recv(size - len(data))
        except ConnectionError:
            return None
        if not piece:
            return None
        data += piece
    return bytes(data)


if __name__ == "__main__":
    main()
