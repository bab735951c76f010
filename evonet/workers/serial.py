"""Workers without processes: the in-process twin. Same bits as Ray, easy to debug; it cannot stop a hung job."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Self

import numpy as np

from evonet.errors import WorkersError
from evonet.job import Job, Outcome, decode_outcome, encode
from evonet.workers.base import WorkersSettings
from evonet.workers.inside import answer, make_evaluate


class SerialWorkers:
    """`collect` evaluates the job that was queued first, however long it takes, if there is any time at all."""

    slots = 1

    def __init__(self, settings: WorkersSettings, factory: str, args: tuple[Any, ...]) -> None:
        self._evaluate = make_evaluate(factory, tuple(map(_read_only, args)), threads=settings.threads)
        self._waiting: deque[bytes] = deque()
        self._closed = False

    def submit(self, job: Job) -> None:
        if self._closed:
            raise WorkersError(f"workers: decision {job.decision} came after close(). Make new workers.")
        self._waiting.append(encode(job))

    def collect(self, timeout: float) -> Outcome | None:
        if not self._waiting or timeout <= 0:  # who does not wait gets nothing that has to be worked for
            return None
        return decode_outcome(answer(self._evaluate, self._waiting.popleft()))

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_only(arg: Any) -> Any:
    """Arrays as Ray's workers see them, so that a factory that writes into one fails here too."""
    if not isinstance(arg, np.ndarray):
        return arg
    view = arg.view()
    view.flags.writeable = False
    return view
