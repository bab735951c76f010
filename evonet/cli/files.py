"""The verbs about files and this machine: expand, export, eval, doctor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from evonet.cli.output import Json, RunPath, counted, milliseconds, percent, print_json, print_table, print_trade_offs
from evonet.cli.running import DataDir, TrustCode

if TYPE_CHECKING:
    from evonet.genome.genes import Genome
    from evonet.plan import Plan
    from evonet.store import Run

_SHAPE = re.compile(r"(\d{1,6})x(\d{1,6})x(\d{1,6})")


class Written(NamedTuple):
    """One exported network."""

    folder: str
    individual: int
    files: tuple[str, ...]
    card: dict[str, str | int | float]
    difference: float | None


def expand(
    genome: Annotated[Path, typer.Argument(metavar="GENOME.toml")],
    input: Annotated[str, typer.Option("--input", help="channels x height x width of an image.")] = "1x28x28",
    classes: Annotated[int, typer.Option("--classes", min=1)] = 10,
    png: Annotated[Path | None, typer.Option("--png", help="Draw taps and masks.")] = None,
    npz: Annotated[Path | None, typer.Option("--npz", help="Save the full masks and weight slots.")] = None,
    safetensors: Annotated[Path | None, typer.Option("--safetensors", help="The same as safetensors.")] = None,
    json: Json = False,
) -> None:
    """What a genome means for images of one shape: sheets, taps, masks, costs. Nothing is trained."""
    from evonet.genome.text import load
    from evonet.plan import expand as expand_genome

    shape = _shape(input)
    loaded = load(genome)
    plan = expand_genome(loaded, input=shape, classes=classes)
    if png:
        from evonet.report.pictures import draw_expansion

        draw_expansion(plan, png, title=genome.stem)
    if npz or safetensors:
        from evonet.export.masks import save_masks

        if npz:
            save_masks(plan, npz, "npz")
        if safetensors:
            save_masks(plan, safetensors, "safetensors")
    if json:
        print_json(plan)
        return
    _print_expansion(loaded, plan)
    for file in filter(None, (png, npz, safetensors)):
        print(f"wrote {file}")


def _print_expansion(genome: Genome, plan: Plan) -> None:
    from evonet.genome.code import encode
    from evonet.plan.lowering import predicted
    from evonet.report import expansion
    from evonet.report.drawing import LEGEND
    from evonet.timing import CostTable

    print("\n".join(expansion.draw_plan(genome, plan)))
    print(LEGEND)
    print_table(*expansion.distances(plan), left=("connections by distance",))
    print_table(*expansion.costs(plan), left=("stage", "mixing", "computed as"))
    step_ms = predicted(plan, CostTable()) / 1e6
    costs, size, bits = plan.costs, len(encode(genome)), expansion.mask_bits(plan)
    print(
        f"{costs.weights:,} weights, {costs.connections:,} connections, {costs.macs:,} multiply-adds, "
        f"{costs.neurons:,} neurons"
    )
    print_trade_offs(plan)
    if plan.saccade is None:  # else it is among the trade-offs
        print(f"{step_ms:,.1f} ms predicted for the stages of a training step on 128 images (default cost table)")
    print(f"genome {size:,} bytes, {8 * size:,} bits for masks of {bits:,} bits: 1 to {bits / (8 * size):,.0f}")


def _shape(text: str) -> tuple[int, int, int]:
    match = _SHAPE.fullmatch(text)
    if not match:
        raise typer.BadParameter(f"{text!r}, expected channels x height x width such as 1x28x28", param_hint="--input")
    channels, height, width = map(int, match.groups())
    return channels, height, width


def export(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    id: Annotated[int | None, typer.Option("--id", min=0, help="This individual.")] = None,
    best: Annotated[
        int, typer.Option("--best", min=1, help="The best so many; above 1 each in a folder of its own.")
    ] = 1,
    format: Annotated[
        str, typer.Option("--format", help="Some of safetensors, pt, evo, dense.")
    ] = "safetensors,pt,evo",
    masks: Annotated[bool, typer.Option("--masks", help="The full masks too, as masks.npz.")] = False,
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
    json: Json = False,
) -> None:
    """Write networks as PyTorch checkpoints with their code, masks and measured numbers, checked without evonet."""
    from evonet.changes import check_trust_data
    from evonet.report import tables
    from evonet.store import open_run

    written = []
    with open_run(Path(run)) as opened:
        check_trust_data(tables.config_of(opened), run, trusted=trust_code)
        if id is None:
            chosen = [r.id for r in tables.best_rows(tables.rows(opened, tables.config_of(opened).score), best)]
        else:
            chosen = [opened.individual(id).id]
        if not chosen:
            raise _nothing(run, "an individual that was scored, came none")
        for individual in chosen:
            folder = out if len(chosen) == 1 else out / str(individual)
            written.append(_export(opened, individual, folder, tuple(format.split(",")), masks, data_dir))
    if json:
        print_json([one._asdict() for one in written])
        return
    for one in written:
        print(f"{one.folder}  individual {one.individual}: {', '.join(one.files)}")
        print("  " + ", ".join(f"{k} {v:,.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in one.card.items()))


def _nothing(run: str, expected: str) -> Exception:
    from evonet.errors import ExportError

    return ExportError(f"{run}: expected {expected}. See evonet show --all {run}")


def _export(
    opened: Run, individual: int, folder: Path, formats: tuple[str, ...], masks: bool, data_dir: Path | None
) -> Written:
    from evonet import export as exporter
    from evonet import measured
    from evonet.report import tables

    package = opened.package(individual)
    if package is None:
        raise _nothing(str(opened.path), f"weights of individual {individual}, which was never scored")
    card = measured.card_of(opened, individual, package, tables.config_of(opened), data_dir)
    done = exporter.export(package, folder, formats=formats, masks=masks, card=card)
    return Written(str(done.folder), individual, done.files, card, done.difference)


def evaluate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.evo", help="A package; - reads one, or its base64, from a pipe.")
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="digits, mnist, clutter:SIDE, clutter:SIDE:ink, permuted, lag:R, scramble:KIND, idx:FOLDER or "
            "npz:FILE.",
        ),
    ],
    data_dir: DataDir = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation, choice or test.")] = "test",
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            "--corruption",
            metavar="NAME",
            help="Measure under this corruption, too; may be repeated, all: the fifteen of MNIST-C and their mean.",
        ),
    ] = None,
    time: Annotated[bool, typer.Option("--time", help="Milliseconds an image, too; one thread.")] = False,
    json: Json = False,
) -> None:
    """How good the network in a file is: accuracy, loss, bytes, costs."""
    from evonet import measured
    from evonet.cli.packages import read_package

    found = measured.evaluate(
        read_package(file),
        spec=data,
        data_dir=data_dir,
        split=split,
        where=str(file),
        corruptions=corruption or (),
        timed=time,
    )
    if json:
        print_json(found)
        return
    print(
        f"{file}: {found.bytes:,} bytes, {counted(found.sheets, 'sheet')}, {found.weights:,} weights, "
        f"{found.macs:,} multiply-adds"
    )
    if found.input != found.packed:
        came, packed = ("x".join(map(str, shape)) for shape in (found.input, found.packed))
        print(f"expanded again, with the same weights, for images of {came}; it was packed for {packed}")
    print(
        f"{found.data} {found.split}, {found.images:,} images: accuracy {percent(found.accuracy, 2)}, "
        f"{found.loss:.4f} bits per label"
    )
    if found.milliseconds is not None:
        print(milliseconds(found.milliseconds, found.single_ms, found.batched_ms))
    if found.corruptions:
        rows = [(c.name, percent(c.accuracy, 2), f"{c.loss:.4f}") for c in found.corruptions]
        print_table(("corruption", "accuracy", "bits per label"), rows, left=("corruption",))


def doctor(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run to look at, instead of the machine.")
    ] = None,
    json: Json = False,
    repair: Annotated[
        Path | None, typer.Option("--repair", help="A new folder for what is whole of RUN, which stays as it is.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure how fast this machine computes motifs: a [costs] section.")
    ] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="With --calibrate: a file for the section.")] = None,
) -> None:
    """Whether this machine has what evonet needs, or a run is whole; exit code 1 where something is missing."""
    from evonet.doctor import calibrated, examine, examine_run

    if repair is not None:
        if run is None:
            raise typer.BadParameter("--repair NEW needs the run that is to be repaired")
        _repair(run, repair)
        return
    if out is not None and not calibrate:
        raise typer.BadParameter("-o FILE holds what --calibrate measures: give both or neither")
    if calibrate:
        section = calibrated()
        if out is None:
            print(section, end="")
        else:
            from evonet.files import write_whole

            write_whole(out, section.encode())
        return
    checks = examine() if run is None else examine_run(run)
    if json:
        print_json(checks)
    elif run is not None:
        for c in checks:
            print(f"{'ok' if c.ok else 'NO'}  {c.name}: {c.found}" + (f"\n    {c.advice}" if c.advice else ""))
    else:
        lines = [(c.name, "ok" if c.ok else "NO", c.found, c.advice) for c in checks]
        print_table(("check", "state", "found", "what to do"), lines, left=("check", "state", "found", "what to do"))
    if not all(c.ok for c in checks):
        raise typer.Exit(1)


def _repair(run: Path, target: Path) -> None:
    from evonet.doctor import is_sound
    from evonet.store.repair import repair

    found = repair(run, target, is_sound)
    kept = found.decisions
    print(
        f"{target}: decisions 0..{kept - 1} of {run}" if kept else f"{target}: no decision of {run}, all is made anew"
    )
    if found.left_out:
        print(
            f"left out: {found.left_out} events of later decisions; what they asked for (evonet inject, cull, "
            "fork --set) has to be asked for again"
        )
    if not found.complete:
        print("not all events could be read: if something was injected, culled or set, the run may refuse to go on")
    print(f"go on with  evonet resume {target}")


COMMANDS = (
    ("expand", expand, "evonet expand genomes/dilated.toml --input 1x28x28 --png dilated.png"),
    ("export", export, "evonet export runs/0001-digits --best 1 --out exports/digits --masks"),
    ("eval", evaluate, "evonet eval exports/digits/model.evo --data digits"),
    ("doctor", doctor, "evonet doctor, or evonet doctor runs/0001-digits"),
)
