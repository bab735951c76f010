"""The program: its commands, and the one place that turns an error into a line and an exit code.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 invalid configuration, genome or data, 4 run locked, 5 corrupt data,
75 stopped and resumable.
"""

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


class Program(TyperGroup):
    """Errors that evonet raises on purpose, and those of the file system, are one line on stderr; others are bugs."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EvonetError as e:
            _fail(str(e))
            raise typer.Exit(e.exit_code) from e
        except BrokenPipeError:
            raise
        except OSError as e:
            _fail(f"{e.filename}: {e.strerror}." if e.filename else str(e))
            raise typer.Exit(1) from e


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
