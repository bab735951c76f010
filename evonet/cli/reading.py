"""The verbs that look into a run: alive, dead or copied. None of them imports torch, ray or deap."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import (
    Json,
    RunPath,
    asked,
    number,
    parents,
    percent,
    points,
    print_json,
    print_rows,
    print_table,
)

if TYPE_CHECKING:
    from evonet.report.tables import Row, Status
    from evonet.store import Run

Top = Annotated[int, typer.Option("--top", min=0, help="Only the best so many (0 = all).")]
Generation = Annotated[int | None, typer.Option("--generation", min=0, help="Which generation (default: the newest).")]


def status(run: RunPath, json: Json = False) -> None:
    """Where a run stands: state, individuals, outcomes, the best."""
    from evonet.report import tables

    with _open(run) as opened:
        state = tables.status(opened)
    if json:
        print_json(state)
        return
    print(f"{state.path}  {state.state}  data {state.data}  seed {state.seed}  population {state.population}")
    outcomes = ", ".join(f"{kind} {count}" for kind, count in state.outcomes.items())
    print(f"individuals {state.individuals} of {state.wanted}; evaluations: {outcomes or 'none'}")
    print(f"best        {_best(state)}")
    if state.state in ("dead", "stopped"):
        print(f"go on with  evonet resume {state.path}")


def ls(
    runs: Annotated[str, typer.Argument(help="Folder that holds runs.")] = "runs",
    newest: Annotated[
        bool, typer.Option("--newest", help="Print the path of the newest run, and nothing else.")
    ] = False,
    json: Json = False,
) -> None:
    """The runs in a folder, oldest first."""
    from evonet.errors import StoreError
    from evonet.report import tables

    folders = sorted((p.parent for p in Path(runs).glob("*/run.db")), key=lambda p: (p / "run.db").stat().st_ctime)
    if newest:
        if not folders:
            raise StoreError(f"{runs}: no run in this folder. Start one: evonet run configs/digits.toml")
        print(max(folders, key=_number))
        return
    found = []
    for folder in sorted(folders, key=_number):
        with _open(str(folder)) as opened:
            found.append(tables.status(opened))
    if json:
        print_json(found)
        return
    header = ("run", "state", "data", "individuals", "score", "accuracy", "bytes")
    print_table(
        header,
        [(s.path, s.state, s.data, f"{s.individuals}/{s.wanted}", *_figures(s.best)) for s in found],
        left=("run", "state", "data"),
    )


def show(
    run: Annotated[str, typer.Argument(metavar="RUN|FILE.evo", help="A run's folder, or a package.")],
    id: Annotated[int | None, typer.Argument(metavar="[ID]", help="One individual, in full.")] = None,
    generation: Generation = None,
    everything: Annotated[bool, typer.Option("--all", help="Every generation.")] = False,
    top: Top = 0,
    base64: Annotated[bool, typer.Option("--base64", help="The package as one line of text.")] = False,
    json: Json = False,
) -> None:
    """The population of a generation as a table, best first; one individual, or a package, with its genes drawn."""
    from evonet.report import tables

    if base64 or Path(run).is_file():
        from evonet.cli.packages import show_package

        show_package(run, id, text=base64, json=json)
        return
    with _open(run) as opened:
        if id is not None:
            _show_individual(opened, id, json)
            return
        last = _last_generation(opened) if generation is None else generation
        settings = tables.config_of(opened).score
        table = tables.rows(opened, settings, None if everything else last)
        winner = tables.best_of(opened, settings) if everything and opened.state == "finished" else None
    table = table[:top] if top else table
    title = "all generations" if everything else f"generation {last}"
    if json:
        print_json(table)
    else:
        print_rows(_HEADER, _line, table, title, left=_WORDS)
        if winner is not None and winner.id != table[0].id:
            print(f"the winner is #{winner.id}: among the finished the choice images decide, which breeding never saw")


def lineage(run: RunPath, id: Annotated[int, typer.Argument(metavar="ID")], json: Json = False) -> None:
    """The ancestors of an individual, nearest first; `why` says what changed from each to the next."""
    from evonet.report import tables

    with _open(run) as opened:
        settings = tables.config_of(opened).score
        found = [(a.depth, tables.row(opened.individual(a.id), settings)) for a in opened.lineage(id)]
    if json:
        print_json([{"depth": depth, "individual": r} for depth, r in found])
        return
    lines = [(str(depth), str(r.id), parents(r.parents), r.operator or r.kind, *_figures(r)) for depth, r in found]
    print_table(("back", "id", "parents", "born by", "score", "accuracy", "bytes"), lines, left=_WORDS)


def diff(
    run: RunPath,
    a: Annotated[int, typer.Argument(metavar="A")],
    b: Annotated[int, typer.Argument(metavar="B")],
    json: Json = False,
) -> None:
    """How the genes and measures of two individuals differ."""
    from evonet.report import drawing, tables

    with _open(run) as opened:
        settings = tables.config_of(opened).score
        pair = [opened.individual(i) for i in (a, b)]
        changes = drawing.diff(*(tables.genome_of(i) for i in pair))
        table = [tables.row(i, settings) for i in pair]
    if json:
        print_json({"a": table[0], "b": table[1], "genes": changes})
        return
    print("\n".join(changes) or "the genes are the same")
    print_rows(_HEADER, _line, table, left=_WORDS)


def digest(run: RunPath, json: Json = False) -> None:
    """A hash of all that happened in a run; the same for two runs that decided and found the same."""
    from evonet.store import run_digest

    with _open(run) as opened:
        value = run_digest(opened)
    print_json({"run": run, "digest": value}) if json else print(value)


def table(
    run: RunPath,
    csv: Annotated[str, typer.Option("--csv", help="File to write, - for standard output.")] = "-",
    json: Json = False,
) -> None:
    """Every individual with its measures, as CSV or JSON."""
    from evonet.report import tables

    with _open(run) as opened:
        found = sorted(tables.rows(opened, tables.config_of(opened).score), key=lambda r: r.id)
    if json:
        print_json(found)
    elif csv == "-":
        tables.write_csv(found, sys.stdout)
    else:
        with open(csv, "w", encoding="utf-8", newline="") as file:
            tables.write_csv(found, file)
        print(f"{csv}: {len(found)} individuals")


def _open(run: str) -> Run:
    from evonet.store import open_run

    opened = open_run(Path(run))
    if opened.newer:
        about = f"warning: {run} was written with schema version {opened.version}, by a newer evonet"
        print(f"{about}: what is shown is what this one knows of", file=sys.stderr)
    return opened


def _last_generation(run: Run) -> int:
    return max(run.counts().individuals - 1, 0) // run.population


def _number(folder: Path) -> tuple[int, str]:
    """Numbered folders in their order, others before them by name."""
    head = folder.name.partition("-")[0]
    return (int(head) if head.isdigit() else -1, folder.name)


_HEADER = (
    "id",
    "score",
    "accuracy",
    "bytes",
    "MACs",
    "sheets",
    "long share",
    "seen",
    "rung",
    "parents",
    "born by",
    "state",
)
_WORDS = ("rung", "parents", "born by", "state", "kind", "outcome", "reason")


def _line(r: Row) -> tuple[str, ...]:
    return (
        str(r.id),
        points(r.score),
        percent(r.accuracy),
        number(r.bytes),
        number(r.macs),
        number(r.sheets),
        percent(r.long_share),
        number(r.seen),
        "finished" if r.rung == -1 else str(r.rung),
        parents(r.parents),
        r.operator or r.kind,
        r.state,
    )


def _figures(r: Row | None) -> tuple[str, str, str]:
    return ("-", "-", "-") if r is None else (points(r.score), percent(r.accuracy), number(r.bytes))


def _best(state: Status) -> str:
    if state.best is None:
        return "nothing scored yet"
    score, accuracy, size = _figures(state.best)
    return f"#{state.best.id}  score {score}  validation accuracy {accuracy}  {size} bytes"


def _show_individual(run: Run, id: int, json: bool) -> None:
    from evonet.genome.text import to_toml
    from evonet.report import drawing, tables

    individual, settings = run.individual(id), tables.config_of(run).score
    genome, evaluations = tables.genome_of(individual), list(tables.evaluation_rows(individual, settings))
    drawn, measures, row = drawing.draw_genome(genome), individual.latest, tables.row(individual, settings)
    notes = tables.notes(run, id)
    if json:
        print_json(
            {
                "row": row,
                "measures": measures,
                "evaluations": evaluations,
                "genome": to_toml(genome),
                "drawing": drawn,
                "notes": notes,
            }
        )
        return
    print_rows(_HEADER, _line, [row], left=_WORDS)
    print("\n".join(drawn))
    print(f"\n{drawing.LEGEND}")
    if measures is not None:
        print(
            f"\n{measures.nonzero:,} of {measures.weights:,} weights that the genes name are not zero; "
            f"{measures.taps} taps, {measures.connections:,} connections and {measures.macs:,} MACs per image are live;"
            f" the genome takes {len(individual.genome)} bytes"
        )
    for line in asked(row):
        print(line)
    header = ("decision", "kind", "steps", "outcome", "score", "accuracy", "bytes", "seen", "reason")
    print_table(header, map(_evaluation, evaluations), "evaluations", left=_WORDS)
    for note in notes:
        print(f"note of {note['at']}: {note['text']}")


def _evaluation(e: dict[str, object]) -> tuple[str, ...]:
    figures = (points(e["score"]), percent(e["accuracy"]), number(e["bytes"]), number(e["seen"]))  # type: ignore[arg-type]
    return (str(e["decision"]), str(e["kind"]), str(e["steps"]), str(e["outcome"]), *figures, str(e["reason"]))


COMMANDS = (
    ("status", status, "evonet status runs/0001-digits"),
    ("ls", ls, "evonet ls runs"),
    ("show", show, "evonet show runs/0001-digits --top 10, or evonet show runs/0001-digits 203"),
    ("lineage", lineage, "evonet lineage runs/0001-digits 203"),
    ("diff", diff, "evonet diff runs/0001-digits 12 203"),
    ("digest", digest, "evonet digest runs/0001-digits"),
    ("table", table, "evonet table runs/0001-digits --csv individuals.csv"),
)
