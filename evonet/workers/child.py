"""The main program of a worker process without Ray: python -m evonet.workers.child SOCKET DATA PARENT DEVICE TRACE."""

from __future__ import annotations

import platform
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from evonet.workers.inside import Worker, die_with
from evonet.workers.origin import about
from evonet.workers.wire import HEAD, frame, shared


def main() -> None:
    end, data, parent, device, trace = sys.argv[1:]
    die_with(int(parent))
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
