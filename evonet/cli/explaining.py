"""The verb that says where an individual comes from, edit by edit: why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, RunPath, number, percent, points, print_json, print_table
from evonet.cli.running import Address, DataDir, Workers

if TYPE_CHECKING:
    from evonet.report.ancestry import Ancestry, Birth, Change
    from evonet.report.tables import Row
    from evonet.reverting import Measured, Name, Reverted
    from evonet.twins import Estimate

_NOT_ALIKE = "~"  # behind a change between evaluations that do not compare


def why(
    run: RunPath,
    id: Annotated[int | None, typer.Argument(metavar="[ID]", help="The individual (default: the best).")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Train it without each edit, from scratch, and compare.")
    ] = False,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each, with --measure.")] = 4,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of each training (default: those of all rungs).")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """The edits of genes that lead from the first of its line to an individual, and what each brought."""
    from evonet.errors import StoreError
    from evonet.report import tables
    from evonet.report.ancestry import ancestry
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        config = tables.config_of(opened)
        best = tables.best_of(opened, config.score) if id is None else None
        if id is None and best is None:
            raise StoreError(
                f"{run}: nothing is scored yet, so there is no best; name an individual: evonet why RUN ID"
            )
        found, measured = ancestry(opened, best.id if best else id or 0), None
        if measure:
            from evonet import app
            from evonet.reverting import measure as measure_edits

            config = app.override_workers(app.override_data(config, data_dir), count=workers, address=address)
            measured = measure_edits(opened, found, config, count=seeds, steps=steps)
    if json:
        print_json({"ancestry": found, "measured": measured})
    else:
        _print(found, measured)


def _print(found: Ancestry, measured: Measured | None) -> None:
    births = f"{len(found.births)} birth{'s' * (len(found.births) != 1)}"
    print(f"from  {_who(found.founder)}  {found.founder.operator or found.founder.kind}")
    print(f"to    {_who(found.champion)}  after {births} along first parents")
    if not found.births:
        print("it has no parents: nothing was edited")
        return
    header = ("birth", "with", "born by", *_CHANGES, "edit", *(_MEASURED if measured else ()), "genes")
    lines = list(_lines(found, measured))
    print_table(header, lines, left=("birth", "with", "born by", "genes"), wrap=("genes",))
    _print_notes(found, measured)


_CHANGES = ("score", "accuracy", "bytes")
_MEASURED = ("measured score", "accuracy", "bytes")


def _lines(found: Ancestry, measured: Measured | None) -> Iterator[tuple[str, ...]]:
    reverted = {r.step: r for r in measured.reverted} if measured else {}
    gap = ("",) * len(_MEASURED) if measured else ()
    for birth in found.births:
        head = (f"#{birth.id}", " ".join(f"#{p}" for p in birth.parents[1:]), birth.operator, *_change(birth.change))
        if not birth.steps:
            yield (*head, "", *gap, "nothing that was not undone later" if birth.undone else "no change of genes")
        for step in birth.steps:
            figures = _brought(reverted[step.number]) if measured else ()
            for place, words in enumerate(step.words):
                yield (*head, *(("", *gap) if place else (str(step.number), *figures)), words)
                head = ("",) * len(head)


def _change(change: Change | None) -> tuple[str, ...]:
    if change is None:
        return ("-",) * len(_CHANGES)
    mark = _NOT_ALIKE if change.reason else ""
    return f"{change.score:+,.3f}{mark}", f"{100 * change.accuracy:+.1f} %", f"{change.bytes:+,}"


def _brought(one: Reverted) -> tuple[str, ...]:
    if one.invalid:
        return ("no network", "", "")
    return tuple(_signed(name, one.brought.get(name)) for name in ("score", "accuracy", "bytes"))


def _signed(name: Name, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    scale, digits = {"accuracy": (100, 1), "bytes": (1, 0)}.get(name, (1, 3))
    half = "" if estimate.half is None else f" ± {scale * estimate.half:,.{digits}f}"
    return f"{scale * estimate.mean:+,.{digits}f}{half}" + (" %" if name == "accuracy" else "")


def _print_notes(found: Ancestry, measured: Measured | None) -> None:
    undone = sum(birth.undone for birth in found.births)
    print("score, accuracy, bytes: the child minus its first parent, at the same rung and trained about as long")
    for birth in found.births:
        if birth.change is not None and birth.change.reason:
            print(f"{_NOT_ALIKE} #{birth.id}: not comparable, {_reason(birth)}")
    if undone:
        print(f"{undone} edit{'s' * (undone != 1)} along the way left out: later ones undid them")
    if not found.exact:
        print("these edits do not make the whole genome: the order of its genes has changed as well")
    if measured is None:
        return
    print(
        f"measured: #{found.champion.id} minus itself without the edit, {measured.seeds} trainings of "
        f"{measured.steps:,} steps from scratch on {measured.data}, mean ± 95 %; score > 0: the edit helps"
    )
    print("          a field goes back to what it was before the edit, whatever has changed it since")
    whole = ", ".join(f"{name} {_signed(name, measured.brought.get(name))}" for name in ("score", "accuracy", "bytes"))
    print(f"all edits together, #{found.champion.id} minus #{found.founder.id} trained alike: {whole}")
    for one in measured.reverted:
        if one.invalid:
            print(f"edit {one.step} alone cannot be reverted: {one.invalid}")
        elif one.scored < measured.seeds:
            print(f"edit {one.step}: without it {one.scored} of {measured.seeds} trainings were scored")


def _reason(birth: Birth) -> str:
    return birth.change.reason if birth.change else ""


def _who(r: Row) -> str:
    return f"#{r.id}  score {points(r.score)}  validation accuracy {percent(r.accuracy)}  {number(r.bytes)} bytes"


COMMANDS = (("why", why, "evonet why runs/0001-digits 203, or with --measure --seeds 9"),)
