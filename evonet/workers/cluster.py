"""Workers as Ray actors. With `session`, `watch` and `actor` the only user of Ray; its exceptions are translated here.

One job at a time goes to an actor, so that a deadline counts from the job's start and a death blames one job alone. Not
`ray.util.ActorPool`: it loses results when all actors die. Ray never restarts an actor by itself (max_restarts = 0), and
never runs a call again: that is decided in `dispatch`. An actor for which no machine has room stays with Ray, pending,
and comes up when there is room again.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evonet.errors import WorkersError
from evonet.workers.actor import Actor
from evonet.workers.base import WorkersSettings
from evonet.workers.dispatch import STORY, Fault
from evonet.workers.inside import reap
from evonet.workers.origin import About, about
from evonet.workers.pool import Answered, ClusterLost, Ended, Event, Placed, Ready, Refused
from evonet.workers.session import connect, disconnect, may_return
from evonet.workers.source import environment, import_path
from evonet.workers.watch import Watch

SLICE = 1.0  # seconds of one wait in Ray: so often it is looked whether the cluster is still there
REAPING = 4.0  # seconds for another machine to end a worker and send what it left


@dataclass(kw_only=True)
class _Call:
    """Something that an actor, or a machine, was asked."""

    worker: int
    what: Literal["where", "setup", "run", "reap"]
    until: float = float("inf")  # monotonic; a reaping is not waited for longer
    end: Ended | None = None  # what to report when the reaping is through


class RayBackend:
    """See `pool.Backend`."""

    def __init__(self, settings: WorkersSettings, factory: str, args: tuple[Any, ...]) -> None:
        self.here = about(node="")
        self.joined = bool(settings.address)
        self._settings, self._factory, self._plain = settings, factory, args
        self._actors: dict[int, Any] = {}
        self._abouts: dict[int, About] = {}
        self._calls: dict[Any, _Call] = {}  # by the reference that is awaited
        self._events: deque[Event] = deque()
        self._args: list[Any] = []  # references: Ray keeps the data as long as somebody holds them
        self._watch: Watch | None = None
        self._traces = Path(tempfile.mkdtemp(prefix="evonet-workers-"))
        self._owns_ray = False
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def capacity(self) -> int:
        return self._watched.capacity

    def scarce(self) -> str:
        return self._watched.scarce

    def start(self, worker: int) -> None:
        s, kind = self._settings, self._ray.remote(self._options(self._settings))(Actor) if False else None
        del s, kind

    def close(self) -> None: ...
