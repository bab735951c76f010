"""A long history: what it costs to go on with a run of many individuals, and to look at it.

    python benchmarks/history.py [--individuals 100000] [--population 256] [--folder FOLDER]

Makes a run of stub evaluations (real search, real store, packages of 600 bytes and shadows of 3 kB; without fsync while
it is made), then measures, each in a fresh process: resume to the first job (no torch, no Ray), peak memory, driver CPU
per candidate over the next three thousand (without fsync; a COMMIT with it apart), and the reading verbs. A candidate
takes two COMMITs. With --folder the run is kept and found again.

Goals at 100,000 individuals: resume <= 5 s, <= 2 ms of CPU a candidate and as much as at the beginning, <= 300 MB,
status, show and lineage <= 0.3 s.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import harness  # noqa: F401 - sets the number of threads

from evonet import composition
from evonet.config import RunConfig, parse_config, to_toml
from evonet.evolution.loop import run
from evonet.evolution.settings import SearchSettings
from evonet.job import Job, Measures, Outcome, Scored
from evonet.seeds import Stream
from evonet.store import RunWriter, open_run

PACKAGE, SHADOW = bytes(600), bytes(3000)


class EnoughError(Exception):
    pass


class Stubs:
    """Workers that answer at once, in order; `left` jobs, then they raise `EnoughError`."""

    slots = 2

    def __init__(self, left: int) -> None:
        self.left, self.queue = left, list[Job]()

    def submit(self, job: Job) -> None:
        if not self.left:
            raise EnoughError
        self.left -= 1
        self.queue.append(job)

    def collect(self, timeout: float) -> Outcome | None:
        del timeout
        return answer(self.queue.pop(0)) if self.queue else None


def answer(job: Job) -> Outcome:
    """Random: no genome is better than another, so that they stay of a size and only the history grows."""
    draw = Stream("stub", job.seed)
    loss = draw.unit()
    measures = Measures(
        bytes=600,
        loss=loss,
        accuracy=draw.unit(),
        choice_loss=loss if job.rung else None,
        choice_accuracy=draw.unit() if job.rung else None,
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
    return Scored(decision=job.decision, measures=measures, package=PACKAGE, shadow=SHADOW, rounds=())


def make(path: Path, config: RunConfig, births: int) -> None:
    """A run that was killed when `births` individuals were born."""
    data = composition.load(config)
    text, size = to_toml(config), config.search.population
    with RunWriter.create(path, config=text, seed=1, population=size, provenance={}) as writer:
        writer._db.execute("PRAGMA synchronous = OFF")
        started = time.process_time()

        def tell(progress: Any) -> None:
            if progress.issued % 20_000 == 0:
                used = time.process_time() - started
                print(f"{progress.issued} decisions, {1e3 * used / progress.issued:.2f} ms each", file=sys.stderr)
            if progress.births >= births:
                raise EnoughError

        with suppress(EnoughError):
            run(composition.make_search(config, data, writer), Stubs(10**9), writer, progress=tell)


class Watched(Stubs):
    """Notes when the first job comes, and what the driver has used by then."""

    first: tuple[float, float, float] | None = None  # wall, CPU, peak MB

    def submit(self, job: Job) -> None:
        if self.first is None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.first = time.perf_counter(), time.process_time(), peak
        super().submit(job)


def resume(path: Path) -> dict[str, float]:
    """In a process of its own: to the first job, then three thousand more."""
    began = time.perf_counter()
    with RunWriter.open(path) as writer, open_run(path) as record:
        writer._db.execute("PRAGMA synchronous = OFF")  # waiting for the disk leaves caches cold; it is measured apart
        config = parse_config(record.config, "stored")
        search = composition.make_search(config, composition.load(config), writer, list(record.events()))
        total, stubs = record.counts().issued, Watched(3000)
        with suppress(EnoughError):
            run(search, stubs, writer, past=record.past(), checked=composition.sample_of(total))
        assert stubs.first
        wall, cpu, peak = stubs.first
        found = {
            "to the first job, s": wall - began,
            "CPU s since start": cpu,
            "peak MB then": peak,
            "CPU ms a candidate": 1e3 * (time.process_time() - cpu) / (search.next - total),
        }
        writer._db.execute("PRAGMA synchronous = FULL")
        before = writer.commit_seconds
        for n in range(200):
            writer.event("benchmark", str(n))
        found["ms of one COMMIT"] = 1e3 * (writer.commit_seconds - before) / 200
    heavy = {"torch", "ray"} & set(sys.modules)
    assert not heavy, heavy
    return found


def timed(command: list[str], rounds: int = 5) -> str:
    """Wall and CPU seconds, the least of some rounds: whatever else the machine does only adds."""

    def once() -> tuple[float, float]:
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-500:]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.perf_counter() - started, cpu

    found = [once() for _ in range(rounds)]
    return f"{min(wall for wall, _ in found):10.2f} s   CPU {min(cpu for _, cpu in found):.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--individuals", type=int, default=100_000)
    parser.add_argument("--population", type=int, default=256)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--resume", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume:
        print(json.dumps(resume(options.resume)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        search = SearchSettings(population=options.population, individuals=10 * options.individuals)
        config = RunConfig(search=search)
        path = folder / f"history-{options.individuals}-{options.population}"
        if not path.exists():
            make(path, config, options.individuals)
        with open_run(path) as record:
            counts = record.counts()
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file()) / 2**20
        print(f"{counts.individuals} individuals, {counts.issued} decisions, {size:.0f} MB, population", end=" ")
        print(options.population)
        me = [sys.executable, __file__, "--resume", str(path)]
        done = subprocess.run(me, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr[-2000:]
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"  {name:24}{value:10.2f}")
        last = str(counts.individuals - 1)
        program = [sys.executable, "-c", "from evonet.cli import main; main()"]
        verbs: list[tuple[str, ...]] = [("status",), ("show",), ("show", last), ("lineage", last), ("fidelity",)]
        print(f"  {'evonet --version':24}{timed([*program, '--version'])}")
        for verb, *rest in verbs:
            print(f"  {' '.join(['evonet', verb, *rest]):24}{timed([*program, verb, str(path), *rest])}")


if __name__ == "__main__":
    main()
