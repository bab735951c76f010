"""The verbs for anybody's small network: pack and unpack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, number, percent, print_json, print_table

if TYPE_CHECKING:
    from evonet.packing.files import Card


def pack(
    source: Annotated[Path, typer.Argument(metavar="MODEL.safetensors", help="A state dict of any network.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new .evw file.")],
    error: Annotated[
        float | None,
        typer.Option(
            "--error",
            min=0,
            max=1,
            help="Of the largest tensor: root mean square error over that of its weights; smaller ones get less, "
            "down to a quarter (default 0.05; 0: weights as they are, if float16 holds them).",
        ),
    ] = None,
    size: Annotated[int | None, typer.Option("--bytes", min=1, help="Instead: the least error that fits.")] = None,
    json: Json = False,
) -> None:
    """Compress the weights of a small network, evolved or not; evonet unpack gives them back."""
    from evonet.packing.files import pack_file

    if error is not None and size is not None:
        raise typer.BadParameter("--error and --bytes exclude each other: give one")
    card = pack_file(source, out, error=error, size=size)
    if json:
        print_json({"out": str(out), "card": card})
        return
    _print_tensors(card)
    print(
        f"wrote {out}: {number(card.before)} bytes before, {number(card.after)} after, "
        f"1 to {card.before / card.after:.1f}, {8 * card.after / max(1, card.weights):.2f} bits a weight in all"
    )
    if any(row.error for row in card.tensors) and all(row.error in (None, 0.0, 1.0) for row in card.tensors):
        print("no weight is left but 0: give more --bytes, or ask for a lesser --error")


def unpack(
    source: Annotated[Path, typer.Argument(metavar="FILE.evw", help="What evonet pack wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new safetensors file.")],
    json: Json = False,
) -> None:
    """Write packed weights as a safetensors file that the network they came from loads."""
    from evonet.packing.files import unpack_file

    card = unpack_file(source, out)
    if json:
        print_json({"out": str(out), "card": card})
        return
    print(
        f"wrote {out}: {number(card.weights)} weights in {number(len(card.tensors))} tensors, "
        f"{number(card.before)} bytes before, {number(card.after)} after"
    )


def _print_tensors(card: Card) -> None:
    lines = [
        (
            row.name,
            "x".join(map(str, row.shape)) or "one number",
            row.dtype,
            row.code,
            "" if row.step is None else f"{row.step:.4g}",
            f"{row.bits:.2f}",
            percent(row.error, 2),
        )
        for row in card.tensors
    ]
    header = ("tensor", "shape", "dtype", "code", "step", "bits a weight", "error")
    print_table(header, lines, left=header[:4])


COMMANDS = (
    ("pack", pack, "evonet pack model.safetensors --error 0.05 -o model.evw"),
    ("unpack", unpack, "evonet unpack model.evw -o model.safetensors"),
)
