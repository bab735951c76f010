"""The verbs that look at a run as a whole: the atlas, the front, the hall of fame, the operators. They only read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, RunPath, number, percent, points, print_json, print_rows, print_table

if TYPE_CHECKING:
    from evonet.evolution.settings import Objective
    from evonet.report.tables import Row

Top = Annotated[int, typer.Option("--top", min=1, help="How many.")]


def atlas(run: RunPath, json: Json = False) -> None:
    """The best of every cell of long share x bytes: accuracy and number; what `search.survival = "elites"` keeps."""
    from evonet.report import tables
    from evonet.report.atlas import cells_of, draw
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        cells = cells_of(tables.rows(opened, tables.config_of(opened).score))
    print_json(cells) if json else print("\n".join(draw(cells)))


def front(
    run: RunPath,
    objectives: Annotated[
        str, typer.Option("--objectives", help="Measures with commas, for example loss,bytes,macs.")
    ] = "",
    json: Json = False,
) -> None:
    """The Pareto front: individuals that no other is better than in every objective."""
    from evonet.report.standing import front_rows
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        names, rows = front_rows(opened, _objectives(objectives))
    if json:
        print_json({"objectives": names, "front": rows})
        return
    print_rows(_HEADER, _line, rows, f"{len(rows)} that none is better than in all of: {', '.join(names)}")


def hall(run: RunPath, top: Top = 10, json: Json = False) -> None:
    """The hall of fame: the best scores of the whole run, every genome once."""
    from evonet.report.standing import hall_rows
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        rows = hall_rows(opened, top)
    print_json(rows) if json else print_rows(_HEADER, _line, rows)


def operators(run: RunPath, json: Json = False) -> None:
    """What each operator's children gained, beside unmutated clones of their parents (`search.clones`)."""
    from evonet.report.operators import LEVEL, operator_table
    from evonet.report.tables import config_of
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        config = config_of(opened)
        rows = operator_table(opened.decisions(), config.search, config.score)
    if json:
        print_json(rows)
        return
    header = ("operator", "births", "scored", "gain", "beyond clones", f"{100 * LEVEL:g} % interval")
    lines = [
        (r.operator, number(r.births), number(r.scored), points(r.gain), points(r.beyond), _interval(r.low, r.high))
        for r in rows
    ]
    print_table(header, lines, left=("operator",))
    if not any(r.operator == "clone" for r in rows):
        print("no clones to compare with: set search.clones, for example to 0.1")


def _objectives(text: str) -> tuple[Objective, ...]:
    from typing import get_args

    from evonet.errors import ConfigError
    from evonet.evolution.settings import Objective
    from evonet.plugins import near

    known: dict[str, Objective] = {name: name for name in get_args(Objective)}
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f'--objectives {text}: "{name}", {near(name, known)}expected one of {", ".join(known)}.')
    return tuple(known[name] for name in names)


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{points(low)} .. {points(high)}"


_HEADER = ("id", "score", "loss", "accuracy", "bytes", "MACs", "long share", "seen", "rung")


def _line(r: Row) -> tuple[str, ...]:
    rung = "finished" if r.rung == -1 else str(r.rung)
    figures = (points(r.score), number(r.loss, 3), percent(r.accuracy), number(r.bytes), number(r.macs))
    return (str(r.id), *figures, percent(r.long_share), number(r.seen), rung)


COMMANDS = (
    ("atlas", atlas, "evonet atlas runs/0001-digits"),
    ("front", front, "evonet front runs/0001-digits --objectives loss,bytes,macs"),
    ("hall", hall, "evonet hall runs/0001-digits --top 10"),
    ("operators", operators, "evonet operators runs/0001-digits"),
)
