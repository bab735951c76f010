"""The verbs that evolve: run and resume."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import RunPath, number, percent

if TYPE_CHECKING:
    from evonet.report.tables import Row
    from evonet.store import Run

Workers = Annotated[int | None, typer.Option("--workers", min=1, help="How many workers (default: as configured).")]
Address = Annotated[
    str | None, typer.Option("--address", help="Join a running Ray cluster, for example ray://host:10001.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", envvar="EVONET_DATA", help="Folder with data sets.", show_default=False)
]

TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Import the code that the stored configuration names (module:function).")
]


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")],
    run: Annotated[
        Path | None, typer.Option("--run", help="A new folder for the run (default: the next number in runs/).")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    data_dir: DataDir = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, again and again.")
    ] = None,
) -> None:
    """Evolve networks as a configuration says, then finish the best. Ctrl-C stops; `resume` goes on."""
    from evonet import app
    from evonet.cli.live import display
    from evonet.config import load_config

    loaded = load_config(config, set or ())
    loaded = app.override_workers(app.override_data(loaded, data_dir), count=workers, address=address)
    with app.stop_signals() as stop:  # also while the end is told: a signal that comes too late stops nothing
        with display(loaded, terminal=sys.stdout.isatty()) as watch:
            path = app.start(loaded, run, name=config.stem, watch=watch, stop=stop, opened=_announce)
        print_end(path)


def resume(
    run: RunPath,
    until: Annotated[
        int | None, typer.Option("--until", min=1, help="Stop again once so many individuals are born.")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    data_dir: DataDir = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change how workers run, data.dir, or search.individuals to go on longer.",
        ),
    ] = None,
    trust_code: TrustCode = False,
) -> None:
    """Go on with a run that was stopped or killed; it ends as if nothing had happened."""
    from evonet import app
    from evonet.cli.live import display
    from evonet.report.tables import config_of
    from evonet.store import open_run

    path = Path(run)
    with open_run(path) as record:
        config, done = config_of(record), record.state == "finished"
        generation = record.counts().individuals // record.population
    with app.stop_signals() as stop:
        with display(config, terminal=sys.stdout.isatty()) as watch:
            app.resume(
                path,
                workers=workers,
                address=address,
                data_dir=data_dir,
                until=until,
                watch=watch,
                stop=stop,
                changes=set or (),
                trust_code=trust_code,
            )
        print_end(path)
    if done:
        more = f"--generation {generation} --set search.individuals={2 * config.search.individuals}"
        print(f"it was finished before, nothing was left to do; longer:  evonet fork {shlex.quote(run)} {more}")


def _announce(path: Path) -> None:
    print(f"run {path}  (watch it from another terminal: evonet watch {shlex.quote(str(path))})", flush=True)


def print_end(path: Path) -> None:
    """The winner's card, and what to do next."""
    from evonet.report import tables
    from evonet.store import open_run

    name = shlex.quote(str(path))
    with open_run(path) as opened:
        counts, best = opened.counts(), tables.best_of(opened, tables.config_of(opened).score)
        print(f"{path} is {opened.state}: {counts.individuals} individuals, {counts.issued} evaluations")
        if opened.state != "finished":
            print(f"go on with  evonet resume {name}")
        elif best is None:
            print("no individual was scored; why: evonet show --all " + name)
        else:
            _print_winner(opened, best, name)


def _print_winner(opened: Run, winner: Row, name: str) -> None:
    from evonet.report import drawing, tables

    first = " (first on the choice images)" if winner.rung == -1 else ""
    print(
        f"winner #{winner.id}{first}: {number(winner.bytes)} bytes, validation accuracy {percent(winner.accuracy, 2)}, "
        f"{number(winner.weights)} weights, {number(winner.macs)} MACs, long share {percent(winner.long_share)}"
    )
    print("\n".join(f"  {line}" for line in drawing.draw_genome(tables.genome_of(opened.individual(winner.id)))))
    print(f"  {drawing.LEGEND}")
    print(f"look:    evonet show {name}    evonet show {name} {winner.id}    evonet lineage {name} {winner.id}")
    print(f"export:  evonet export {name} --best 1 --out exports/{shlex.quote(opened.path.name)}")


COMMANDS = (
    ("run", run, "evonet run configs/digits.toml --workers 2 --set search.population=64"),
    ("resume", resume, "evonet resume runs/0001-digits"),
)
