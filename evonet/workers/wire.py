"""Messages over a socket pair: 4 bytes of length, then a msgpack list. And arrays in memory that processes share."""

from __future__ import annotations

import mmap
import os
import socket
import tempfile
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from evonet.errors import WorkersError

HEAD = 4  # bytes of the length
_ALIGNMENT = 64


def frame(*message: Any) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEAD, "big") + body


class Channel:
    """The driver's end, which never blocks: a worker that was stopped must not stop the driver."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self._out, self._in = bytearray(), bytearray()

    @property
    def unsent(self) -> bool:
        return bool(self._out)

    def send(self, *message: Any) -> None:
        self._out += frame(*message)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes. To a dead process nothing is sent; that it is dead shows elsewhere."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()

    def receive(self) -> tuple[list[list[Any]], bool]:
        """(the messages that are complete, whether the other end is still open)."""
        open_, messages = True, []
        try:
            while open_ := bool(data := self.socket.recv(2**20)):
                self._in += data
        except BlockingIOError:
            open_ = True
        except OSError:
            open_ = False
        while len(self._in) >= HEAD and len(self._in) >= (end := HEAD + int.from_bytes(self._in[:HEAD], "big")):
            messages.append(msgspec.msgpack.decode(self._in[HEAD:end]))
            del self._in[:end]
        return messages, open_


class SharedArgs:
    """Arguments of a factory; arrays lie in one piece of memory that has no name and needs no clearing up."""

    def __init__(self, args: Sequence[Any]) -> None:
        self.specs: list[list[Any]] = []
        self.file = _nameless()
        size = 0
        for arg in args:
            if not isinstance(arg, np.ndarray):
                self.specs.append(["value", arg])
                continue
            if arg.dtype.hasobject:
                raise WorkersError(f"workers: an argument is an array of {arg.dtype}, expected numbers.")
            size = -(-size // _ALIGNMENT) * _ALIGNMENT
            _write(self.file, arg.tobytes(), size)
            self.specs.append(["array", arg.dtype.str, list(arg.shape), size])
            size += arg.nbytes
        os.ftruncate(self.file, max(1, size))

    def close(self) -> None:
        os.close(self.file)


def shared(file: int, specs: Sequence[Sequence[Any]]) -> list[Any]:
    """The arguments again, arrays as read-only views of the shared memory."""
    memory = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
    return [spec[1] if spec[0] == "value" else _view(memory, *spec[1:]) for spec in specs]


def _view(memory: mmap.mmap, dtype: str, shape: Sequence[int], offset: int) -> npt.NDArray[Any]:
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(memory, kind, count, offset).reshape(shape) if count else np.zeros(shape, kind)


def _write(file: int, data: bytes, offset: int) -> None:
    """All of it: one call writes 2 GiB at most."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("evonet-data")
    with tempfile.TemporaryFile() as file:  # macOS
        return os.dup(file.fileno())
