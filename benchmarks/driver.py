"""What the driver itself costs per candidate: decide, record, fold, select, with evaluations that take no time.

    python benchmarks/driver.py [--individuals 2000]

Goal: <= 5 ms of driver CPU per candidate; the time inside COMMIT (fsync) is printed apart. The evaluations are stubs of
the real size (a package of 600 bytes, a shadow of 3 kB); expansion, breeding, DEAP and SQLite are the real ones.
"""

import argparse
import tempfile
import time
from pathlib import Path

import harness  # noqa: F401 - sets the number of threads

from evonet.errors import GenomeError
from evonet.evolution.loop import run
from evonet.evolution.search import Search
from evonet.evolution.settings import ScoreSettings, SearchSettings
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--individuals", type=int, default=2000)
    individuals = parser.parse_args().individuals
    settings = SearchSettings(population=64, individuals=individuals)
    with tempfile.TemporaryDirectory() as folder:
        writer = RunWriter.create(Path(folder) / "run", config="", seed=1, population=64, provenance={})
        search = Search(
            settings,
            ScoreSettings(),
            limits=Limits(),
            seed=1,
            context="",
            brief_examples=9600,
            admit=admit,
            weights=writer.start_of,
        )
        cpu, wall = time.process_time(), time.perf_counter()
        with writer:
            run(search, Stubs(), writer)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            candidates, commits = search.next, writer.commit_seconds
    print(f"driver: {candidates} candidates ({individuals} individuals), stub evaluations (goal <= 5 ms of CPU each)")
    print(f"{'':30} CPU {1e3 * cpu / candidates:.2f} ms   wall {1e3 * wall / candidates:.2f} ms", end="   ")
    print(f"of it inside COMMIT {1e3 * commits / candidates:.2f} ms a candidate")


if __name__ == "__main__":
    main()
