"""What is trained, in order, and the record of what has been."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from canvas import task_of
from glance import CELLS, DOWNS
from models import MIXED, rungs

TASKS = ("clutter:100", "clutter:256", "clutter:60")
RATES = (0.002, 0.008)  # the learning rates that every model is given; validation chooses
STEPS = {60: 6000, 100: 6000, 256: 3000}
BATCH = {60: 128, 100: 128, 256: 128}
GLANCE_STEPS = 1500
PARTS = ("glance", "ladder", "box", "mixed")
BOXED = ("stride2", "pool2", "pool4")  # rungs that are trained with the boxes, too
CORRUPTED = ("pool4-narrow", "stride2-narrow", "pool4", "stride2", "blob-crop", "pool2")  # and with corruptions


class Job(NamedTuple):
    """One training. Its name is its identity in the record."""

    task: str
    model: str
    lr: float | None  # None: what validation chose among the rates of the first seed
    seed: int
    steps: int
    batch: int

    @property
    def name(self) -> str:
        parts = (self.task, self.model, f"{self.lr or 0:g}", str(self.seed), str(self.steps))
        return "_".join("".join(c if c.isalnum() or c in "+-.@~" else "-" for c in part) for part in parts)


def jobs_of(parts: Sequence[str], tasks: Sequence[str], seeds: int, rate: float | None = None) -> Iterator[Job]:
    """Seed by seed, so that a benchmark that is cut off has whole seeds; `rate` as in `trials`."""
    for seed in range(1, seeds + 1):
        for part in parts:
            for task in tasks:
                for model in models_of(part, task):
                    yield from trials(task, model, seed, rate)


def trials(task: str, model: str, seed: int, rate: float | None = None) -> Iterator[Job]:
    """A model's trainings of one seed, with the budget of its task: at `rate`, else at all rates for the first seed."""
    side = task_of(task).side
    steps = GLANCE_STEPS if model.startswith("glance-") else STEPS.get(side, 3000)
    for lr in (rate,) if rate or seed > 1 else RATES:
        yield Job(task, model, lr, seed, steps, BATCH.get(side, 128))


def resolved(job: Job, done: Mapping[str, Mapping[str, Any]], failed: Collection[str]) -> Job | None:
    """The job with its learning rate; None as long as a rate of the first seed is being tried."""
    if job.lr is not None:
        return job
    tried = [job._replace(lr=lr, seed=1) for lr in RATES]
    if any(trial.name not in done and trial.name not in failed for trial in tried):
        return None
    known = [(first(done[trial.name]["validation"]), trial.lr) for trial in tried if trial.name in done]
    return job._replace(lr=min(known)[1]) if known else None


def first(measured: Mapping[str, float]) -> float:
    """What validation chooses by: the error, or a glance's misses with one look."""
    return next(iter(measured.values()))


def models_of(part: str, task: str) -> list[str]:
    """The names of a part's models; mixed is for clutter:100 alone."""
    if part == "glance":
        return [f"glance-{d}-{cell}" for d in DOWNS for cell in CELLS if cell >= d]
    names = rungs(task_of(task))
    if part == "box":
        return [f"{name}@box" for name in BOXED if name in names]
    if part == "mixed":
        return [name + MIXED for name in CORRUPTED if name in names and task == "clutter:100"]
    return names


def read_plan(path: Path) -> list[Job]:
    """A job a line, as JSON. Raises ValueError with the line's number where one is not a job."""
    jobs = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            jobs.append(job_of(json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: line {number}: expected a job with {', '.join(Job._fields)} ({error})") from None
    return jobs


def job_of(line: dict[str, Any]) -> Job:
    job = Job(**line)
    task_of(job.task)
    if not ((job.lr is None or job.lr > 0) and job.steps > 0 and job.batch > 0):
        raise ValueError(f"lr, steps and batch are {job.lr}, {job.steps}, {job.batch}, expected more than 0")
    return job


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none if it is not there. A last line that was cut off by a kill is left out."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def append(path: Path, line: dict[str, Any]) -> None:
    """One write at the end of the file, on the disk before this returns: many processes can share it."""
    raw = (json.dumps(line) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":  # a kill cut the last record off: it must not take ours
            raw = b"\n" + raw
        if os.write(handle, raw) != len(raw):
            raise OSError(f"{path}: a record was cut off; is the disk full?")
        os.fsync(handle)
    finally:
        os.close(handle)


def finished(out: Path) -> dict[str, dict[str, Any]]:
    """The records of finished trainings by the names of their jobs."""
    return {line["name"]: line for line in lines(out / "models.jsonl")}
