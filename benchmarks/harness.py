"""Side by side in one run: alternating repetitions, medians, ratio with its quartiles. One thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from statistics import median, quantiles


def seconds(work: Callable[[], object], repeat: int) -> float:
    started = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - started) / repeat


def alternate(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, repeat: int) -> str:
    """Time `ours` and `theirs` in turn; one line with both medians and the ratio ours / theirs, pair by pair."""
    pairs = [(seconds(ours, repeat), seconds(theirs, repeat)) for _ in range(rounds + 1)][1:]  # the first warms up
    ratios = [a / b for a, b in pairs]
    low, _, high = quantiles(ratios, n=4)
    a, b = median(p[0] for p in pairs), median(p[1] for p in pairs)
    return f"{1e3 * a:9.3f} ms   {1e3 * b:9.3f} ms   ratio {median(ratios):.3f} (quartiles {low:.3f}-{high:.3f})"


def alone(work: Callable[[], object], *, rounds: int, repeat: int) -> str:
    times = [seconds(work, repeat) for _ in range(rounds + 1)][1:]
    low, _, high = quantiles(times, n=4)
    return f"{1e3 * median(times):9.3f} ms   (quartiles {1e3 * low:.3f}-{1e3 * high:.3f})"
