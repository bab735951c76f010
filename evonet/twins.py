"""Twins side by side: an individual and its matched control, trained from scratch under one budget, seed by seed.

Both sides of a seed see the same batches in the same order, so their difference is paired. Quality is of the packages,
on the validation and the choice split; the test split is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Literal

import msgspec

from evonet import seeds
from evonet.app import FACTORY
from evonet.composition import evaluation_settings
from evonet.config import RunConfig
from evonet.controls import Kind, cnn_twin, random_twin
from evonet.errors import StoreError
from evonet.evolution.score import sound
from evonet.genome import Genome
from evonet.genome.code import decode, encode
from evonet.genome.ids import ids_of, stamp
from evonet.job import Extra, Job, Measures, Outcome, Scored
from evonet.store import Run
from evonet.training.data import DataSet, load_data
from evonet.workers import make_workers

FINISH = -1  # the rung of a finalist: its rounds, its calibration, and the choice split is measured
Name = Literal[
    "accuracy",
    "choice_accuracy",
    "loss",
    "bytes",
    "macs",
    "weights",
    "nonzero",
    "taps",
    "long_share",
    "corrupted_accuracy",
    "milliseconds",
]
NAMES: tuple[Name, ...] = (
    "accuracy",
    "choice_accuracy",
    "loss",
    "bytes",
    "macs",
    "weights",
    "nonzero",
    "taps",
    "long_share",
)
ON_REQUEST: dict[Extra, Name] = {"corrupted": "corrupted_accuracy", "milliseconds": "milliseconds"}

# Student's t, 97.5 %, for 1, 2, ... degrees of freedom; beyond the table the normal's.
_T: tuple[float, ...] = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
)
_T += (2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
_NORMAL = 1.960


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over seeds and half the width of its 95 % interval, None for one seed."""

    mean: float
    half: float | None


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side over all seeds; estimates of the measures in `NAMES`, and of those on request that the run's score
    asks for, of the seeds that were scored.
    """

    name: str
    individual: int | None  # None: a genome made for this comparison
    genomes: tuple[str, ...]  # canonical code in hex, one per seed
    scored: int
    failures: tuple[str, ...]
    measures: dict[Name, Estimate]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`difference`: individual minus twin, over the seeds in which both were scored."""

    run: str
    data: str
    kind: Kind
    seeds: int
    steps: int
    sides: tuple[Side, Side]
    difference: dict[Name, Estimate]


def compare(
    opened: Run, individual: int, config: RunConfig, *, kind: Kind, count: int, steps: int | None
) -> Comparison:
    """Train individual and twin `count` times from scratch, `steps` steps each (None: those of all rungs together).

    Raises:
        StoreError: there is no such individual.
        GenomeError: it has no twin of this kind.
        DataError, WorkersError: see there.
    """
    steps = steps or sum(config.search.rungs)
    data = load_data(config.data.spec, config.data.dir or None)
    genome = decode(opened.individual(individual).genome)
    origin = first_ancestor(opened, individual) if kind == "frozen" else None
    if origin is None:
        twins = [_twin(genome, kind, data, config, draw) for draw in range(count)]
    else:
        twins = [decode(opened.individual(origin).genome)] * count
    outcomes = evaluated(config, data, jobs_of(config.run.seed, [[genome] * count, twins], steps))
    ours, theirs = outcomes[:count], outcomes[count:]
    names = (*NAMES, *(ON_REQUEST[extra] for extra in config.score.extras))
    pairs = [(a, b) for a, b in zip(map(_measures, ours), map(_measures, theirs), strict=True) if a and b]
    return Comparison(
        run=str(opened.path),
        data=data.name,
        kind=kind,
        seeds=count,
        steps=steps,
        sides=(
            _side("individual", individual, [genome] * count, ours, names),
            _side(f"{kind} twin", origin, twins, theirs, names),
        ),
        difference={n: estimate([_value(a, n) - _value(b, n) for a, b in pairs]) for n in names} if pairs else {},
    )


def first_ancestor(opened: Run, individual: int) -> int:
    """Who began the individual's line, along the first parent of each birth.

    Raises StoreError if it is the individual itself.
    """
    parents = {a.id: a.parents for a in opened.lineage(individual)}
    first = individual
    while parents[first]:
        first = parents[first][0]
    if first == individual:
        raise StoreError(f"{opened.path}: individual {individual} has no parents, so it is its own frozen twin.")
    return first


def estimate(values: Sequence[float]) -> Estimate:
    """Of the mean of independent values, at least one."""
    n = len(values)
    if n == 1:
        return Estimate(mean=float(values[0]), half=None)
    quantile = _T[n - 2] if n - 2 < len(_T) else _NORMAL
    return Estimate(mean=mean(values), half=quantile * stdev(values) / n**0.5)


def _twin(genome: Genome, kind: Kind, data: DataSet, config: RunConfig, draw: int) -> Genome:
    if kind == "cnn":
        return cnn_twin(genome, input=data.input, classes=data.classes)
    return random_twin(genome, input=data.input, classes=data.classes, reach=config.genes.reach_max, draw=draw)


def jobs_of(run_seed: int, sides: Sequence[Sequence[Genome]], steps: int) -> list[Job]:
    """A finishing training from scratch of every genome; the seed is that of its place in its side."""
    jobs: list[Job] = []
    for genomes in sides:
        for seed, genome in enumerate(genomes):
            named = stamp(genome, 0)
            jobs.append(
                Job(
                    decision=len(jobs),
                    individual=0,
                    rung=FINISH,
                    genome=encode(named),
                    ids=ids_of(named),
                    steps=steps,
                    seed=seeds.key(run_seed, "twin", seed),
                    key=f"twin-{len(jobs)}",
                )
            )
    return jobs


def evaluated(config: RunConfig, data: DataSet, jobs: Sequence[Job]) -> list[Outcome]:
    """Outcomes in the order of the jobs."""
    found: dict[int, Outcome] = {}
    args = (msgspec.msgpack.encode(evaluation_settings(config)), *data.arrays())
    with make_workers(config.workers, FACTORY, args) as workers:
        for job in jobs:
            workers.submit(job)
        while len(found) < len(jobs):
            outcome = workers.collect(60.0)
            if outcome is not None:
                found[outcome.decision] = sound(outcome)
    return [found[job.decision] for job in jobs]


def _side(
    name: str, individual: int | None, genomes: Sequence[Genome], outcomes: Sequence[Outcome], names: Sequence[Name]
) -> Side:
    scored = [m for m in map(_measures, outcomes) if m]
    failures = [f"{type(o).__name__}: {o.reason}" for o in outcomes if not isinstance(o, Scored)]
    return Side(
        name=name,
        individual=individual,
        genomes=tuple(encode(genome).hex() for genome in genomes),
        scored=len(scored),
        failures=tuple(failures),
        measures={n: estimate([_value(m, n) for m in scored]) for n in names} if scored else {},
    )


def _measures(outcome: Outcome) -> Measures | None:
    return outcome.measures if isinstance(outcome, Scored) else None


def _value(measures: Measures, name: Name) -> float:
    return float(getattr(measures, name))
