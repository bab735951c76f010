"""A decision, and what the search has to be told to take one."""

from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

from evonet.job import Job, Measures, Start

FINISH_RUNG = -1
INJECTED = "inject"  # the operator of a birth by intervention


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the search and the evaluation it asks for."""

    job: Job
    kind: Literal["seed", "found", "breed", "promote", "finish"]
    parents: tuple[int, ...] = ()
    operator: str = ""


class Weights(Protocol):
    """Gives what the individual's last scored evaluation before decision `before` left behind (`RunWriter.start_of`).

    Without `before` a decision would inherit whatever has arrived by now, and depend on timing.
    """

    def __call__(self, individual: int, *, before: int) -> Start | None: ...


class Measured(Protocol):
    """Gives decision, individual, rung and measures of all scored evaluations, in order of decision
    (`RunWriter.measured`)."""

    def __call__(self) -> Iterable[tuple[int, int, int, Measures]]: ...
