"""Evaluations for whole processes: milliseconds long, functions of their job, and one in four ends badly."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from evolution.simulation import rough

from evonet.job import Job, Outcome, Scored
from evonet.seeds import Stream

SHADOW = 3000  # bytes, as in small real runs
LONGEST = 0.008  # seconds

started: Callable[[Job], None] = lambda job: None  # noqa: E731 - the driver process puts its own here
gate: Path | None = None  # while this file is there, no evaluation ends


def make(*_settings_and_data: object) -> Callable[[Job], Outcome]:
    """A factory as `evonet.app.FACTORY` names one."""

    def evaluate(job: Job) -> Outcome:
        started(job)
        draw = Stream("chaos", job.key)
        time.sleep(LONGEST * draw.unit())
        while gate is not None and gate.exists():
            time.sleep(0.005)
        if draw.chance(0.06):
            raise ArithmeticError("a job that every worker fails on")
        return _heavy(rough(job), job)

    return evaluate


def _heavy(outcome: Outcome, job: Job) -> Outcome:
    if not isinstance(outcome, Scored):
        return outcome
    shadow = hashlib.shake_128(job.key.encode()).digest(SHADOW)
    return msgspec.structs.replace(outcome, shadow=shadow)
