"""The verb that watches a run from another terminal: watch."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Json, RunPath, console, number, percent, points, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from evonet.report.watching import Frame, Watch

BLOCKS, PLAIN_BLOCKS = "▁▂▃▄▅▆▇█", "_.:-=+*#"  # eight heights, also where a terminal has only ASCII
_SPARK = 48  # characters
_LABEL = 11


def watch(
    run: RunPath,
    once: Annotated[bool, typer.Option("--once", help="One look, and no more.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 1.0,
    top: Annotated[int, typer.Option("--top", min=1, max=50, help="How many of the best.")] = 8,
    json: Json = False,
) -> None:
    """A run at a glance, live from another terminal, until it ends or you press q. On a pipe, or as JSON: one look.

    Only reads, in short statements: the driver notices nothing.
    """
    from evonet.report.watching import Watch
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        watch = Watch(opened, top=top)
        if json:
            print_json(watch.look())
            return
        screen = console(wide=not sys.stdout.isatty())
        if not once and sys.stdout.isatty():
            _stay(watch, every)
        screen.print(render(watch.look(), unicode=_unicode(screen.encoding)))


def _stay(watch: Watch, every: float) -> None:
    """Redraw until the run ends or somebody wants out; the terminal is then as it was."""
    from rich.live import Live

    frame, screen = watch.look(), console()
    shape = _unicode(screen.encoding)
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            _keys() as pressed,
            Live(render(frame, unicode=shape, keys=True), console=screen, screen=True, auto_refresh=False) as live,
        ):
            while frame.state == "running" and not pressed(every):
                frame = watch.look()
                live.update(render(frame, unicode=shape, keys=True), refresh=True)
    finally:
        if screen.is_alt_screen:  # Ctrl-C while `Live` was starting: it goes without tidying up
            screen.set_alt_screen(False)
            screen.show_cursor(True)


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """A function that waits so many seconds and says whether q was pressed meanwhile."""
    try:
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
    except (ImportError, OSError, ValueError, termios.error):  # no terminal to read from: Ctrl-C is left
        yield _sleep
        return

    def pressed(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([fd], [], [], left)[0]:
                typed = os.read(fd, 64)  # past Python's buffer, which select does not see
                if not typed or b"q" in typed.lower():
                    return True
        return False

    try:
        tty.setcbreak(fd)
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def render(frame: Frame, *, unicode: bool = True, keys: bool = False) -> RenderableType:
    """The screen: figures above, the best below. Colours only repeat what words say."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [_head(frame), Text(), _facts(frame, unicode)]
    if frame.top:
        parts += [Text(), _best(frame, unicode)]
    if frame.state in ("dead", "stopped"):
        parts += [Text(), Text(f"go on with  evonet resume {_plain(frame.path)}")]
    if keys:
        parts += [Text(), Text("q or Ctrl-C: leave; the run goes on", style="dim")]
    return Group(*parts)


def _head(frame: Frame) -> Text:
    from rich.text import Text

    styles = {"running": "bold green", "finished": "bold", "dead": "bold red", "failed": "bold red"}
    return Text.assemble(
        (_plain(frame.name), "bold"),
        "  ",
        (frame.state, styles.get(frame.state, "bold yellow")),
        f"  data {_plain(frame.data)}  seed {frame.seed}  population {frame.population}",
    )


def _facts(frame: Frame, unicode: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=_LABEL, style="dim")
    grid.add_column(overflow="fold")
    for label, value in _lines(frame, unicode):
        grid.add_row(label, Text(_plain(value)))
    return grid


