"""The verbs that step into a run: inject, cull, pause, note. They only leave a request; its driver takes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import RunPath

if TYPE_CHECKING:
    from evonet.evolution.interventions import Request


def inject(
    run: RunPath,
    source: Annotated[Path, typer.Argument(metavar="GENOME.toml|FILE.evo", help="A genome, or one with weights.")],
    genome_only: Annotated[
        bool, typer.Option("--genome-only", help="Of a .evo file take the genome, and train from random weights.")
    ] = False,
) -> None:
    """Let the next birth of a run be this genome; a package's weights are what its training starts from."""
    from evonet.asking import injection

    _ask(run, injection(source, genome_only=genome_only))


def cull(
    run: RunPath, ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Individuals to take out.")]
) -> None:
    """Take individuals out of the pool for good: no children, no promotion, no finishing."""
    from evonet.evolution.interventions import Cull

    _ask(run, Cull(individuals=tuple(ids)))


def pause(
    run: RunPath,
    generation: Annotated[
        int | None, typer.Option("--generation", min=1, help="Not now, but when this generation begins.")
    ] = None,
) -> None:
    """Let a run finish what is in flight and stop; `resume` goes on."""
    from evonet.evolution.interventions import Pause

    _ask(run, Pause(generation=generation))


def note(
    run: RunPath,
    id: Annotated[int, typer.Argument(metavar="ID")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Write a remark on an individual into the record; it changes nothing."""
    from evonet.evolution.interventions import Note

    _ask(run, Note(individual=id, text=text))


def _ask(run: str, request: Request) -> None:
    from evonet.asking import ask
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        print(ask(opened, request))


COMMANDS = (
    ("inject", inject, "evonet inject runs/0001-digits genomes/lenet5.toml"),
    ("cull", cull, "evonet cull runs/0001-digits 12 203"),
    ("pause", pause, "evonet pause runs/0001-digits --generation 4"),
    ("note", note, 'evonet note runs/0001-digits 203 "wide and shallow"'),
)
