"""The tables as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from clock import BATCHES, THREADS, milliseconds
from evaluating import SIDES
from glance import LOOKS
from jobs import finished, lines
from predictions import DATE, MACS, SPEEDUP, WORDS
from results import Point, Row, chosen, closed_gap, error_at, is_dense, is_mixed, rows, shown, side_of
from verdicts import verdicts

from evonet.twins import estimate


def report(out: Path) -> None:
    """All tables of what is there."""
    from conversion import conversion_table
    from paths import paths_table  # they need the core, tables do not
    from wiring import wiring_table

    records = finished(out)
    found = rows(records.values())
    hours = sum(record["seconds"] for record in records.values()) / 3600
    devices = sorted({record["device"] for record in records.values()})
    print(f"{len(records)} trainings, {hours:.1f} hours side by side, on {', '.join(devices) or 'nothing yet'}.\n")
    predicted()
    glances(found)
    for task in dict.fromkeys(row.task for row in found):
        errors(task, [row for row in found if row.task == task and not row.model.startswith("glance-")])
    controls(found)
    sizes(out, found)
    corruptions(out, found)
    times(out)
    conversion_table(out)
    paths_table(out)
    wiring_table(out)
    print("## Verdicts\n")
    for verdict in verdicts(out, found):
        print(f"- **{verdict.subject}**: {verdict.answer}. {shown(verdict.why)}")


def predicted() -> None:
    print(
        f"## Predictions of {DATE}, before measuring\n\n| million MACs | 60 | 100 | 256 | 1024 |\n"
        "|---|---:|---:|---:|---:|"
    )
    for name, macs in MACS.items():
        print(f"| {name} | " + " | ".join(f"{macs[side]:g}" for side in SIDES) + " |")
    print("| wall time against the CNN of equal error | " + " | ".join(WORDS[side] for side in SPEEDUP) + " |\n")


def errors(task: str, found: Sequence[Row]) -> None:
    """A task's models by MACs; in bold the rungs and rivals that no cheaper one beats in validation."""
    if not found:
        return
    front = ladder_front(found)
    head, length = steps_of(found)
    print(f"## {task}\n\n| model | MACs | weights |{head} seeds | trainings | rate | validation % | test % ± 95 % |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|" + "---:|" * bool(head))
    for row in found:
        bold = "**" * (Point(row.macs, row.mean(), row.model) in front)
        print(
            f"| {bold}{shown(row.model)}{bold} | {row.macs:,} | {row.records[0]['parameters']:,} |{length(row)} "
            f"{len(row.records)} | {row.trials} | {row.lr:g} | {100 * row.mean('validation'):.2f} | "
            f"{percent(row.values('test'))} |"
        )
    print()


def steps_of(found: Sequence[Row]) -> tuple[str, Callable[[Row], str]]:
    """The head and the cells of a column of steps and batch, where rows differ in them; else nothing."""
    if len({(row.steps, row.batch) for row in found}) == 1:
        return "", lambda row: ""
    return " steps x batch |", lambda row: f" {row.steps:,} x {row.batch} |"


def ladder_front(found: Sequence[Row]) -> list[Point]:
    """The test errors, over MACs, of the rungs and rivals that are on the frontier in validation."""
    return chosen((row.macs, row) for row in found if is_dense(row.model) and not is_mixed(row.model))


def glances(found: Sequence[Row]) -> None:
    """Recall: of the cell that holds the middle of the box, and of any cell that touches it."""
    some = [row for row in found if row.model.startswith("glance-")]
    if not some:
        return
    head = " | ".join(f"recall@{k} %" for k in LOOKS) + " | " + " | ".join(f"touched@{k} %" for k in LOOKS)
    print(f"## The object's cell, by a glance trained with boxes\n\n| task | view | cell | MACs | {head} |")
    print("|---|---:|---:|---:|" + "---:|" * (2 * len(LOOKS)))
    for row in some:
        _, down, cell = row.model.split("-")
        figures = [100 * (1 - row.mean("test", f"{name}@{k}")) for name in ("miss", "blind") for k in LOOKS]
        print(f"| {row.task} | 1/{down} | {cell} | {row.macs:,} | " + " | ".join(f"{v:.2f}" for v in figures) + " |")
    print()


