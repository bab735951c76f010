"""Milliseconds of one forward pass on this CPU, all models of a size in turn, so that what else happens hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

import torch
from canvas import Digits, Fixed, Split, task_of
from evaluating import trained
from jobs import append, finished, lines
from ladder import LADDER, folded
from models import CROP, counts_of, model_of
from results import rows
from torch import nn

BATCHES, THREADS = (1, 64), (1, 2)
ROUNDS, WARM = 50, 3
LARGEST = 64 * 256 * 256  # pixels of a batch: beyond, a batch is cut to what fits, at least one image
MANY = 1_500_000_000  # MACs of a batch from which ten rounds are enough


def clock(
    out: Path,
    digits: dict[Split, Digits],
    *,
    tasks: Sequence[str],
    threads: Sequence[int] = THREADS,
    batches: Sequence[int] = BATCHES,
    rounds: int = ROUNDS,
    untrained: bool = True,
) -> None:
    """Time the trained networks and, if wanted, the untrained rest of the ladder; one line each in OUT/clock.jsonl."""
    done = {(n["task"], n["model"], n["batch"], n["threads"]) for n in lines(out / "clock.jsonl")}
    before = torch.get_num_threads()
    for task in tasks:
        models = candidates(out, task, untrained=untrained)
        for count in threads:
            torch.set_num_threads(count)
            for batch in batches:
                left = {name: model for name, model in models.items() if (task, name, batch, count) not in done}
                _together(out, digits, task, left, batch, count, rounds)
    torch.set_num_threads(before)


def candidates(out: Path, task: str, *, untrained: bool) -> dict[str, nn.Module]:
    """By name: trained networks of the task, where there are none those of another size, else fresh weights."""
    found: dict[str, nn.Module] = {}
    side = task_of(task).side
    for row in sorted(rows(finished(out).values()), key=lambda row: row.task != task):
        if not row.model.startswith("glance-") and row.model not in found:
            found[row.model] = trained(row.records[0], out, side=side)
    for name in (*LADDER, CROP) if untrained else ():
        if name not in found:
            found[name] = model_of(name, task_of(task))
    return {name: folded(model) for name, model in found.items()}


def _together(
    out: Path,
    digits: dict[Split, Digits],
    task: str,
    models: dict[str, nn.Module],
    batch: int,
    threads: int,
    rounds: int,
) -> None:
    side = task_of(task).side
    size = max(1, min(batch, LARGEST // side**2))
    shown = Fixed(task, digits["test"], "test").at(torch.arange(size))
    macs = {name: counts_of(name, task_of(task)).macs for name in models}
    works = {name: work_of(model, shown.images, shown.boxes) for name, model in models.items()}
    for name, times in interleaved(works, rounds=rounds, few={n for n in macs if macs[n] * size > MANY}).items():
        low, middle, high = quantiles(times, n=4)
        line: dict[str, Any] = {"task": task, "model": name, "batch": batch, "measured": size, "threads": threads}
        line |= {"ms": 1e3 * middle / size, "low": 1e3 * low / size, "high": 1e3 * high / size, "macs": macs[name]}
        append(out / "clock.jsonl", line | {"rounds": len(times)})
        print(f"{task} {name:16s} batch {size:3d} threads {threads}: {line['ms']:8.3f} ms an image", flush=True)


def work_of(model: nn.Module, *inputs: torch.Tensor) -> Callable[[], object]:
    """One forward pass."""

    def run() -> object:
        with torch.inference_mode():
            return model(*inputs)

    return run


def interleaved(
    works: dict[str, Callable[[], object]], *, rounds: int, few: set[str] | None = None
) -> dict[str, list[float]]:
    """Seconds of every call: in each round all works in turn, after three rounds that do not count.

    Those of `few` are called in a fifth of the rounds, at least twice.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-WARM, rounds):
        for name, work in works.items():
            if few and name in few and (number < -1 or number >= max(2, rounds // 5)):
                continue
            started = time.perf_counter()
            work()
            if number >= 0:
                times[name].append(time.perf_counter() - started)
    return times


def milliseconds(out: Path) -> dict[tuple[str, str, int, int], float]:
    """By task, model, batch and threads, for an image."""
    return {(n["task"], n["model"], n["batch"], n["threads"]): n["ms"] for n in lines(out / "clock.jsonl")}
