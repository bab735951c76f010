"""The verb that makes one network smaller or better: refine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, counted, percent, print_json, print_table
from evonet.cli.running import DataDir

if TYPE_CHECKING:
    from evonet.job import Round
    from evonet.refining import Card, Quality


def refine(
    source: Annotated[Path, typer.Argument(metavar="FILE.evo|GENOME.toml|RUN", help="What to refine.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new .evo file.")],
    id: Annotated[int | None, typer.Option("--id", min=0, help="Of a run: this individual.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="As of eval; default: the configuration's.")] = None,
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Rounds of one epoch each.")] = None,
    size: Annotated[
        int | None,
        typer.Option("--bytes", min=1, help="Aim at so many (default: as configured, or the file's)."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda[:N]; another one may go on. Default: [workers] device.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A run configuration: its [data], [training], [compression], [budget]."),
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, with --config.")
    ] = None,
    json: Json = False,
) -> None:
    """Train and compress one network for longer: annealed, its codes held step by step, polished. Ctrl-C stops.

    The same command goes on where it was stopped.
    """
    from evonet import app, refining
    from evonet.config import load_config

    if set and config is None:
        raise typer.BadParameter("it changes keys of a configuration: name one with --config", param_hint="--set")
    start = refining.read_source(source, id)
    loaded = refining.DEFAULTS if config is None else load_config(config, set or ())
    if size is None and config is None and start.package:
        size = len(start.package)
    loaded = refining.settings_of(loaded, spec=data, epochs=epochs, size=size, seed=seed, device=device)
    loaded = app.override_data(loaded, data_dir)
    with app.stop_signals() as stop:
        card = refining.refine(start, loaded, out, each=_quiet if json else _tell, stop=stop)
    if json:
        print_json({"out": str(out), "card": card})
    else:
        _print_card(out, card, loaded.data.spec, data_dir)


def _tell(done: int, rounds: int, last: Round) -> None:
    print(
        f"round {done}/{rounds}  loss {last.train_loss:.4f} in training, {last.float_loss:.4f} on calibration, "
        f"{last.loss:.4f} decoded, {last.bytes:,} bytes",
        flush=True,
    )


def _quiet(done: int, rounds: int, last: Round) -> None:
    del done, rounds, last


def _print_card(out: Path, card: Card, spec: str, data_dir: Path | None) -> None:
    def cells(quality: Quality | None) -> tuple[str, ...]:
        if quality is None:
            return ("",) * 5
        return (
            f"{quality.bytes:,}",
            percent(quality.validation_accuracy, 2),
            f"{quality.validation_loss:.4f}",
            percent(quality.choice_accuracy, 2),
            f"{quality.choice_loss:.4f}",
        )

    names = ("bytes", "validation accuracy", "validation loss, bits a label", "choice accuracy", "choice loss")
    print_table(
        ("", "before", "after"), list(zip(names, cells(card.before), cells(card.after), strict=True)), left=("",)
    )
    where = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    print(
        f"wrote {out} after {counted(card.rounds, 'round')}, {card.seen:,} examples; "
        f"test it with: evonet eval {shlex.quote(str(out))} --data {spec}{where}"
    )


COMMANDS = (("refine", refine, "evonet refine model.evo --data mnist --data-dir ~/data --epochs 40 -o smaller.evo"),)
