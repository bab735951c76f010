"""Evaluations without networks: how long they take and what they answer, both drawn by the job's key."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import signal
import time
from collections.abc import Callable
from statistics import NormalDist
from typing import Annotated

import msgspec
from msgspec import Meta

from evonet.job import Job, Measures, Outcome, Round, Scored
from evonet.seeds import Stream

PACKAGE = 600  # bytes, as a champion of a small data set has
SHADOW = 3000
_NORMAL = NormalDist()


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Log-normal seconds: what networks of unlike sizes take (the times of a real run are about that skewed)."""

    mean: Annotated[float, Meta(gt=0)] = 10.0
    sigma: Annotated[float, Meta(ge=0, le=3)] = 0.5  # of the logarithm
    rung: Annotated[int, Meta(ge=0)] = 0  # steps that take `mean`; more take longer in proportion. 0: all jobs take it

    def of(self, job: Job) -> float:
        """Equal for equal jobs, whoever asks: a second try takes as long as the first would have."""
        share = max(Stream("duration", job.key).unit(), 2.0**-54)
        log = self.sigma * _NORMAL.inv_cdf(share) - self.sigma**2 / 2  # E[exp(log)] = 1
        return self.mean * math.exp(log) * (job.steps / self.rung if self.rung else 1.0)


def answer(job: Job, seconds: float) -> Scored:
    """An outcome as large as real ones, that incompressible too, and as good as a draw says."""
    draw = Stream("stub", job.key)
    loss, late = 0.1 + 2 * draw.unit(), job.rung != 0
    content = hashlib.shake_128(job.key.encode()).digest(PACKAGE + SHADOW)
    measures = Measures(
        bytes=PACKAGE,
        loss=loss,
        accuracy=draw.unit(),
        choice_loss=loss if late else None,
        choice_accuracy=draw.unit() if late else None,
        weights=SHADOW // 2,
        nonzero=900,
        macs=100_000,
        connections=90_000,
        sheets=3,
        taps=27,
        long_share=0.1,
        seen=job.seen + 64 * job.steps,
        train_images=50_000,
    )
    one = Round(steps=job.steps // 2, train_loss=loss, float_loss=loss, loss=loss, bytes=PACKAGE)
    package, shadow = content[:PACKAGE], content[PACKAGE:]
    return Scored(
        decision=job.decision, measures=measures, package=package, shadow=shadow, rounds=(one, one), seconds=seconds
    )


def sleeping(mean: float, sigma: float, rung: int, kill_rate: float) -> Callable[[Job], Outcome]:
    """A factory for worker processes: sleeps as long as an evaluation takes, or dies on the way with `kill_rate`."""
    durations = Durations(mean=mean, sigma=sigma, rung=rung)

    def evaluate(job: Job) -> Outcome:
        seconds = durations.of(job)
        fate = Stream("kill", job.key, secrets.randbits(63))  # another fate for the next try, as for a node that goes
        if fate.chance(kill_rate):
            time.sleep(seconds * fate.unit())
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(seconds)
        return answer(job, seconds)

    return evaluate
