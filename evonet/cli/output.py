"""Printing: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from typer.core import TyperCommand, TyperOption

if TYPE_CHECKING:
    from evonet.plan import Plan
    from evonet.report.tables import Row

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, for example runs/0001-digits.")]


class Command(TyperCommand):
    """Help in plain text: typer escapes brackets as for rich markup, which is off here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.envvar is None:
                parameter.show_envvar = False  # else errors about it end in (env var: 'None')

    def get_help(self, ctx: Any) -> str:
        return super().get_help(ctx).replace("\\[", "[")


def print_json(value: object) -> None:
    """`value` (plain data or records) as one JSON document on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    header: Sequence[str], lines: Iterable[Sequence[str]], title: str = "", *, left: Sequence[str] = ()
) -> None:
    """A table as wide as it needs to be, columns to the right but for those in `left`, and an empty line.

    Not by rich, whose import takes as long as all that a reading verb has to do.
    """
    rows = [tuple(header), *([cell.replace("\n", " ") for cell in line] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.ljust if name in left else str.rjust for name in header]
    head, *body = (
        " " + "   ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
        for row in rows
    )
    rule = " " + "─" * (sum(widths) + 3 * (len(widths) - 1))
    print(*filter(None, [title]), head, rule, *body, "", sep="\n")


def print_trade_offs(plan: Plan) -> None:
    """What a network that looks spends where; nothing for others."""
    from evonet.plan.tradeoffs import trade_offs

    found = trade_offs(plan)
    for name, value in found.rows().items() if found else ():
        print(f"{name}: {value}")


def print_rows(
    header: Sequence[str],
    line: Callable[[Row], Sequence[str]],
    rows: Sequence[Row],
    title: str = "",
    *,
    left: Sequence[str] = (),
) -> None:
    """A table of individuals; before "seen" what runs measure on request, where anybody has it."""
    extras = {name: cell for name, cell in _EXTRAS.items() if any(cell(r) != "-" for r in rows)}
    at = list(header).index("seen")
    full = ((*cells[:at], *(cell(r) for cell in extras.values()), *cells[at:]) for r in rows for cells in [line(r)])
    print_table((*header[:at], *extras, *header[at:]), full, title, left=left)


_EXTRAS: dict[str, Callable[[Row], str]] = {
    "corrupted": lambda r: percent(r.corrupted_accuracy),
    "ms": lambda r: number(r.milliseconds, 3),
}


def asked(r: Row) -> Iterator[str]:
    """What runs measure on request, in words."""
    if r.corrupted_loss is not None:
        yield f"under corruptions: accuracy {percent(r.corrupted_accuracy)}, {r.corrupted_loss:.3f} bits per label"
    if r.milliseconds is not None:
        yield milliseconds(r.milliseconds, r.single_ms, r.batched_ms)


def console(*, wide: bool = False):  # type: ignore[no-untyped-def]  # rich is imported on use
    from rich.console import Console

    return Console(markup=False, highlight=False, soft_wrap=True, width=200 if wide else None)


def number(value: float | None, digits: int = 0) -> str:
    """With thousands separated, "-" for None."""
    return "-" if value is None else f"{value:,.{digits}f}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def percent(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def milliseconds(predicted: float, single: float | None, batched: float | None) -> str:
    """What a forward pass takes per image: by the cost table, and measured one at a time and 64 at a time."""
    measured = "" if single is None or batched is None else f"; measured {single:.3f} alone, {batched:.3f} in a batch"
    return f"{predicted:.3f} ms an image predicted for the stages{measured} (one thread)"


def points(value: float | None) -> str:
    """A score; what it measures depends on the configuration, and so does its size."""
    return number(value, 3 if value is not None and abs(value) < 100 else 0)


def parents(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids)) or "-"
