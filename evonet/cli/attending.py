"""The verb that shows where a network looks: attend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, number, percent, print_json, print_table
from evonet.cli.running import DataDir

if TYPE_CHECKING:
    from evonet.evaluation.attention import Attention
    from evonet.report.attention import Attended, Look

_NOT_WHY = "This shows which evidence the answers used, not why these cells were chosen."


def attend(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.evo", help="A package; - reads one, or its base64, from a pipe.")
    ],
    data: Annotated[str, typer.Option("--data", help="The data, as for eval, for example clutter:100.")],
    index: Annotated[
        list[int] | None, typer.Option("--index", min=0, help="An image of the split; several, again and again.")
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the images, a row each; replaces the file.")] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="Measure over many images where it looks and what that is worth.")
    ] = False,
    images: Annotated[int, typer.Option("--images", min=1, help="How many, with --measures.")] = 500,
    data_dir: DataDir = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation or choice.")] = "validation",
    json: Json = False,
) -> None:
    """Where a network with a saccade gene looked, and what of the image it read. Not why it looked there."""
    from evonet import attending
    from evonet.cli.packages import read_package

    if not index and not measures:
        raise typer.BadParameter("name an image with --index N, or ask for --measures")
    if png and not index:
        raise typer.BadParameter("--png draws images: name them with --index N")
    package, where = read_package(file), str(file)
    shown = attending.attend(package, spec=data, data_dir=data_dir, split=split, indices=index or (), where=where)
    measured = None
    if measures:
        measured = attending.attention(package, spec=data, data_dir=data_dir, split=split, images=images, where=where)
    if png:
        from evonet.report.attention import draw_attention

        draw_attention(shown, png, title=f"{file.name}: {number(len(package))} bytes" if where != "-" else "")
    if json:
        print_json({"images": [attended for attended, _ in shown], "measures": measured})
        return
    for attended, _ in shown:
        _print(attended)
    if measured is not None:
        _print_measures(measured, f"{data} {split}")
    print(_NOT_WHY)
    if png:
        print(f"wrote {png}")


def _print(one: Attended) -> None:
    rows, columns = one.grid
    fixations = f"{one.fixations} fixation{'s' * (one.fixations != 1)}, " if one.fixations else ""
    print(
        f"{one.data} {one.split}, image {one.index}, label {one.label}: answer {one.answer}, {percent(one.probability)}"
    )
    print(
        f"{fixations}{number(one.cells)} of {number(rows * columns)} cells, {percent(one.pixels)} of the pixels, "
        f"{number(one.macs)} multiply-adds" + (" at most" if one.fixations else "")
    )
    header = ["look", "class", "row", "column", "pixels read (y, x)", "weight"]
    if one.fixations:
        header[1:1] = ["fixation"]
        header.append(f"p({one.answer}) after")
    print_table(header, [_line(one, look) for look in one.looks], left=("pixels read (y, x)",))
    print("".join(f"{name} (a motif of each sheet of the eye)\n" for name in one.classes))


def _line(one: Attended, look: Look) -> list[str]:
    y0, x0, y1, x1 = look.window
    line = [str(look.number), str(look.kind), *map(str, look.cell), f"{y0}..{y1 - 1}, {x0}..{x1 - 1}"]
    line.append(f"{look.weight:.3f}")
    if one.fixations:
        line[1:1] = [str(look.fixation)]
        line.append(percent(one.probabilities[look.fixation - 1]))
    return line


def _print_measures(found: Attention, where: str) -> None:
    beside = "by chance"
    rows = [
        ("a look at the object's box", percent(found.hit), percent(found.hit_chance)),
        ("a look at the box's middle", percent(found.centre), percent(found.centre_chance)),
        ("ink of the box that was read", percent(found.ink), percent(found.pixels)),
        ("a look at the box, among other clutter", percent(found.swap_hit), percent(found.hit_chance)),
        ("same answer, among other clutter", percent(found.swap_same), ""),
        ("accuracy", percent(found.accuracy), ""),
        ("accuracy, noise in all that was read", percent(found.necessity_accuracy), ""),
        ("answers that this noise changes", percent(found.necessity_changed), ""),
        ("answers whose logits noise elsewhere changes", percent(found.changed), ""),
    ]
    title = (
        f"{where}, {number(found.images)} images: {found.cells:.1f} cells and {found.fixations:.1f} fixations each, "
        f"{percent(found.pixels)} of the pixels read"
    )
    print_table(("measure", "found", beside), rows, title, left=("measure",))
    held = "by noise in all that was not read, cells and weights held"
    print(f"largest change of a logit {held}: {found.counterfactual:g}")
    if not found.alone:
        print("not 0 by construction: the cells that were not chosen are filled, or the image is read again, elsewhere")
    again = "noise elsewhere, cells held, weights as the glance gives them"
    print(f"{again}: {percent(found.reweighed_changed)} of answers change, a logit by {found.reweighed:g} at most")
    if found.hit is None:
        print("- without boxes: the data do not say where their objects are")
    lines = [(one.order, f"{one.deletion_area:.3f}", f"{one.insertion_area:.3f}") for one in found.curves]
    title = "area under the answer's probability as looks are deleted (less is better), inserted (more is better)"
    print_table(("looks by", "deletion", "insertion"), lines, title, left=("looks by",))


COMMANDS = (("attend", attend, "evonet attend model.evo --data clutter:100 --index 7 --png looked.png"),)
