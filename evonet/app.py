"""The composition root: a configuration becomes data, workers, a store and the loop over them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from evonet.changes import check_resume, check_trust_run, differences, listed
from evonet.composition import evaluation_settings, load, make_search, sample_of
from evonet.config import RunConfig, overridden, parse_config, to_toml
from evonet.errors import ConfigError, DiskFull, GenomeError, Interrupted, RunExists, StoreError, WorkersError
from evonet.evaluation.settings import VERSION
from evonet.evolution.interventions import Configure, Pause, Written, describe
from evonet.inbox import FolderInbox, has_requests
from evonet.job import Job, Outcome
from evonet.provenance import machine, package_versions, provenance
from evonet.store import Event, Run, RunWriter, open_run
from evonet.store.ballast import is_full

# Torch, DEAP and Ray come in where they are used: a driver that finds the run locked has to say so at once.
if TYPE_CHECKING:
    from evonet.evolution.loop import Progress
    from evonet.evolution.search import Search
    from evonet.training.data import DataSet

FACTORY = "evonet.evaluation.factory:make_evaluator"  # by name: the driver itself needs no torch
Watch = Callable[["Progress"], None]
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
    data = load(config)
    with _create(config, data, path, name) as writer:
        opened(writer.path)
        _drive(config, data, writer, watch=watch, stop=stop)
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
    changes: Sequence[str] = (),
    trust_code: bool = False,
) -> None:
    """Go on with the run in `path` to the end that its configuration names, or until `until` individuals are born.

    There is nothing to do if it is finished.

    Args:
        changes: overrides such as "workers.count=4", of keys that change no result, or of search.individuals.
        trust_code: import what the stored configuration names as "module:function".

    Raises:
        RunLocked: another driver holds it; said before anything is loaded.
        ConfigError: a change that only a fork can bear, or code that nobody trusts.
        StoreError: it is no run, it is damaged, or this evonet decides otherwise than the one that began it.
        Interrupted, DataError, WorkersError, DiskFull: as in `start`.
    """
    with open_run(path) as record:
        done = record.state == "finished" or (until is not None and record.counts().individuals >= until)
        if done and not changes and not has_requests(path):
            return
        check_trust_run(record, str(path), trusted=trust_code)
    with RunWriter.open(path) as writer:
        with open_run(path) as record:
            config = _changed(record, writer, changes)
        config = override_workers(override_data(config, data_dir), count=workers, address=address)
        data = load(config)
        enough = done and until is not None

        def watch_births(progress: Progress) -> None:
            nonlocal enough
            enough = until is not None and progress.births >= until
            watch(progress)

        with open_run(path) as record:
            _note_machine(record, writer)
            try:
                _drive(config, data, writer, record=record, watch=watch_births, stop=lambda: enough or stop())
            except Interrupted:
                if not enough:
                    raise


def _changed(record: Run, writer: RunWriter, changes: Sequence[str]) -> RunConfig:
    """The stored configuration with `changes`; those that change what the search does are written down first."""
    stored = parse_config(record.config, f"{record.path}: stored configuration")
    config = overridden(stored, changes)
    if not check_resume(stored, config, record.path):
        return config
    if record.first_finish() is not None or record.state == "finished":
        last = record.counts().individuals // record.population
        raise ConfigError(
            f"{record.path}: search.individuals cannot change any more, the best are being finished or are done. Go on "
            f"from before that: `evonet fork {record.path} --generation {last} --set search.individuals="
            f"{config.search.individuals}`."
        )
    change = Configure(config=to_toml(replace(stored, search=config.search)))
    text = f"{describe(change)}: {listed(differences(stored, config))}"
    writer.event("configure", text, record.counts().issued, Written(change=change))
    return config


def _note_machine(record: Run, writer: RunWriter) -> None:
    """Where this driver is another than the run began on, for whoever wonders about bits later."""
    here = {"machine": machine(), "packages": package_versions()}
    there = {name: record.provenance.get(name) for name in here}
    if here != there:
        writer.event("resumed", "on another machine or with other packages than before", None, here)


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


def _create(config: RunConfig, data: DataSet, path: Path | None, name: str) -> RunWriter:
    text, origin = to_toml(config), provenance() | {"data": data.fingerprint, "evaluation": VERSION}
    size, seed = config.search.population, config.run.seed

    def create(folder: Path) -> RunWriter:
        return RunWriter.create(folder, config=text, seed=seed, population=size, provenance=origin)

    if path is None:
        return in_next_folder(Path("runs"), name, create)
    try:
        return create(path)
    except RunExists as e:
        raise RunExists(f"{e}.{_against(path, config)}") from e


def _against(path: Path, config: RunConfig) -> str:
    """How `config` differs from that of the run at `path`, if there is one."""
    with suppress(StoreError, ConfigError, GenomeError), open_run(path) as run:
        stored = parse_config(run.config, str(path), known_only=True)
        found = listed(differences(stored, config))
        return (
            f" Its configuration differs from this one (there -> here): {found}."
            if found
            else (" Its configuration is the same.")
        )
    return ""


def in_next_folder(runs: Path, name: str, create: Callable[[Path], RunWriter]) -> RunWriter:
    """What `create` makes of the next numbered folder; another process may take the number before, then the next."""
    while True:
        try:
            return create(next_folder(runs, name))
        except RunExists:
            continue


def next_folder(runs: Path, name: str) -> Path:
    """runs/NNNN-name, one above the highest number there."""
    taken = [p.name.partition("-")[0] for p in runs.iterdir()] if runs.is_dir() else []
    number = max((int(n) for n in taken if n.isdecimal()), default=0) + 1
    return runs / f"{number:04d}-{name}"


def _drive(
    config: RunConfig, data: DataSet, writer: RunWriter, *, record: Run | None = None, watch: Watch, stop: Stop
) -> None:
    """Drive the run of `writer` by `config`; `record` is its past, as far as there is one."""
    from evonet.evolution.loop import run
    from evonet.workers import make_workers

    events = list(record.events()) if record else []
    total = record.counts().issued if record else 0
    first = parse_config(record.first_config, f"{record.path}: stored configuration") if record else config
    search = make_search(first, data, writer, events)
    try:
        args = (msgspec.msgpack.encode(evaluation_settings(config)), *data.arrays())
        nobody = record is not None and record.state == "finished"  # no job is left, a request may be
        with (
            nullcontext(Nobody())
            if nobody
            else make_workers(
                config.workers, FACTORY, args, on_attempt=writer.attempt, on_event=writer.event
            ) as workers
        ):
            run(
                search,
                workers,
                writer,
                past=record.past() if record else (),
                checked=sample_of(total),
                inbox=_inbox(writer, data, events),
                pauses=_pauses(events, record, search),
                progress=watch,
                should_stop=stop,
            )
    except (KeyboardInterrupt, Interrupted) as e:
        writer.set_state("stopped")
        said = str(e).removesuffix("; resume to go on.") or "stopped"
        raise Interrupted(f"{said}; go on with: evonet resume {writer.path}") from None
    except WorkersError as e:
        writer.set_state("stopped")
        raise WorkersError(f"{e} Go on with: evonet resume {writer.path}") from e
    except (DiskFull, OSError) as e:
        if isinstance(e, OSError) and not is_full(e, writer.path):
            raise
        writer.give_up(str(e))
        if isinstance(e, DiskFull):
            raise
        raise DiskFull(f"{e}. All that was recorded is safe: make room, then `evonet resume {writer.path}`") from e


class Nobody:
    """The workers of a run that is done."""

    slots = 0

    def submit(self, job: Job) -> None:
        raise WorkersError(f"workers: decision {job.decision} came when the run was finished. Report this.")

    def collect(self, timeout: float) -> Outcome | None:
        del timeout
        return None


def _inbox(writer: RunWriter, data: DataSet, events: Sequence[Event]) -> FolderInbox:
    requests = [event.data.get("request") for event in events if isinstance(event.data, dict)]
    known = {name for name in requests if isinstance(name, str)}
    return FolderInbox(writer.path, known=known, epoch=writer.epoch, shape=(data.input, data.classes))


def _pauses(events: Sequence[Event], record: Run | None, search: Search) -> list[int]:
    """Births at which the run was asked to pause and has not come to yet."""
    births = record.counts().individuals if record else 0
    found = []
    for event in events:
        if event.kind == "pause" and isinstance(event.data, dict):
            generation = msgspec.convert(event.data["change"], Pause).generation
            found += [generation * search.settings.population] if generation is not None else []
    return [at for at in found if at > births]
