"""The verbs about a run's past: fork it, replay a piece of it, ask what its brief trainings were worth."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from evonet.cli.output import Json, RunPath, number, print_json, print_table
from evonet.cli.running import Address, DataDir, TrustCode, Workers


def fork(
    run: RunPath,
    generation: Annotated[int, typer.Option("--generation", min=0, help="Go on anew from its first birth.")],
    into: Annotated[
        Path | None, typer.Option("--run", help="A new folder (default: the next number beside RUN).")
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Go on with another value, again and again.")
    ] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Only make the folder; `resume` starts it.")] = False,
    workers: Workers = None,
    address: Address = None,
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
) -> None:
    """A new run with the history of RUN up to a generation, which goes on by itself, with --set otherwise."""
    from evonet import forking
    from evonet.cli import running

    path = forking.fork(Path(run), generation=generation, path=into, changes=set or (), trust_code=trust_code)
    if not Path(run).is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    print(f"run {path}, a fork of {run} at generation {generation}", flush=True)
    if no_run:
        print(f"start it with  evonet resume {shlex.quote(str(path))}")
        return
    # Code that the fork names was trusted a moment ago, or is what this command line asks for.
    running.resume(
        str(path), workers=workers, address=address, data_dir=data_dir, trust_code=True, until=None, set=None
    )


def replay(
    run: RunPath,
    id: Annotated[int, typer.Option("--id", min=0, help="Which individual.")],
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
    json: Json = False,
) -> None:
    """Evaluate an individual again, from the store alone; exit code 1 unless all is the same, bit for bit."""
    from evonet.replaying import Replay

    replayed = Replay(Path(run), id, data_dir=data_dir, trust_code=trust_code)
    for warning in replayed.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    found = []
    for one in replayed:
        found.append(one)
        if not json:
            print(f"decision {one.decision}  {one.kind:8}{one.verdict}: {one.text}", flush=True)
    if json:
        print_json({"run": run, "individual": id, "warnings": replayed.warnings, "evaluations": found})
    if not all(one.verdict == "same" for one in found):
        raise typer.Exit(1)


def fidelity(run: RunPath, json: Json = False) -> None:
    """How well brief training ranks: Kendall's tau between scores at neighbouring rungs, per generation."""
    from evonet.report import tables
    from evonet.report.fidelity import BIAS, LOW, fidelity
    from evonet.store import open_run

    with open_run(Path(run)) as opened:
        found = fidelity(opened, tables.config_of(opened).score)
    low = [f for f in found if f.generation is None and f.tau is not None and f.tau < LOW]
    if json:
        print_json({"rungs": found, "low": bool(low), "note": BIAS})
        return
    if not found:
        print("no individual was scored at two rungs")
        return
    lines = [
        (
            f"{f.rung} and {f.rung + 1}",
            "all" if f.generation is None else str(f.generation),
            str(f.count),
            number(f.tau, 2),
            "-" if f.low is None or f.high is None else f"{f.low:.2f} to {f.high:.2f}",
        )
        for f in found
    ]
    print_table(("rungs", "generation", "individuals", "tau", "95 % interval"), lines)
    print(BIAS)
    for f in low:
        print(
            f"warning: tau between rungs {f.rung} and {f.rung + 1} is {f.tau:.2f}, below {LOW}: brief training says "
            "little about longer. Train longer on the lower rung (search.rungs) or promote more (search.promote).",
            file=sys.stderr,
        )


COMMANDS = (
    ("fork", fork, "evonet fork runs/0001-digits --generation 4 --set search.crossover=0.5"),
    ("replay", replay, "evonet replay runs/0001-digits --id 203"),
    ("fidelity", fidelity, "evonet fidelity runs/0001-digits"),
)
