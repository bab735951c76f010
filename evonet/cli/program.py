"""The program: its commands, and the one place that turns an error into a line and an exit code.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 invalid configuration, genome or data, 4 run locked, 5 corrupt data,
75 stopped and resumable.
"""

import re
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evonet import __version__
from evonet.cli import (
    attending,
    benching,
    compressing,
    explaining,
    exploring,
    files,
    histories,
    packing,
    plotting,
    reading,
    running,
    stepping,
    twins,
    viewing,
    watching,
)
from evonet.cli.output import Command
from evonet.errors import EvonetError

_ADVICE: dict[type[OSError], str] = {
    FileNotFoundError: " Check the path.",
    NotADirectoryError: " Check the path.",
    IsADirectoryError: " Name a file.",
    PermissionError: " Check who may read and write there.",
}
SECTIONS = {
    "Evolve": "run resume watch status ls",
    "Look into a run": "show lineage why diff table front hall atlas operators fidelity digest report ui plot",
    "Step into a run": "inject cull pause note fork",
    "Try again": "replay twin",
    "Networks and genomes": "export eval attend refine expand pack unpack",
    "This machine": "doctor bench",
}


class Program(TyperGroup):
    """Errors that evonet raises on purpose, and those of the file system, are one line on stderr; others are bugs."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """By what one wants to do, each verb by the first clause of its help, which fits into a line."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", _clause(self.commands[name])) for name in names.split()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EvonetError as e:
            _fail(str(e))
            raise typer.Exit(e.exit_code) from e
        except BrokenPipeError:
            raise
        except OSError as e:
            _fail(f"{e.filename}: {e.strerror}.{_ADVICE.get(type(e), '')}" if e.filename else str(e))
            raise typer.Exit(1) from e


def _clause(command: Any) -> str:
    text: str = command.get_short_help_str(limit=200)
    return re.split(r"[;:.](?= |$)", text, maxsplit=1)[0]


def _fail(message: str) -> None:
    print("evonet: " + " ".join(message.split()), file=sys.stderr)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"evonet {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    epilog="Example: evonet run configs/digits.toml; then evonet show runs/0001-digits; then "
    "evonet export runs/0001-digits --best 1 --out out"
)
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Evolution over wiring: genomes of a few dozen bytes that expand into small, accurate PyTorch networks."""


COMMANDS = (
    *running.COMMANDS,
    *reading.COMMANDS,
    *watching.COMMANDS,
    *exploring.COMMANDS,
    *viewing.COMMANDS,
    *explaining.COMMANDS,
    *plotting.COMMANDS,
    *files.COMMANDS,
    *attending.COMMANDS,
    *compressing.COMMANDS,
    *packing.COMMANDS,
    *twins.COMMANDS,
    *histories.COMMANDS,
    *stepping.COMMANDS,
)
for name, command, example in COMMANDS:
    app.command(name, cls=Command, epilog=f"Example: {example}")(command)
app.add_typer(benching.bench, name="bench")


def main() -> None:
    """The entry point `evonet`. Rules of tables and the like are no ASCII: where the encoding lacks them, it is "?"."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    app(prog_name="evonet")
