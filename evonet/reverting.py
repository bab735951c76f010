"""What each edit of an individual's line is worth: the individual beside itself with one edit reverted.

All are trained from scratch for equal steps; those of one seed see the same batches in the same order, so differences
are paired. Quality is of the packages, on the validation split; neither choice nor test decides anything here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from evonet.config import RunConfig
from evonet.errors import GenomeError, StoreError
from evonet.evolution.score import score
from evonet.genome import Genome
from evonet.genome.code import encode
from evonet.genome.edits import genome_of, named, revert
from evonet.genome.ids import anonymous
from evonet.job import Outcome, Scored
from evonet.plan import Budget, expand, fit
from evonet.report.ancestry import Ancestry, kinds_of
from evonet.report.tables import genome_of as genome_of_individual
from evonet.store import Run
from evonet.training.data import DataSet, load_data
from evonet.twins import Estimate, estimate, evaluated, jobs_of

Name = Literal["score", "accuracy", "loss", "bytes"]
NAMES: tuple[Name, ...] = get_args(Name)
Values = dict[Name, Estimate]


class Reverted(msgspec.Struct, frozen=True, kw_only=True):
    """The individual without one edit. `brought`: the individual minus that, over the seeds in which both scored."""

    step: int  # its number in the ancestry
    genome: str  # canonical code in hex; "" where there is none
    invalid: str  # why there is no such network, or ""
    scored: int  # of the seeds
    brought: Values


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    data: str
    seeds: int
    steps: int
    individual: Values  # trained alike, from scratch
    founder: Values
    brought: Values  # individual minus founder
    reverted: tuple[Reverted, ...]


def measure(opened: Run, why: Ancestry, config: RunConfig, *, count: int, steps: int | None) -> Measured:
    """Train the individual, its founder, and the individual without each edit, `count` times `steps` steps each.

    `steps`: None for those of all rungs together.
    Raises StoreError where there is no edit, DataError and WorkersError as `evonet.twins.compare`.
    """
    if not why.steps:
        raise StoreError(
            f"{opened.path}: individual {why.champion.id} has no edits to revert: it is as its line began."
        )
    steps = steps or sum(config.search.rungs)
    data = load_data(config.data.spec, config.data.dir or None)
    genome = genome_of_individual(opened.individual(why.champion.id))
    founder = genome_of_individual(opened.individual(why.founder.id))
    others = [_without(opened, why, genome, place, data, config) for place in range(len(why.steps))]
    sides = [genome, founder, *(other for other in others if isinstance(other, Genome))]
    jobs = jobs_of(config.run.seed, [[anonymous(side)] * count for side in sides], steps)
    outcomes = evaluated(config, data, jobs)
    by_side = [outcomes[i : i + count] for i in range(0, len(outcomes), count)]
    ours, first, rest = by_side[0], by_side[1], iter(by_side[2:])
    return Measured(
        data=data.name,
        seeds=count,
        steps=steps,
        individual=_means(ours, config),
        founder=_means(first, config),
        brought=_difference(ours, first, config),
        reverted=tuple(
            _reverted(step.number, other, ours, next(rest) if isinstance(other, Genome) else (), config)
            for step, other in zip(why.steps, others, strict=True)
        ),
    )


def _without(opened: Run, why: Ancestry, genome: Genome, place: int, data: DataSet, config: RunConfig) -> Genome | str:
    """The individual's genome without an edit, fitted to the images, or why there is none."""
    limits = config.budget
    budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)
    try:
        kinds = kinds_of(opened, why.champion.id)
        found = fit(genome_of(revert(named(genome), why.steps[place].edits, kinds)), input=data.input)
        expand(found, input=data.input, classes=data.classes, budget=budget)
    except GenomeError as error:
        return str(error)
    return "without it the genome is the same" if anonymous(found) == anonymous(genome) else found


def _reverted(
    step: int, other: Genome | str, ours: Sequence[Outcome], theirs: Sequence[Outcome], config: RunConfig
) -> Reverted:
    if isinstance(other, str):
        return Reverted(step=step, genome="", invalid=other, scored=0, brought={})
    scored = sum(isinstance(outcome, Scored) for outcome in theirs)
    difference = _difference(ours, theirs, config)
    return Reverted(step=step, genome=encode(other).hex(), invalid="", scored=scored, brought=difference)


def _means(outcomes: Sequence[Outcome], config: RunConfig) -> Values:
    scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    return {n: estimate([_value(o, n, config) for o in scored]) for n in NAMES} if scored else {}


def _difference(ours: Sequence[Outcome], theirs: Sequence[Outcome], config: RunConfig) -> Values:
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if isinstance(a, Scored) and isinstance(b, Scored)]
    return {n: estimate([_value(a, n, config) - _value(b, n, config) for a, b in both]) for n in NAMES} if both else {}


def _value(outcome: Scored, name: Name, config: RunConfig) -> float:
    if name == "score":
        return score(outcome.measures, config.score)
    return float(getattr(outcome.measures, name))
