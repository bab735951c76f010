"""Trainings side by side: processes that take jobs in the order of the plan, and lanes within each process.

What is finished is a line of OUT/models.jsonl, written after its weights; nothing else counts, so any process may be
killed at any time. A job belongs to whoever made its file in OUT/claims; the claims of the dead are given up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import torch
from canvas import SPLITS, Digits, Fixed, Fresh, Mixed, Numbered, Split, held_out, task_of
from jobs import Job, append, finished, lines, resolved
from models import MIXED, counts_of, model_of
from safetensors.torch import save_file
from training import Training, chunk_of, measure

TRIES = 2
IN_A_ROW = 3  # failures after which something is wrong with the process, and a new one is better
PIECE = 25  # steps before the next lane has its turn
VALIDATED = 5_000  # canvases


def claim(jobs: Sequence[Job], out: Path) -> Job | None:
    """The first job that is neither finished, failed, nor somebody's; now it is ours."""
    done, failures = finished(out), Counter(line["name"] for line in lines(out / "failed.jsonl"))
    failed = {name for name, count in failures.items() if count >= TRIES}
    for planned in jobs:
        job = resolved(planned, done, failed)
        if job is None or job.name in done or job.name in failed:
            continue
        if _taken(out / "claims" / job.name):
            return job
    return None


def _taken(path: Path) -> bool:
    """Whether the claim `path` is now ours. A link appears with its content, and fails where there is one."""
    draft = path.with_name(f".{os.getpid()}")
    draft.write_text(str(os.getpid()))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def give_up(out: Path, owner: int | None = None) -> None:
    """Delete the claims of the process `owner`, or all."""
    for path in (out / "claims").glob("[!.]*"):
        if owner is None or path.read_text() == str(owner):
            path.unlink(missing_ok=True)


class Lane:
    """A job under way."""

    def __init__(self, job: Job, digits: dict[Split, Digits], device: str, *, few: int | None) -> None:
        """`few`: canvases of validation and test; None is all of them."""
        self.job, self.digits, self.device, self.few = job, digits, device, few
        self.task, self.started = task_of(job.task), time.monotonic()
        fresh: Numbered = Fresh(job.task, digits["train"], job.seed)
        if job.model.endswith(MIXED):
            fresh = Mixed(fresh)
        model = model_of(job.model, self.task, job.seed)
        assert job.lr is not None  # `claim` resolves it
        self.training = Training(model, fresh, steps=job.steps, batch=job.batch, lr=job.lr, device=device)

    def record(self) -> dict[str, Any]:
        """What is known of the finished training."""
        with self.training.lane():
            found = {split: self._measured(split) for split in SPLITS[1:]}
        seconds = time.monotonic() - self.started  # of all lanes of this process
        counts = counts_of(self.job.model, self.task)
        return {
            "name": self.job.name,
            **self.job._asdict(),
            **counts._asdict(),
            **found,
            "seconds": round(seconds, 2),
            "captured": self.training.graph is not None,
            "refused": self.training.refused,
            "device": torch.cuda.get_device_name() if self.device.startswith("cuda") else "cpu",
            "torch": torch.__version__,
        }

    def _measured(self, split: Split) -> dict[str, float]:
        whole = held_out(self.task)
        count = self.few or (whole if split == "test" else min(VALIDATED, whole))
        return measure(
            self.training.model,
            Fixed(self.job.task, self.digits[split], split),
            count,
            chunk=chunk_of(self.task.side, self.device),
            device=self.device,
        )


def work(
    jobs: Sequence[Job],
    out: Path,
    digits: dict[Split, Digits],
    device: str,
    *,
    lanes: int,
    few: int | None,
    seconds: float = inf,
) -> bool:
    """Train until nothing is left to claim, `lanes` jobs in turn. False: broken off after failures in a row.

    After so many `seconds` nothing more is claimed, and what has begun is trained to its end.
    """
    running: list[Lane] = []
    failures, ends = 0, time.monotonic() + seconds
    while failures < IN_A_ROW:
        while len(running) < lanes and time.monotonic() < ends and (job := claim(fitting(jobs, running), out)):
            running.extend(_started(job, out, digits, device, few))
        if not running:
            return True
        for lane in list(running):
            try:
                if not lane.training.advance(PIECE):
                    continue
                keep(lane, out)
                failures = 0
            except Exception as error:  # a model that cannot be trained must not stop the others
                failures += 1
                _fail(lane.job, out, error)
            running.remove(lane)
    return False


def fitting(jobs: Sequence[Job], running: Sequence[Lane]) -> Sequence[Job]:
    """Those that may be trained beside `running`: of what cannot be captured a process has one lane.

    Its one thread launches each kernel of such a lane, while the others replay what they captured; two take turns.
    """
    if all(lane.training.model.capturable for lane in running):
        return jobs
    return [job for job in jobs if _capturable(job.model, job.task)]


@cache
def _capturable(model: str, task: str) -> bool:
    try:
        return bool(model_of(model, task_of(task)).capturable)
    except Exception:  # it fails when it is started, too, and is told there
        return True


def keep(lane: Lane, out: Path) -> None:
    """The weights, then the record that says that they are there."""
    record = lane.record()
    draft = out / "weights" / f".{lane.job.name}.{os.getpid()}"
    save_file({name: t.contiguous().cpu() for name, t in lane.training.model.state_dict().items()}, draft)
    draft.replace(out / "weights" / f"{lane.job.name}.safetensors")
    append(out / "models.jsonl", record)
    print(lane.job.name, record["validation"], f"{record['seconds']} s", flush=True)


def _started(job: Job, out: Path, digits: dict[Split, Digits], device: str, few: int | None) -> Iterator[Lane]:
    try:
        yield Lane(job, digits, device, few=few)
    except Exception as error:
        _fail(job, out, error)


def _fail(job: Job, out: Path, error: Exception) -> None:
    """Into OUT/failed.jsonl with its traceback; its claim goes, so that it is tried again, TRIES times in all."""
    append(out / "failed.jsonl", {"name": job.name, "error": "".join(traceback.format_exception(error))[-3000:]})
    print(f"{job.name} failed: {error}", file=sys.stderr, flush=True)
    (out / "claims" / job.name).unlink(missing_ok=True)


def supervise(command: Sequence[str], out: Path, *, processes: int, limit: float) -> None:
    """Run `command` that many times at once, until all end or `limit` seconds are over; restart what crashes.

    A process that ends with another code than 0 is started again, three times in all places together.
    """
    prepare(out)
    ends = time.monotonic() + limit
    running = [subprocess.Popen(command) for _ in range(processes)]
    restarts = 3
    try:
        while running and time.monotonic() < ends:
            time.sleep(0.2)
            for process in [p for p in running if p.poll() is not None]:
                running.remove(process)
                give_up(out, process.pid)
                if process.returncode and restarts:
                    restarts -= 1
                    running.append(subprocess.Popen(command))
    finally:
        _stop(running)


def prepare(out: Path) -> None:
    """The folders; claims of an earlier run are given up."""
    for name in ("claims", "weights"):
        (out / name).mkdir(parents=True, exist_ok=True)
    give_up(out)


def _stop(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.send_signal(signal.SIGKILL)  # nothing is lost: records are whole or not there
    for process in running:
        process.wait()
