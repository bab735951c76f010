"""The composition root: a configuration becomes data, workers, a store and the loop over them."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec
from msgspec.structs import replace

from evonet.config import RunConfig, parse_config, seed_genomes, to_toml
from evonet.errors import GenomeError, Interrupted, RunExists, WorkersError
from evonet.evaluation.settings import VERSION, EvaluationSettings
from evonet.evolution.loop import Progress, run
from evonet.evolution.search import Search
from evonet.genome import Genome
from evonet.plan import Budget, expand, fit
from evonet.provenance import provenance
from evonet.store import Decision, RunWriter, open_run
from evonet.training.data import DataSet, load_data
from evonet.workers import make_workers

FACTORY = "evonet.evaluation.factory:make_evaluator"  # by name: the driver itself needs no torch
Watch = Callable[[Progress], None]
Stop = Callable[[], bool]


def start(
    config: RunConfig, path: Path | None, *, name: str, watch: Watch, stop: Stop, opened: Callable[[Path], None]
) -> Path:
    """Run `config` to its end in the new folder `path`; None: the next numbered folder runs/NNNN-`name`.

    `opened` is told the folder as soon as it is there. Returns it.

    Raises:
        RunExists: there is something at `path`.
        Interrupted: `stop` said so; the run can be resumed.
        ConfigError, GenomeError, DataError, StoreError, WorkersError: see there.
    """
    data = _load(config)
    with _create(config, path, name) as writer:
        opened(writer.path)
        _drive(config, data, writer, past=(), watch=watch, stop=stop)
        return writer.path


def resume(
    path: Path,
    *,
    workers: int | None,
    address: str | None,
    data_dir: Path | None,
    until: int | None,
    watch: Watch,
    stop: Stop,
) -> None:
    """Go on with the run in `path` to the end that its configuration names, or until `until` individuals are born.

    There is nothing to do if it is finished.

    Raises:
        RunLocked: another driver holds it.
        StoreError: it is no run, it is damaged, or this evonet decides otherwise than the one that began it.
        Interrupted, DataError, WorkersError: as in `start`.
    """
    with open_run(path) as record:
        config = parse_config(record.config, f"{path}: stored configuration")
        if record.state == "finished" or (until is not None and record.counts().individuals >= until):
            return
    config = override_workers(override_data(config, data_dir), count=workers, address=address)
    data = _load(config)
    enough = False

    def watch_births(progress: Progress) -> None:
        nonlocal enough
        enough = until is not None and progress.births >= until
        watch(progress)

    with RunWriter.open(path) as writer, open_run(path) as record:
        try:
            _drive(config, data, writer, past=record.decisions(), watch=watch_births, stop=lambda: enough or stop())
        except Interrupted:
            if not enough:
                raise


def override_workers(config: RunConfig, *, count: int | None, address: str | None) -> RunConfig:
    """`config` with another number of workers or another cluster, which changes no result."""
    workers = config.workers
    if count is not None:
        workers = replace(workers, count=count)
    if address is not None:
        workers = replace(workers, kind="ray", address=address)
    return replace(config, workers=workers)


def override_data(config: RunConfig, folder: Path | None) -> RunConfig:
    """`config` with another folder of data; the data's fingerprint, not their place, is what a run depends on."""
    if folder is None:
        return config
    return replace(config, data=replace(config.data, dir=str(folder.resolve())))


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within, the first SIGINT or SIGTERM makes the given function say True; a second Ctrl-C exits at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _create(config: RunConfig, path: Path | None, name: str) -> RunWriter:
    text, origin = to_toml(config), provenance()
    size, seed = config.search.population, config.run.seed

    def create(folder: Path) -> RunWriter:
        return RunWriter.create(folder, config=text, seed=seed, population=size, provenance=origin)

    if path is not None:
        return create(path)
    while True:  # somebody else may take the number between the look and the rename; then take the next
        try:
            return create(next_folder(Path("runs"), name))
        except RunExists:
            continue


def next_folder(runs: Path, name: str) -> Path:
    """runs/NNNN-name, one above the highest number there."""
    taken = [p.name.partition("-")[0] for p in runs.iterdir()] if runs.is_dir() else []
    number = max((int(n) for n in taken if n.isdecimal()), default=0) + 1
    return runs / f"{number:04d}-{name}"


def _load(config: RunConfig) -> DataSet:
    return load_data(config.data.spec, config.data.dir or None)


def evaluation_settings(config: RunConfig) -> EvaluationSettings:
    return EvaluationSettings(
        training=config.training,
        compression=config.compression,
        budget=config.budget,
        costs=config.costs,
        top_rung=len(config.search.rungs) - 1,
        device=config.workers.device,
    )


def _drive(
    config: RunConfig,
    data: DataSet,
    writer: RunWriter,
    *,
    past: Iterator[Decision] | tuple[()],
    watch: Watch,
    stop: Stop,
) -> None:
    settings = msgspec.msgpack.encode(evaluation_settings(config))
    search = Search(
        config.search,
        config.score,
        limits=config.genes,
        seed=config.run.seed,
        context=_context(settings, data, config.workers.threads),
        brief_examples=config.search.rungs[0] * config.training.batch,
        admit=_admission(config, data),
        weights=writer.start_of,
        genomes=seed_genomes(config),
    )
    args = (settings, *data.arrays())
    try:
        with make_workers(config.workers, FACTORY, args, on_attempt=writer.attempt, on_event=writer.event) as workers:
            run(search, workers, writer, past=past, progress=watch, should_stop=stop)
    except (KeyboardInterrupt, Interrupted):
        writer.set_state("stopped")
        raise Interrupted(f"stopped; go on with: evonet resume {writer.path}") from None
    except WorkersError as e:
        writer.set_state("stopped")
        raise WorkersError(f"{e} Go on with: evonet resume {writer.path}") from e


def _context(settings: bytes, data: DataSet, threads: int) -> str:
    """All that an outcome depends on beside its job; the number of threads changes the order of sums, and so bits."""
    return f"{VERSION}:{data.fingerprint}:{hashlib.sha256(settings).hexdigest()}:{threads}"


def _admission(config: RunConfig, data: DataSet) -> Callable[[Genome], Genome | None]:
    """A genome fitted to the data's shape, or None if it does not expand within what an evaluator accepts; pure."""
    limits = config.budget
    budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)

    def admit(genome: Genome) -> Genome | None:
        try:
            fitted = fit(genome, input=data.input)
            expand(fitted, input=data.input, classes=data.classes, budget=budget)
        except GenomeError:
            return None
        return fitted

    return admit
