"""How many workers can one driver feed, and how busy does the window keep them? A whole run over stubs, measured."""

from __future__ import annotations

import math
import resource
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from evonet.bench.simulated import SimulatedWorkers, barrier_utilisation
from evonet.bench.stubs import Durations
from evonet.config import DataSettings, RunConfig, RunSettings, to_toml
from evonet.errors import GenomeError
from evonet.evolution.loop import Progress, run
from evonet.evolution.search import Search
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome
from evonet.job import Scored
from evonet.plan import Budget, expand, fit
from evonet.provenance import provenance
from evonet.store import RunWriter, open_run
from evonet.store.schema import DATABASE, log_of
from evonet.workers import Workers, WorkersSettings, make_workers

INPUT, CLASSES = (1, 28, 28), 10
Clock = Callable[[], float]  # seconds
STRETCH = 1000  # candidates that are measured together
SLEEPING = "evonet.bench.stubs:sleeping"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the driver."""

    workers: Annotated[int, Meta(ge=1)] = 64
    individuals: Annotated[int, Meta(ge=1)]
    population: Annotated[int, Meta(ge=1)]
    window: Annotated[int, Meta(ge=0)] = 0  # 0 = 3/4 of the population
    durations: Durations = Durations()
    rungs: bool = False  # promotions take longer, in proportion to their steps
    kill_rate: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # of the tries end with a dead worker
    seed: Annotated[int, Meta(ge=0)] = 1
    real: bool = False  # Ray workers that sleep, instead of simulated ones

    @property
    def config(self) -> RunConfig:
        search = SearchSettings(
            population=self.population, window=self.window, individuals=self.individuals, finish_best=0
        )
        return RunConfig(run=RunSettings(seed=self.seed), data=DataSettings(spec="mnist"), search=search)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Seconds of workers are simulated ones, or real with `load.real`; all others are real."""

    load: Load
    candidates: int  # decisions: births and promotions
    cached: int  # of them answered by an equal one
    tries_lost: int  # that ended with a dead worker
    span: float  # s, from the first job to the last outcome
    utilisation: float  # share of the workers' time spent on jobs that were answered, start-up and tail apart
    utilisation_whole: float  # start-up and tail included
    barrier: float  # the same jobs, with a barrier after every `population` of them
    cpu_ms: float  # driver CPU for each candidate; with `load.real`, Ray's own threads included
    cpu_ms_stretches: tuple[float, ...]  # the same for each `STRETCH` of candidates, in order
    commit_ms: float  # wall time inside COMMIT for each candidate, nearly all of it the disk's
    candidates_per_s: float  # that the driver keeps up with: 1 / (CPU + COMMIT)
    feeds: int  # workers that so many candidates keep busy
    memory_mb: float  # the most that this process ever held
    database_mb: float


class _Meter:
    """Told of every outcome; keeps 24 bytes of each, or measuring would be what takes memory."""

    def __init__(self, clock: Clock) -> None:
        self.decisions, self.starts, self.seconds = array("q"), array("d"), array("d")
        self.told = self.cached = 0
        self.stretches: list[float] = []
        self._clock, self._began = clock, clock()
        self._cpu_began = self._last = time.process_time()

    def __call__(self, progress: Progress) -> None:
        self.told += 1
        self.cached += progress.cached
        if isinstance(progress.outcome, Scored) and not progress.cached:
            self.decisions.append(progress.outcome.decision)
            self.starts.append(self._clock() - self._began - progress.outcome.seconds)
            self.seconds.append(progress.outcome.seconds)
        if self.told % STRETCH == 0:
            now = time.process_time()
            self.stretches.append(1e3 * (now - self._last) / STRETCH)
            self._last = now

    @property
    def span(self) -> float:
        return self._clock() - self._began

    @property
    def cpu(self) -> float:
        return time.process_time() - self._cpu_began

    def in_order(self) -> list[float]:
        """Seconds of all jobs, in order of decision."""
        return [seconds for _, seconds in sorted(zip(self.decisions, self.seconds, strict=True))]


