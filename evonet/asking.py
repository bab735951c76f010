"""Requests to a run, with what has to hold before one is sent; for the verbs and for the page alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evonet.errors import PackageError, RequestError
from evonet.evolution.interventions import Cull, Inject, Note, Pause, Request, describe
from evonet.genome.code import encode
from evonet.genome.text import load
from evonet.inbox import check_injection, send
from evonet.package import unpack
from evonet.store import Run, open_run

if TYPE_CHECKING:
    from evonet.report.viewer import acting


def ask(run: Run, request: Request) -> str:
    """Leave `request` in the inbox of `run`; says in words when it is taken.

    Raises:
        RequestError: the run is finished, there is nothing to pause, or the inbox cannot be written.
        StoreError: an individual that the run does not have.
        GenomeError, PackageError: what is injected is not valid.
    """
    if run.state == "finished" and not isinstance(request, Note):
        raise RequestError(
            f"{run.path}: it is finished, nothing is decided any more; fork it: `evonet fork {run.path} "
            "--generation G`, then ask the fork"
        )
    driver = None
    match request:
        case Inject():
            check_injection(request)
            words = describe(request)
        case Cull(individuals=individuals):
            for id in individuals:
                run.individual(id)
            words = describe(request)
        case Note(individual=id, text=text):
            if not text.strip():
                raise RequestError("note: an empty text, expected a remark")
            run.individual(id)
            words = f"note on #{id}"
        case Pause(generation=None):
            if not run.live:
                raise RequestError(f"{run.path}: no driver is at work on it, so there is nothing to pause")
            driver, words = run.epoch, "pause now"  # of the driver at work now: not of the one that resumes later
        case Pause(generation=generation):
            words = f"pause when generation {generation} begins"
    name = send(run.path, request, driver=driver)
    when = "its driver takes it with the next decision" if run.live else "taken at the next `evonet resume`"
    return f"asked for: {words}; {when} ({name})"


def injection(source: Path, *, genome_only: bool) -> Inject:
    """A genome (.toml), or a package, whose weights training starts from, unless `genome_only`.

    Raises GenomeError, PackageError or OSError where it cannot be read.
    """
    if source.suffix == ".toml":
        return Inject(genome=encode(load(source)))
    data = source.read_bytes()
    try:
        genome = encode(unpack(data).genome)
    except PackageError as e:
        raise PackageError(f"{source}: {e}") from e
    return Inject(genome=genome, package=b"" if genome_only else data)


def from_page(folder: Path, request: acting.Request) -> str:
    """What a button of the page asks for."""
    with open_run(folder) as run:
        return ask(run, _as_request(run, request))


def _as_request(run: Run, request: acting.Request) -> Request:
    from evonet.report.viewer import acting  # numpy, which the verbs do not need

    match request:
        case acting.Cull(individuals=individuals):
            return Cull(individuals=individuals)
        case acting.Pause(generation=generation):
            return Pause(generation=generation)
        case acting.Note(individual=id, text=text):
            return Note(individual=id, text=text)
        case acting.Inject(individual=id):
            return Inject(genome=run.individual(id).genome, package=run.package(id) or b"")
