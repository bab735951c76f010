"""What the driver itself costs per candidate: decide, record, fold, select, with evaluations that take no time.

    python benchmarks/driver.py [--individuals 2000] [--set search.survival=nsga3 --set score.kind=pareto]...
    python benchmarks/driver.py --rung 100000
    python benchmarks/driver.py --choices

Goal: <= 5 ms of driver CPU per candidate; the time inside COMMIT (fsync) is printed apart. The evaluations are stubs of
the real size (a package of 600 bytes, a shadow of 3 kB); expansion, breeding, DEAP and SQLite are the real ones.
Memory is what Python has allocated at the end, and was at half of the run, for individuals born in between.
`--rung N`: what one more evaluation costs the Pareto rung that has seen N. `--choices`: what each choice of survivors
and of parents costs a candidate, of two objectives, a pool of 64 and blocks of 16.
"""

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import harness  # noqa: F401 - sets the number of threads

from evonet.config import load_config
from evonet.errors import GenomeError
from evonet.evolution.bands import Entry
from evonet.evolution.loop import Progress, run
from evonet.evolution.rungs import Dominance
from evonet.evolution.search import Search
from evonet.evolution.selection import mating, survival
from evonet.evolution.settings import MATING, SURVIVAL
from evonet.genome import Genome
from evonet.genome.sampling import Limits
from evonet.job import Job, Measures, Outcome, Scored
from evonet.plan import expand, fit
from evonet.seeds import Stream
from evonet.store import RunWriter


class Stubs:
    """Workers that answer at once, in order."""

    slots = 2

    def __init__(self) -> None:
        self.queue: list[Job] = []

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def collect(self, timeout: float) -> Outcome | None:
        del timeout
        return answer(self.queue.pop(0)) if self.queue else None

    def close(self) -> None:
        pass


def answer(job: Job) -> Outcome:
    draw = Stream("stub", job.seed)
    measures = Measures(
        bytes=600,
        loss=draw.unit(),
        accuracy=draw.unit(),
        choice_loss=draw.unit(),
        choice_accuracy=draw.unit(),
        weights=1500,
        nonzero=900,
        macs=100_000,
        connections=90_000,
        sheets=3,
        taps=27,
        long_share=0.1,
        seen=job.seen + 64 * job.steps,
        train_images=50_000,
    )
    return Scored(decision=job.decision, measures=measures, package=bytes(600), shadow=bytes(3000), rounds=())


def admit(genome: Genome) -> Genome | None:
    try:
        fitted = fit(genome, input=(1, 28, 28))
        expand(fitted, input=(1, 28, 28), classes=10)
    except GenomeError:
        return None
    return fitted


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


def rung(count: int) -> None:
    draw, seen = Stream("rung"), Dominance()
    for i in range(count + 100):
        if i == count:
            begun = time.process_time()
        new = entry(i, draw.unit(), draw.unit())
        seen.add(new)
        seen.keep({i})
        if i >= count and i % 4 == 0:  # one decision in four considers a promotion
            seen.better(new)
    print(f"rung: {1e3 * (time.process_time() - begun) / 100:.3f} ms of CPU an evaluation, {count} seen before")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--individuals", type=int, default=2000)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--memory", action="store_true", help="measure memory, which takes time")
    parser.add_argument("--rung", type=int)
    parser.add_argument("--choices", action="store_true")
    options = parser.parse_args()
    if options.rung or options.choices:
        rung(options.rung) if options.rung else choices()
        return
    individuals, held = options.individuals, {}
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "run.toml"
        empty.write_text(f"[search]\npopulation = 64\nindividuals = {individuals}\n")
        config = load_config(empty, options.set)
        writer = RunWriter.create(Path(folder) / "run", config="", seed=1, population=64, provenance={})
        search = Search(
            config.search,
            config.score,
            limits=Limits(),
            seed=1,
            context="",
            brief_examples=9600,
            admit=admit,
            weights=writer.start_of,
        )

        def watch(progress: Progress) -> None:
            if progress.births in (individuals // 2, individuals):
                held[progress.births] = tracemalloc.get_traced_memory()[0]

        if options.memory:
            tracemalloc.start()
        cpu, wall = time.process_time(), time.perf_counter()
        with writer:
            run(search, Stubs(), writer, progress=watch if options.memory else lambda _: None)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            candidates, commits = search.next, writer.commit_seconds
    print(f"driver: {candidates} candidates ({individuals} individuals), stub evaluations (goal <= 5 ms of CPU each)")
    if options.memory:
        half, end = held[individuals // 2], held[individuals]
        print(f"{'':30} {end / 1e6:.1f} MB, {(end - half) / (individuals / 2):,.0f} bytes an individual")
        return
    print(f"{'':30} CPU {1e3 * cpu / candidates:.2f} ms   wall {1e3 * wall / candidates:.2f} ms", end="   ")
    print(f"of it inside COMMIT {1e3 * commits / candidates:.2f} ms a candidate")


if __name__ == "__main__":
    main()
