"""The verbs that step into a run: inject, cull, pause, note. They only leave a request; its driver takes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import RunPath

if TYPE_CHECKING:
    from evonet.evolution.interventions import Inject, Request
    from evonet.store import Run


def inject(
    run: RunPath,
    source: Annotated[Path, typer.Argument(metavar="GENOME.toml|FILE.evo", help="A genome, or one with weights.")],
    genome_only: Annotated[
        bool, typer.Option("--genome-only", help="Of a .evo file take the genome, and train from random weights.")
    ] = False,
) -> None:
    """Let the next birth of a run be this genome; a package's weights are what its training starts from."""
    from evonet.evolution.interventions import describe
    from evonet.inbox import check_injection

    with _open(run) as opened:
        _check_goes_on(opened)
        request = _injection(source, genome_only)
        check_injection(request)
        _send(opened, request, describe(request))


def cull(
    run: RunPath, ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Individuals to take out.")]
) -> None:
    """Take individuals out of the pool for good: no children, no promotion, no finishing."""
    from evonet.evolution.interventions import Cull, describe

    with _open(run) as opened:
        _check_goes_on(opened)
        for id in ids:
            opened.individual(id)
        request = Cull(individuals=tuple(ids))
        _send(opened, request, describe(request))


def pause(
    run: RunPath,
    generation: Annotated[
        int | None, typer.Option("--generation", min=1, help="Not now, but when this generation begins.")
    ] = None,
) -> None:
    """Let a run finish what is in flight and stop; `resume` goes on."""
    from evonet.errors import RequestError
    from evonet.evolution.interventions import Pause

    with _open(run) as opened:
        _check_goes_on(opened)
        if generation is None and not opened.live:
            raise RequestError(f"{run}: no driver is at work on it, so there is nothing to pause")
        # An order to stop now is for the driver at work now: not for the one that resumes later.
        driver = opened.epoch if generation is None else None
        when = "now" if generation is None else f"when generation {generation} begins"
        _send(opened, Pause(generation=generation), f"pause {when}", driver)


def note(
    run: RunPath,
    id: Annotated[int, typer.Argument(metavar="ID")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Write a remark on an individual into the record; it changes nothing."""
    from evonet.evolution.interventions import Note

    with _open(run) as opened:
        opened.individual(id)
        _send(opened, Note(individual=id, text=text), f"note on #{id}")


def _open(run: str) -> Run:
    from evonet.store import open_run

    return open_run(Path(run))


def _check_goes_on(opened: Run) -> None:
    from evonet.errors import RequestError

    if opened.state == "finished":
        raise RequestError(
            f"{opened.path}: it is finished, nothing is decided any more; fork it: `evonet fork {opened.path} "
            "--generation G`, then ask the fork"
        )


def _injection(source: Path, genome_only: bool) -> Inject:
    from evonet.errors import PackageError
    from evonet.evolution.interventions import Inject
    from evonet.genome.code import encode
    from evonet.genome.text import load
    from evonet.package import unpack

    if source.suffix == ".toml":
        return Inject(genome=encode(load(source)))
    data = source.read_bytes()
    try:
        genome = encode(unpack(data).genome)
    except PackageError as e:
        raise PackageError(f"{source}: {e}") from e
    return Inject(genome=genome, package=b"" if genome_only else data)


def _send(opened: Run, request: Request, words: str, driver: int | None = None) -> None:
    from evonet.inbox import send

    name = send(opened.path, request, driver=driver)
    when = "its driver takes it with the next decision" if opened.live else "taken at the next `evonet resume`"
    print(f"asked for: {words}; {when} ({name})")


COMMANDS = (
    ("inject", inject, "evonet inject runs/0001-digits genomes/lenet.toml"),
    ("cull", cull, "evonet cull runs/0001-digits 12 203"),
    ("pause", pause, "evonet pause runs/0001-digits --generation 4"),
    ("note", note, 'evonet note runs/0001-digits 203 "wide and shallow"'),
)
