"""The verb that says where an individual comes from, edit by edit: why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, RunPath, counted, number, percent, points, print_json, print_table
from evonet.cli.running import Address, DataDir, TrustCode, Workers

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
    trust_code: TrustCode = False,
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
            from evonet.changes import check_trust_run
            from evonet.reverting import measure as measure_edits

            check_trust_run(opened, run, trusted=trust_code)
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
    header = ("birth", "with", "born by", "score", "accuracy", "bytes", "edits")
    print_table(header, map(_line, found.births), left=("birth", "with", "born by", "edits"))
    _print_notes(found)
    print()
    print("\n".join(_edits(found)))
    if measured is not None:
        lines = [(str(r.step), _of_step(found, r.step), *_brought(r)) for r in measured.reverted]
        lines.append(("all", "", *(_signed(name, measured.brought.get(name)) for name in _NAMES)))
        trainings = f"{counted(measured.seeds, 'training')} of {measured.steps:,} steps"
        title = f"the same without it, {trainings} from scratch, mean ± 95 %"
        print_table(("edit", "birth", "score", "accuracy", "bytes"), lines, title, left=("birth",))
        _print_measured(found, measured)


_NAMES: tuple[Name, ...] = ("score", "accuracy", "bytes")


def _line(birth: Birth) -> tuple[str, ...]:
    others = " ".join(f"#{p}" for p in birth.parents[1:])
    none = "none left" if birth.undone else "no change of genes"
    numbers = " ".join(str(step.number) for step in birth.steps) or none
    return (f"#{birth.id}", others, birth.operator, *_change(birth.change), numbers)


def _edits(found: Ancestry) -> Iterator[str]:
    for birth in found.births:
        for step in birth.steps:
            for place, words in enumerate(step.words):
                yield (f"{f'edit {step.number}':9}{f'#{birth.id}':7}" if place == 0 else " " * 16) + words


def _of_step(found: Ancestry, number: int) -> str:
    return next(f"#{birth.id}" for birth in found.births for step in birth.steps if step.number == number)


def _change(change: Change | None) -> tuple[str, ...]:
    if change is None:
        return ("-",) * len(_NAMES)
    mark = _NOT_ALIKE if change.reason else ""
    return f"{change.score:+,.3f}{mark}", f"{100 * change.accuracy:+.1f} pp", f"{change.bytes:+,}"


def _brought(one: Reverted) -> tuple[str, ...]:
    if one.invalid:
        return ("no network", "", "")
    return tuple(_signed(name, one.brought.get(name)) for name in _NAMES)


def _signed(name: Name, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    scale, digits = {"accuracy": (100, 1), "bytes": (1, 0)}.get(name, (1, 3))
    half = "" if estimate.half is None else f" ± {scale * estimate.half:,.{digits}f}"
    return f"{scale * estimate.mean:+,.{digits}f}{half}" + (" pp" if name == "accuracy" else "")


def _print_notes(found: Ancestry) -> None:
    undone = sum(birth.undone for birth in found.births)
    print("score, accuracy, bytes: the child minus its first parent, at the same rung, having seen less than twice as")
    print("much (pp: percentage points); how much of it is the edit and how much the longer training, --measure says")
    for birth in found.births:
        if birth.change is not None and birth.change.reason:
            print(f"{_NOT_ALIKE} #{birth.id}: not comparable, {birth.change.reason}")
    if undone:
        print(f"left out: {undone} edit{'s' * (undone != 1)} along the way that later ones undid")
    if not found.exact:
        print("these edits do not make the whole genome: the order of its genes has changed as well")


def _print_measured(found: Ancestry, measured: Measured) -> None:
    print(
        f"#{found.champion.id} minus itself without the edit, on {measured.data}: where the score is above 0, the edit "
        f"helps. all: minus #{found.founder.id}, trained alike."
    )
    print("A field goes back to what it was before the edit, whatever has changed it since.")
    for one in measured.reverted:
        if one.invalid:
            print(f"edit {one.step} alone cannot be reverted: {one.invalid}")
        elif one.scored < measured.seeds:
            print(f"edit {one.step}: without it {one.scored} of {measured.seeds} trainings were scored")


def _who(r: Row) -> str:
    return f"#{r.id}  score {points(r.score)}  validation accuracy {percent(r.accuracy)}  {number(r.bytes)} bytes"


COMMANDS = (("why", why, "evonet why runs/0001-digits 203, or with --measure --seeds 9"),)
