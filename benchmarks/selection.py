"""What selection costs the driver: every choice of survivors and of parents, and a rung that promotes by dominance.

    python benchmarks/selection.py

Choices are of two objectives, a pool of 64 and blocks of 16, per candidate; the rung has seen 100,000 evaluations.
The driver as a whole is measured by `evonet bench cluster`.
"""

import time

import harness  # noqa: F401 - sets the number of threads

from evonet.evolution.bands import Entry
from evonet.evolution.rungs import Dominance, Rated
from evonet.evolution.selection import mating, survival
from evonet.evolution.settings import MATING, SURVIVAL
from evonet.seeds import Stream


def entry(individual: int, *objectives: float) -> Entry:
    return Entry(
        decision=individual,
        individual=individual,
        rung=0,
        genome=b"",
        ids=(),
        seen=1 + individual,
        score=objectives[0],
        choice=None,
        long_share=(individual % 50) / 50,
        bytes=100 + individual,
        objectives=objectives,
    )


def choices(pool: int = 64, block: int = 16, times: int = 20) -> None:
    draw = Stream("choices")
    entries = [entry(i, draw.unit(), draw.unit()) for i in range(pool + block)]
    for names, choice, some, count in (
        (SURVIVAL, survival, entries, pool),
        (MATING, mating, entries[:pool], pool),
    ):
        for name in names:
            choose = choice(name)
            choose(some, count, brief=10, seed=0)
            begun = time.process_time()
            for seed in range(times):
                choose(some, count, brief=10, seed=seed)
            print(f"{name:20} {1e3 * (time.process_time() - begun) / times / block:.3f} ms of CPU a candidate")


def rung(count: int = 100_000) -> None:
    draw, seen = Stream("rung"), Dominance()
    for i in range(count + 100):
        if i == count:
            begun = time.process_time()
        new = entry(i, draw.unit(), draw.unit())
        seen.add(Rated.of(new))
        seen.keep({i})
        if i >= count and i % 4 == 0:  # one decision in four considers a promotion
            seen.better(new)
    print(f"rung: {1e3 * (time.process_time() - begun) / 100:.3f} ms of CPU an evaluation, {count} seen before")


if __name__ == "__main__":
    choices()
    rung()
