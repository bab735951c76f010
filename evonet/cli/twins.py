"""The verb about controls: twin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, RunPath, counted, number, percent, print_json, print_table
from evonet.cli.running import Address, DataDir, TrustCode, Workers

if TYPE_CHECKING:
    from evonet.twins import Estimate, Name

_HEADERS: dict[Name, str] = {
    "accuracy": "accuracy",
    "choice_accuracy": "on choice",
    "loss": "loss",
    "bytes": "bytes",
    "macs": "MACs",
    "weights": "weights",
    "nonzero": "not zero",
    "taps": "live taps",
    "long_share": "long share",
    "corrupted_accuracy": "corrupted",
    "milliseconds": "ms",
}
_SHARES = ("accuracy", "choice_accuracy", "long_share", "corrupted_accuracy")
_DIGITS: dict[Name, int] = {"loss": 3, "milliseconds": 3}


def twin(
    run: RunPath,
    id: Annotated[int, typer.Argument(metavar="ID", help="The individual.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="random: taps drawn anew; cnn: full windows of radius 3 at most; frozen: what its line began with.",
        ),
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each side.")] = 4,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of each training (default: those of all rungs).")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
    json: Json = False,
) -> None:
    """An individual beside its matched control, both trained from scratch; the test split is not read."""
    from evonet import app
    from evonet.changes import check_trust_data
    from evonet.controls import KINDS
    from evonet.report.tables import config_of
    from evonet.store import open_run

    chosen = next((known for known in KINDS if known == kind), None)
    if chosen is None:
        raise typer.BadParameter(f"{kind!r}, expected {', '.join(KINDS)}", param_hint="--kind")
    with open_run(Path(run)) as opened:
        config = app.override_workers(app.override_data(config_of(opened), data_dir), count=workers, address=address)
        check_trust_data(config, run, trusted=trust_code)
        from evonet.twins import NAMES, compare

        found = compare(opened, id, config, kind=chosen, count=seeds, steps=steps)
    if json:
        print_json(found)
        return
    names = [n for n in _HEADERS if n in NAMES or any(n in side.measures for side in found.sides)]
    lines = [(side.name, f"{side.scored}/{seeds}", *_figures(side.measures, names)) for side in found.sides]
    lines.append(("difference", "", *_figures(found.difference, names)))
    trainings = f"{counted(seeds, 'training')} of {found.steps:,} steps"
    title = f"{found.run}, individual {id}: {trainings} on {found.data}, mean ± 95 %"
    print_table(("side", "scored", *(_HEADERS[n] for n in names)), lines, title, left=("side",))
    for side in found.sides:
        for failure in side.failures:
            print(f"{side.name}: {failure}")


def _figures(measures: dict[Name, Estimate], names: Sequence[Name]) -> tuple[str, ...]:
    return tuple(_figure(name, measures.get(name)) for name in names)


def _figure(name: Name, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    shown = percent if name in _SHARES else lambda value: number(value, _DIGITS.get(name, 0))
    return shown(estimate.mean) + ("" if estimate.half is None else f" ± {shown(estimate.half)}")


COMMANDS = (("twin", twin, "evonet twin runs/0001-digits 203 --kind random --seeds 9"),)
