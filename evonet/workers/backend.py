"""Processes somewhere: what a pool asks of a backend, and what it hears from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evonet.errors import WorkersError
from evonet.workers.dispatch import Fault
from evonet.workers.origin import About


class ClusterLost(WorkersError):  # noqa: N818 - read aloud, as `errors.RunLocked`
    """The cluster went, and all workers with it. The pool gets another; it ends the run only if that fails."""


@dataclass(frozen=True)
class Placed:
    """A worker's process runs; it waits to be set up."""

    worker: int
    about: About


@dataclass(frozen=True)
class Ready:
    worker: int


@dataclass(frozen=True)
class Refused:
    """Setting up raised: the class of evonet's error, or "", and its message."""

    worker: int
    kind: str
    text: str


@dataclass(frozen=True)
class Answered:
    worker: int
    data: bytes


@dataclass(frozen=True)
class Ended:
    worker: int
    fault: Fault
    reason: str
    detail: str


Event = Placed | Ready | Refused | Answered | Ended


class Backend(Protocol):
    """Processes somewhere. Nothing blocks but `wait`, for as long as it says, and `rejoin`.

    Any method may raise ClusterLost; after that only `rejoin` and `close` are called.
    """

    here: About  # the driver, to compare workers with
    joined: bool  # a cluster that others run: its machines may still be on their way

    def capacity(self) -> int:
        """Workers that the machines carry at this time, as far as is known."""
        ...

    def scarce(self) -> str:
        """For messages: what there is of the resource that limits `capacity`, e.g. "2 CPU in the cluster"."""
        ...

    def start(self, worker: int) -> None:
        """Ask for a process; `Placed` follows, or `Ended`, or neither while there is no room."""
        ...

    def setup(self, worker: int) -> None:
        """`Ready` follows, or `Refused`, or `Ended`."""
        ...

    def send(self, worker: int, job: bytes, seconds: float) -> None:
        """`Answered` follows, or `Ended`; shortly before `seconds` have passed, the worker keeps its stacks."""
        ...

    def end(self, worker: int, fault: Fault, reason: str) -> None:
        """Kill it and keep what it left to say; `Ended` with these words follows within five seconds."""
        ...

    def drop(self, worker: int) -> None:
        """Take back a start that found no room. Nothing follows."""
        ...

    def wait(self, timeout: float) -> Sequence[Event]: ...

    def rejoin(self) -> None:
        """Leave what is lost and get another cluster. Raises WorkersError if there is none."""
        ...

    def close(self) -> None: ...