def _lines(frame: Frame, unicode: bool) -> Iterator[tuple[str, str]]:
    phase = "finishing" if frame.finishing and frame.state == "running" else f"generation {max(frame.generation, 0)}"
    left = "" if frame.minutes_left is None else f", about {_minutes(frame.minutes_left)} of search left"
    yield "progress", f"{_bar(frame, unicode)} {frame.individuals:,} of {frame.wanted:,} individuals, {phase}{left}"
    best = frame.best
    if best is None:
        yield "best", "nothing scored yet"
    else:
        figures = (
            f"score {points(best.score)}, validation accuracy {percent(best.accuracy)}, {number(best.bytes)} bytes"
        )
        yield "best", f"#{best.id}  {figures}, generation {best.generation}"
    yield "mean", f"score {points(frame.mean)} in generation {max(frame.generation, 0)}"
    if any(value is not None for value in frame.bests):
        yield "best of each", f"{sparkline(frame.bests, unicode)}, generations 0 to {frame.generation}"
    recorded = sum(frame.outcomes.values()) - frame.outcomes["pending"]
    rate = "" if frame.per_minute is None else f", {frame.per_minute:,.1f} a minute over {frame.span}"
    yield "evaluations", f"{recorded:,}{rate}"
    drivers = f"; driver {frame.drivers} of this run" if frame.drivers > 1 else ""
    yield "workers", f"{frame.workers}; {frame.outcomes['pending']} in flight{drivers}"
    if frame.tries:
        yield "tries", f"{frame.tries:,} without an answer; newest: {frame.newest_try}"
    failed = {kind: n for kind, n in frame.outcomes.items() if kind not in ("scored", "pending") and n}
    if failed:
        yield "failures", f"{', '.join(f'{kind} {n:,}' for kind, n in failed.items())}; newest: {frame.newest_failure}"
    else:
        yield "failures", "none"


def _best(frame: Frame, unicode: bool) -> Table:
    from rich import box
    from rich.table import Table

    header = ("best", "score", "accuracy", "bytes", "MACs", "long share", "rung", "born by")
    table = Table(*header, box=box.SIMPLE_HEAD if unicode else box.ASCII2, show_edge=False, pad_edge=False)
    for column in table.columns:
        column.justify, column.no_wrap, column.overflow = "right", True, "crop"
    table.columns[-1].justify = "left"
    for r in frame.top:
        rung = "finished" if r.rung == -1 else str(r.rung)
        figures = (points(r.score), percent(r.accuracy), number(r.bytes), number(r.macs), percent(r.long_share))
        table.add_row(f"#{r.id}", *figures, rung, _plain(r.operator or r.kind))
    return table


def sparkline(values: Sequence[float | None], unicode: bool, width: int = _SPARK) -> str:
    """Heights from the lower decile to the greatest, a gap where nothing was scored; then both as numbers.

    Of more than `width` values neighbours share a character, which shows their greatest.
    """
    known = sorted(v for v in values if v is not None)
    low, high = known[len(known) // 10], known[-1]  # one bad generation must not flatten the others
    size = -(-len(values) // width)
    groups = [[v for v in values[i : i + size] if v is not None] for i in range(0, len(values), size)]
    line = "".join(_block(max(group), low, high, unicode) if group else " " for group in groups)
    return f"{line}  {points(low)} to {points(high)}"


def _block(value: float, low: float, high: float, unicode: bool) -> str:
    blocks = BLOCKS if unicode else PLAIN_BLOCKS
    share = (value - low) / (high - low) if high > low else 1.0
    return blocks[min(max(int(share * len(blocks)), 0), len(blocks) - 1)]


def _bar(frame: Frame, unicode: bool, width: int = 20) -> str:
    full = min(width, width * frame.individuals // max(frame.wanted, 1))
    return ("█" if unicode else "#") * full + ("░" if unicode else "-") * (width - full)


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return f"{max(60 * minutes, 1):.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _plain(text: str) -> str:
    """Texts of a run come from anywhere: nothing of them may move a cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


def _unicode(encoding: str) -> bool:
    return encoding.lower().replace("-", "").startswith("utf")


COMMANDS = (("watch", watch, "evonet watch runs/0001-digits"),)
