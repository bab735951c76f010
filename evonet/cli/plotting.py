"""The verb that draws figures for papers: plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evonet.cli.output import RunPath


def plot(
    run: RunPath,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="front: two measures; generations: quantiles; lineage: the births of one; masks: its wiring.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .svg, .pdf or .png file; an older one is replaced.")],
    id: Annotated[
        int | None, typer.Option("--id", min=0, help="Whose lineage or masks (default: the best); marked in the front.")
    ] = None,
    x: Annotated[str, typer.Option("--x", help="The measure across, of the front.")] = "bytes",
    y: Annotated[str, typer.Option("--y", help="The measure up, of the front.")] = "accuracy",
) -> None:
    """A figure for a paper: the front of a run, its generations, or the lineage or masks of an individual."""
    from evonet.report import figures
    from evonet.store import open_run

    known = next((one for one in figures.KINDS if one == kind), None)
    if known is None:
        raise typer.BadParameter(f"{kind!r}, expected {', '.join(figures.KINDS)}", param_hint="--kind")
    figures.check_format(out)
    with open_run(Path(run)) as opened:
        figures.save(figures.draw(opened, known, id=id, x=x, y=y), out)
    print(out)


COMMANDS = (("plot", plot, "evonet plot runs/0001-digits --kind front -o front.pdf"),)
