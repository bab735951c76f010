"""The verbs that show a run as a page: report, ui."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import RunPath

if TYPE_CHECKING:
    from evonet.config import RunConfig
    from evonet.report.viewer.details import Twin

Anchors = Annotated[
    Path | None,
    typer.Option("--anchors", help="JSON list of networks to compare with: name, kind, bytes, accuracy, ..."),
]


def report(
    run: RunPath,
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write; an older one is replaced.")],
    details: Annotated[int, typer.Option("--details", min=0, help="With masks and weights of the best so many.")] = 20,
    anchors: Anchors = None,
) -> None:
    """A run as one HTML file that needs nothing else: opens from disk, travels by mail, makes no request."""
    from evonet.files import write_whole
    from evonet.report import tables
    from evonet.report.viewer import assemble, document
    from evonet.report.viewer.queries import Reader

    known = document.read_anchors(anchors) if anchors else ()
    with Reader(run, limit_s=60.0) as opened:
        config = tables.config_of(opened)
        data = assemble.report(opened, config, path=run, best_k=details, twin=_twin(config), anchors=known)
    write_whole(out, data)
    print(f"{out}: {len(data) / 1e6:,.1f} MB; open it in any browser")


def ui(
    run: RunPath,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    host: Annotated[str, typer.Option("--host", help="Beyond this machine only with --token-file.")] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A token of your own, in a file that only you can read.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A further name that this page may be reached by.")
    ] = None,
    allow_actions: Annotated[
        bool, typer.Option("--allow-actions", help="Buttons that cull, inject, note and pause.")
    ] = False,
    anchors: Anchors = None,
) -> None:
    """The same page live, from this machine: look at a run while it goes on. Writes nothing without --allow-actions."""
    from evonet.asking import from_page
    from evonet.report import tables
    from evonet.report.viewer import document
    from evonet.report.viewer.serve import serve
    from evonet.store import open_run

    known = document.read_anchors(anchors) if anchors else ()
    with open_run(run) as opened:
        config, path = tables.config_of(opened), opened.path
    serve(
        path,
        config,
        shown=run,
        host=host,
        port=port,
        names=tuple(allow_host or ()),
        token_file=token_file,
        twin=_twin(config),
        anchors=known,
        requests=from_page if allow_actions else None,
        say=lambda text: print(text, flush=True),
    )


def _twin(config: RunConfig) -> Twin:
    from evonet.controls import random_twin

    reach = config.genes.reach_max
    return lambda genome, input, classes: random_twin(genome, input=input, classes=classes, reach=reach, draw=0)


COMMANDS = (
    ("report", report, "evonet report runs/0001-digits -o digits.html"),
    ("ui", ui, "evonet ui runs/0001-digits"),
)
