"""What a run holds, as rows: the population of a generation, a run in one line, an individual's evaluations."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import msgspec

from evonet.config import RunConfig, parse_config
from evonet.evolution.score import choice_score, score
from evonet.evolution.settings import ScoreSettings
from evonet.genome.code import decode
from evonet.genome.genes import Genome
from evonet.genome.ids import with_ids
from evonet.job import EXTRAS, Scored
from evonet.report.ranking import order_sql
from evonet.store import Decision, Individual, Run
from evonet.store.rows import KIND_OF, Event


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One individual by its newest scored evaluation; None where it has none."""

    id: int
    generation: int
    kind: str  # how it was born: seed, found, breed
    operator: str
    parents: tuple[int, ...]
    state: str  # scored, diverged, rejected, lost or pending
    rung: int  # -1: finished
    score: float | None = None  # greater is better
    choice_score: float | None = None
    loss: float | None = None  # validation, bits per label
    accuracy: float | None = None  # validation, in [0, 1]
    bytes: int | None = None
    macs: int | None = None
    weights: int | None = None
    connections: int | None = None
    sheets: int | None = None
    long_share: float | None = None
    seen: int | None = None
    corrupted_loss: float | None = None  # these five where the run measures them
    corrupted_accuracy: float | None = None
    milliseconds: float | None = None  # predicted for a forward pass of one image
    single_ms: float | None = None  # wall time of that, one thread
    batched_ms: float | None = None  # per image of a batch of 64
    genome: str = ""  # digest


def config_of(run: Run) -> RunConfig:
    """The configuration that the run stores, as far as this evonet knows its keys."""
    return parse_config(run.config, f"{run.path}: stored configuration", known_only=True)


def row(individual: Individual, settings: ScoreSettings) -> Row:
    newest, state = _newest(individual.evaluations)
    base = Row(
        id=individual.id,
        generation=individual.generation,
        kind=individual.kind,
        operator=individual.operator,
        parents=individual.parents,
        state=state,
        rung=newest.rung if newest else 0,
        genome=individual.digest,
    )
    if newest is None or not isinstance(newest.outcome, Scored):
        return base
    m = newest.outcome.measures
    return msgspec.structs.replace(
        base,
        score=score(m, settings),
        choice_score=choice_score(m, settings),
        loss=m.loss,
        accuracy=m.accuracy,
        bytes=m.bytes,
        macs=m.macs,
        weights=m.weights,
        connections=m.connections,
        sheets=m.sheets,
        long_share=m.long_share,
        seen=m.seen,
        corrupted_loss=m.corrupted_loss,
        corrupted_accuracy=m.corrupted_accuracy,
        milliseconds=m.milliseconds,
        single_ms=newest.outcome.single_ms,
        batched_ms=newest.outcome.batched_ms,
    )


def _newest(evaluations: Sequence[Decision]) -> tuple[Decision | None, str]:
    """The newest scored evaluation, else the newest of any kind, and the state to show."""
    scored = [e for e in evaluations if isinstance(e.outcome, Scored)]
    newest = scored[-1] if scored else evaluations[-1] if evaluations else None
    if newest is None or newest.outcome is None:
        return newest, "pending"
    return newest, KIND_OF[type(newest.outcome)]


def rows(run: Run, settings: ScoreSettings, generation: int | None = None) -> list[Row]:
    """The individuals of a generation (None: of all), best first, those without a score last, then by id."""
    found = [row(individual, settings) for individual in run.individuals(generation)]
    return sorted(found, key=lambda r: (r.score is None, -(r.score or 0.0), r.id))


def write_csv(table: Iterable[Row], file: TextIO) -> None:
    """A header and a line per row; parents joined by spaces, None as an empty cell."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Row.__struct_fields__)
    for r in table:
        writer.writerow(" ".join(map(str, v)) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(r))


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A run in one line."""

    name: str
    path: str
    state: str  # running, stopped, finished, failed; "dead": it says running and no driver holds it
    seed: int
    data: str
    population: int
    individuals: int
    wanted: int  # individuals of the configuration
    outcomes: dict[str, int]  # evaluations by kind of outcome, pending included
    best: Row | None  # the winner of a finished run, else the best so far


def status(run: Run) -> Status:
    config = config_of(run)
    counts = run.counts()
    return Status(
        name=run.path.name,
        path=str(run.path),
        state="dead" if run.state == "running" and not run.live else run.state,
        seed=config.run.seed,
        data=config.data.spec,
        population=run.population,
        individuals=counts.individuals,
        wanted=config.search.individuals,
        outcomes={**counts.recorded, "pending": counts.in_flight},
        best=best_of(run, config.score),
    )


def best_of(run: Run, settings: ScoreSettings) -> Row | None:
    """The first of `best_rows` over all individuals, without reading them all."""
    first = run.first_newest(order_sql(settings))
    return None if first is None else row(run.individual(first), settings)


def best_rows(table: Sequence[Row], count: int) -> list[Row]:
    """The best: finished individuals by their score on the choice split, then the others by their score."""
    scored = [r for r in table if r.score is not None]
    finished = [r for r in scored if r.rung == -1 and r.choice_score is not None]
    finished.sort(key=lambda r: (-(r.choice_score or 0.0), r.id))
    others = [r for r in scored if r not in finished]
    return [*finished, *others][:count]


def genome_of(individual: Individual) -> Genome:
    """The genome with its gene ids."""
    return with_ids(decode(individual.genome), individual.ids)


def evaluation_rows(individual: Individual, settings: ScoreSettings) -> Iterator[dict[str, object]]:
    """One plain dict per evaluation, in order of decision."""
    for e in individual.evaluations:
        m = e.outcome.measures if isinstance(e.outcome, Scored) else None
        yield {
            "decision": e.decision,
            "kind": e.kind,
            "rung": e.rung,
            "steps": e.steps,
            "outcome": "pending" if e.outcome is None else KIND_OF[type(e.outcome)],
            "reason": getattr(e.outcome, "reason", ""),
            "score": score(m, settings) if m else None,
            "loss": m.loss if m else None,
            "accuracy": m.accuracy if m else None,
            "choice_accuracy": m.choice_accuracy if m else None,
            "bytes": m.bytes if m else None,
            "seen": m.seen if m else None,
            **{name: getattr(m, name, None) for names in EXTRAS.values() for name in names},
        }


def notes(run: Run, id: int) -> list[dict[str, str]]:
    """The remarks on an individual, in order of writing: text, and at, when (UTC)."""
    found = []
    for event in run.events():
        match event:
            case Event(kind="note", data={"change": {"individual": about, "text": str(text)}}) if about == id:
                found.append({"at": event.at, "text": text})
    return found