def measure(load: Load, folder: Path | None = None) -> Report:
    """Drive a run of stubs to its end, in the new `folder` or in one that is gone afterwards.

    Raises:
        RunExists, StoreError: the folder is taken or cannot be written.
        WorkersError: Ray does not start.
    """
    if folder is not None:
        return _measured(load, folder)
    with tempfile.TemporaryDirectory(prefix="evonet-bench-") as temporary:
        return _measured(load, Path(temporary) / "run")


def _measured(load: Load, folder: Path) -> Report:
    config, origin = load.config, {**provenance(), "evaluations": "stubs"}
    with RunWriter.create(
        folder, config=to_toml(config), seed=load.seed, population=load.population, provenance=origin
    ) as writer:
        with _workers(load, writer) as workers:
            meter = _Meter((lambda: workers.now) if isinstance(workers, SimulatedWorkers) else time.perf_counter)
            run(_search(load, config, writer), workers, writer, progress=meter)
            span, cpu = meter.span, meter.cpu
        with open_run(folder) as record:
            lost = len(record.attempts())
        return _report(load, meter, span=span, cpu=cpu, commits=writer.commit_seconds, lost=lost, folder=folder)


def _workers(load: Load, writer: RunWriter) -> Workers:
    d, rung = load.durations, load.config.search.rungs[0] if load.rungs else 0
    if not load.real:
        d = msgspec.structs.replace(d, rung=rung)
        return SimulatedWorkers(load.workers, d, kill_rate=load.kill_rate, on_attempt=writer.attempt)
    settings = WorkersSettings(count=load.workers, cpus_per_worker=0.001)  # they sleep
    return make_workers(settings, SLEEPING, (d.mean, d.sigma, rung, load.kill_rate), on_attempt=writer.attempt)


def _search(load: Load, config: RunConfig, writer: RunWriter) -> Search:
    return Search(
        config.search,
        config.score,
        limits=config.genes,
        seed=load.seed,
        context="stubs",
        brief_examples=config.search.rungs[0] * config.training.batch,
        admit=_admission(config),
        weights=writer.start_of,
    )


def _admission(config: RunConfig) -> Callable[[Genome], Genome | None]:
    """As a real run admits genomes, for the images of MNIST."""
    limits = config.budget
    budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)

    def admit(genome: Genome) -> Genome | None:
        try:
            fitted = fit(genome, input=INPUT)
            expand(fitted, input=INPUT, classes=CLASSES, budget=budget)
        except GenomeError:
            return None
        return fitted

    return admit


def _report(load: Load, meter: _Meter, *, span: float, cpu: float, commits: float, lost: int, folder: Path) -> Report:
    count, durations = meter.told, meter.in_order()
    each = (cpu + commits) / count
    busy = sum(durations)
    files = [folder / DATABASE, log_of(folder / DATABASE)]
    return Report(
        load=load,
        candidates=count,
        cached=meter.cached,
        tries_lost=lost,
        span=span,
        utilisation=steady_utilisation(meter.starts, meter.seconds, load.workers),
        utilisation_whole=busy / (load.workers * span) if span else 0.0,
        barrier=barrier_utilisation(durations, workers=load.workers, population=load.population),
        cpu_ms=1e3 * cpu / count,
        cpu_ms_stretches=tuple(meter.stretches),
        commit_ms=1e3 * commits / count,
        candidates_per_s=1 / each,
        feeds=math.floor(busy / len(durations) / each) if durations else 0,
        memory_mb=_peak_memory() / 1e6,
        database_mb=sum(file.stat().st_size for file in files if file.exists()) / 1e6,
    )


def steady_utilisation(starts: Sequence[float], seconds: Sequence[float], workers: int) -> float:
    """The share of the workers' time that jobs fill, from when all have had a job to when the last job starts."""
    if len(starts) <= workers:
        return 0.0
    first, last = sorted(starts)[workers - 1], max(starts)
    pieces = (
        min(start + length, last) - max(start, first)
        for start, length in zip(starts, seconds, strict=True)
        if start + length > first
    )
    return min(1.0, sum(pieces) / (workers * (last - first))) if last > first else 0.0


def _peak_memory() -> int:
    """Bytes. `ru_maxrss` would do, but on Linux it begins with what the parent process held when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
