"""The command line: arguments, printing, exit codes. Nothing heavy is imported until a command needs it."""

from evonet.cli.program import main

__all__ = ["main"]
