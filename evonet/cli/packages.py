"""Packages as arguments: files, individuals of runs, and what comes through a pipe."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from evonet.cli.output import number, print_json, print_table, print_trade_offs
from evonet.errors import ExportError

LONGEST = 4 * 2**20  # bytes through a pipe: many times what a package may have


def read_package(file: Path) -> bytes:
    """The bytes of a file; `-`: of standard input, or their base64."""
    from evonet.report.packages import from_text

    return from_text(sys.stdin.buffer.read(LONGEST)) if str(file) == "-" else file.read_bytes()


def show_package(name: str, id: int | None, *, text: bool, json: bool) -> None:
    """A package's genes and tensors, or the whole of it as text."""
    from evonet.report import packages

    data = _bytes_of(name, id)
    if text:
        print_json({"base64": packages.as_text(data)}) if json else print(packages.as_text(data))
        return
    _show(name, data, json)


def _bytes_of(name: str, id: int | None) -> bytes:
    if Path(name).is_file():
        if id is not None:
            raise typer.BadParameter(f"{name} is one package and has no individuals: leave the ID out")
        return Path(name).read_bytes()
    from evonet.store import open_run

    if id is None:
        raise typer.BadParameter("--base64 is for one individual: name its ID, or a package")
    with open_run(Path(name)) as run:
        package = run.package(run.individual(id).id)
    if package is None:
        raise ExportError(f"{name}: individual {id} was never scored, expected one with weights")
    return package


def _show(name: str, data: bytes, json: bool) -> None:
    from evonet.errors import PackageError
    from evonet.package import unpack
    from evonet.report import drawing, packages

    try:
        package = unpack(data)
    except PackageError as error:
        raise PackageError(f"{name}: {error}") from None
    rows = packages.rows(package)
    if json:
        print_json({"bytes": len(data), "input": package.input, "classes": package.classes, "tensors": rows})
        return
    shape = "x".join(map(str, package.input))
    print(f"{name}: {number(len(data))} bytes, images of {shape}, {package.classes} classes")
    print("\n".join(f"  {line}" for line in (*drawing.draw_genome(package.genome), *drawing.draw_expression(package))))
    print(f"  {drawing.LEGEND}")
    print_trade_offs(packages.plan_of(package))
    lines = [
        (
            row.name,
            "x".join(map(str, row.shape)),
            row.code,
            "" if row.step is None else f"{row.step:.4g}",
            number(row.nonzero),
            f"{row.bits / 8:,.0f}",
        )
        for row in rows
    ]
    header = ("tensor", "live", "code", "step", "not zero", "bytes, about")
    print_table(header, lines, left=("tensor", "live", "code"))
