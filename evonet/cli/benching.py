"""The verbs that measure evonet itself: bench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonet.cli.output import Command, Json, number, percent, print_json, print_table

if TYPE_CHECKING:
    from evonet.bench.cluster import Report

bench = typer.Typer(no_args_is_help=True, help="Measure evonet on this machine.")


@bench.callback()
def _bench() -> None:
    """Keeps `cluster` a verb of its own: typer would fold a group of one into its only command."""


@bench.command(cls=Command, epilog="Example: evonet bench cluster --workers 1000 --seconds 600")
def cluster(
    workers: Annotated[int, typer.Option("--workers", min=1, help="How many workers.")] = 64,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.001, help="How long they are kept busy, simulated unless --real.")
    ] = 600.0,
    individuals: Annotated[
        int | None, typer.Option("--individuals", min=1, help="So many individuals instead of seconds.")
    ] = None,
    mean: Annotated[float, typer.Option("--mean", min=0.001, help="Seconds of an evaluation.")] = 10.0,
    sigma: Annotated[float, typer.Option("--sigma", min=0, max=3, help="Log-normal spread of them.")] = 0.5,
    population: Annotated[
        int | None, typer.Option("--population", min=1, help="As search.population (default: 4 a worker).")
    ] = None,
    window: Annotated[
        int, typer.Option("--window", min=0, help="As search.window (0: three quarters of the population).")
    ] = 0,
    rungs: Annotated[
        bool, typer.Option("--rungs", help="Promotions take as much longer as they have more steps.")
    ] = False,
    kill_rate: Annotated[
        float, typer.Option("--kill-rate", min=0, max=0.9, help="Share of tries that end with a dead worker.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the search and of the durations.")] = 1,
    run: Annotated[
        Path | None, typer.Option("--run", help="Keep the run in this new folder (default: a temporary one).")
    ] = None,
    real: Annotated[bool, typer.Option("--real", help="Ray workers that sleep, instead of simulated ones.")] = False,
    json: Json = False,
) -> None:
    """How busy the search keeps a cluster, and what it costs the driver: a real run, with evaluations that do nothing.

    Loop, search and store are the real ones. The workers, unless --real, are simulated: thousands of them and hours of
    theirs take seconds.
    """
    from evonet.bench.cluster import Load, measure
    from evonet.bench.stubs import Durations

    count = individuals or max(1, round(workers * seconds / mean))
    load = Load(
        workers=workers,
        individuals=count,
        population=min(count, population or 4 * workers),
        window=window,
        durations=Durations(mean=mean, sigma=sigma),
        rungs=rungs,
        kill_rate=kill_rate,
        seed=seed,
        real=real,
    )
    report = measure(load, run)
    if json:
        print_json(report)
    else:
        _print(report)


def _print(report: Report) -> None:
    load = report.load
    kind = "Ray" if load.real else "simulated"
    print(
        f"{number(load.workers)} {kind} workers, {number(load.individuals)} individuals, population {load.population}, "
        f"window {load.config.search.lag}, evaluations of {load.durations.mean:g} s, sigma {load.durations.sigma:g}"
    )
    stretches = report.cpu_ms_stretches
    flat = f" (first 1,000: {stretches[0]:.2f}, last: {stretches[-1]:.2f})" if len(stretches) > 1 else ""
    print_table(
        ("what", "figure"),
        (
            ("candidates", f"{number(report.candidates)} ({number(report.cached)} cached)"),
            ("tries that ended with a dead worker", number(report.tries_lost)),
            ("time of the workers", f"{number(report.span, 1)} s"),
            ("utilisation", percent(report.utilisation)),
            ("  start-up and tail included", percent(report.utilisation_whole)),
            ("  with a barrier every generation", percent(report.barrier)),
            ("driver, CPU a candidate", f"{report.cpu_ms:.2f} ms{flat}"),
            ("driver, wait in COMMIT a candidate", f"{report.commit_ms:.2f} ms"),
            ("one driver keeps up with", f"{number(report.candidates_per_s)} candidates/s"),
            ("  and so feeds", f"{number(report.feeds)} workers"),
            ("memory, peak", f"{number(report.memory_mb)} MB"),
            ("run.db", f"{number(report.database_mb, 1)} MB"),
        ),
        left=("what", "figure"),
    )