def controls(found: Sequence[Row]) -> None:
    """Every saccade network beside its controls, and beside the ladder at equal MACs."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if row.model.startswith("saccade:") and not is_mixed(row.model):
            groups.setdefault((row.task, row.model.split(":")[1]), []).append(row)
    if not groups:
        return
    head, length = steps_of([row for group in groups.values() for row in group])
    print(
        "## Selectors at the same budget of cells\n\n"
        f"| task | genome | MACs | selector |{head} test % ± 95 % | closed gap | ladder there % |"
    )
    print("|---|---|---:|---|---:|---:|---:|" + "---:|" * bool(head))
    for (task, genome), group in groups.items():
        front = ladder_front([row for row in found if row.task == task])
        for row in sorted(group, key=Row.mean):
            random, oracle = (_end(group, selector, row) for selector in ("random", "oracle"))
            gap = closed_gap(random.mean(), row.mean(), oracle.mean()) if random and oracle else None
            dense = error_at(front, row.macs)
            print(
                f"| {task} | {Path(genome).stem} | {row.macs:,} | {row.model.split(':')[2]} |{length(row)} "
                f"{percent(row.values('test'))} | "
                f"{'-' if gap is None else f'{gap:.2f}'} | {'-' if dense is None else f'{100 * dense:.2f}'} |"
            )
    print()


def _end(group: Sequence[Row], selector: str, like: Row) -> Row | None:
    """The control that a gap is measured from: trained for as long as `like`, else the one of the most steps."""
    some = [row for row in group if row.model.split(":")[2] == selector]
    return max(some, key=lambda row: ((row.steps, row.batch) == (like.steps, like.batch), row.steps), default=None)


def sizes(out: Path, found: Sequence[Row]) -> None:
    measured = {(line["name"], line["side"]): line for line in lines(out / "sizes.jsonl")}
    if not measured:
        return
    print("## Trained at one size, tested at others (test error %, millions of MACs)\n")
    print("| model | trained at | " + " | ".join(map(str, SIDES)) + " |\n|---|---:|" + "---:|" * len(SIDES))
    for row in found:
        cells = []
        for side in SIDES:
            some = [measured[r["name"], side] for r in row.records if (r["name"], side) in measured]
            cells.append(f"{percent([s['error'] for s in some])} ({some[0]['macs'] / 1e6:.1f})" if some else "-")
        if set(cells) != {"-"}:
            print(f"| {shown(row.model)} | {side_of(row.task)} | " + " | ".join(cells) + " |")
    print()


def corruptions(out: Path, found: Sequence[Row]) -> None:
    measured = {(line["name"], line["corruption"]): line["error"] for line in lines(out / "corrupted.jsonl")}
    if not measured:
        return
    names = list(dict.fromkeys(name for _, name in measured))
    print("## Corrupted clutter:100 (test error %)\n\n| model | MACs | mean | " + " | ".join(names) + " |")
    print("|---|---:|---:|" + "---:|" * len(names))
    for row in found:
        by_name = {n: [measured[r["name"], n] for r in row.records if (r["name"], n) in measured] for n in names}
        if all(by_name.values()):
            each = " | ".join(f"{100 * mean(values):.1f}" for values in by_name.values())
            overall = mean(mean(values) for values in by_name.values())
            print(f"| {shown(row.model)} | {row.macs:,} | {100 * overall:.2f} | {each} |")
    print()


def times(out: Path) -> None:
    found = milliseconds(out)
    columns = [(batch, threads) for batch in BATCHES for threads in THREADS]
    if not found:
        return
    macs = {(line["task"], line["model"]): line["macs"] for line in lines(out / "clock.jsonl")}
    print("## Milliseconds an image, medians\n\n| task | model | MACs | ", end="")
    print(" | ".join(f"batch {b}, {t} thread{'s' * (t > 1)}" for b, t in columns) + " |")
    print("|---|---|---:|" + "---:|" * len(columns))
    for task, model in sorted(macs, key=lambda pair: (side_of(pair[0]), macs[pair])):
        cells = [found.get((task, model, *column)) for column in columns]
        figures = " | ".join("-" if value is None else f"{value:.3f}" for value in cells)
        print(f"| {task} | {shown(model)} | {macs[task, model]:,} | {figures} |")
    print()


def percent(values: Sequence[float]) -> str:
    """The mean in percent with the half-width of its 95 % interval, where there is more than one value."""
    found = estimate([100 * value for value in values])
    return f"{found.mean:.2f}" + ("" if found.half is None else f" ± {found.half:.2f}")
