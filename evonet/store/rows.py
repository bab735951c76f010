"""What the store hands out, and how outcomes become rows and rows outcomes. No SQL here."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from evonet.errors import StoreError
from evonet.genome.genes import GeneId
from evonet.job import Diverged, Lost, Measures, Outcome, Record, Rejected, Round, Scored

DecisionKind = Literal["found", "seed", "breed", "promote", "finish"]
OutcomeKind = Literal["scored", "diverged", "rejected", "lost"]
State = Literal["running", "stopped", "finished", "failed"]

BIRTHS = ("found", "seed", "breed")
MEASURES = Measures.__struct_fields__
#: Wall times of an outcome, which no two executions share.
TIMES = ("seconds", "single_ms", "batched_ms")
#: Columns of the view `decision` that a search is brought back with; in the order of `bare_decision`.
BARE = (
    *("decision", "individual", "kind", "operator", "rung", "steps", "seen_before", "seed", "key", "outcome"),
    *("step", "reason", "cause", "attempts", *MEASURES, "genome", "ids", "parents"),
)
KIND_OF: dict[type, OutcomeKind] = {Scored: "scored", Diverged: "diverged", Rejected: "rejected", Lost: "lost"}


class Decision(Record, frozen=True, kw_only=True):
    """One step of the search, as issued, and what came of it."""

    decision: int
    individual: int
    rung: int
    kind: DecisionKind
    steps: int
    seen: int  # before this evaluation, as in Job
    seed: int
    key: str
    parents: tuple[int, ...]
    operator: str
    genome: bytes
    ids: tuple[GeneId, ...]
    outcome: Outcome | None  # None: in flight. Packages and shadows are b"" unless they were asked for
    cached_from: int | None = None  # the decision whose outcome was taken over


class Individual(Record, frozen=True, kw_only=True):
    id: int
    decision: int  # its birth
    generation: int
    kind: DecisionKind
    operator: str
    genome: bytes
    ids: tuple[GeneId, ...]
    parents: tuple[int, ...]
    evaluations: tuple[Decision, ...]  # in order of decision; the first is the birth

    @property
    def digest(self) -> str:
        """As `evonet.genome.code.digest`: 16 hex characters of BLAKE2b over the canonical code."""
        return hashlib.blake2b(self.genome, digest_size=8).hexdigest()

    @property
    def latest(self) -> Measures | None:
        """Measures of the last Scored evaluation, in order of decision."""
        return next((e.outcome.measures for e in reversed(self.evaluations) if isinstance(e.outcome, Scored)), None)


class Ancestor(NamedTuple):
    id: int
    parents: tuple[int, ...]
    operator: str
    depth: int  # births between; 0 is the individual itself


class Attempt(NamedTuple):
    """A try that ended without an answer."""

    decision: int
    attempt: int
    worker: str
    reason: str
    at: str


class Event(NamedTuple):
    id: int
    at: str  # UTC, for people only; the order is that of `id`
    kind: str
    text: str
    decision: int | None
    data: object


class Counts(NamedTuple):
    issued: int
    recorded: dict[str, int]  # by kind of outcome, all four
    individuals: int

    @property
    def in_flight(self) -> int:
        return self.issued - sum(self.recorded.values())


_ids = msgspec.json.Decoder(tuple[GeneId, ...])
_parents = msgspec.json.Decoder(tuple[int, ...])
_rounds = msgspec.json.Decoder(tuple[Round, ...])


def to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def decision_of(row: sqlite3.Row) -> Decision:
    return Decision(
        decision=row["decision"],
        individual=row["individual"],
        rung=row["rung"],
        kind=row["kind"],
        steps=row["steps"],
        seen=row["seen_before"],
        seed=row["seed"],
        key=row["key"],
        parents=_parents.decode(row["parents"]),
        operator=row["operator"],
        genome=row["genome"],
        ids=_ids.decode(row["ids"]),
        outcome=outcome_of(row),
        cached_from=row["cached_from"],
    )


def bare_decision(row: Sequence[Any]) -> Decision:
    """As `decision_of`, of the columns `BARE` by place: SQLite's rows look for every name anew."""
    n, individual, kind, operator, rung, steps, seen, seed, key, outcome, *rest = row
    step, reason, cause, attempts, *measures, genome, ids, parents = rest
    found: Outcome | None = None
    match outcome:
        case "scored":
            values = Measures(**dict(zip(MEASURES, measures, strict=True)))
            found = Scored(decision=n, measures=values, package=b"", shadow=b"", rounds=())
        case "diverged":
            found = Diverged(decision=n, step=step, reason=reason)
        case "rejected":
            found = Rejected(decision=n, reason=reason)
        case "lost":
            found = Lost(decision=n, reason=reason, cause=cause, attempts=attempts)
    return Decision(
        decision=n,
        individual=individual,
        rung=rung,
        kind=kind,
        steps=steps,
        seen=seen,
        seed=seed,
        key=key,
        parents=_parents.decode(parents),
        operator=operator,
        genome=genome,
        ids=_ids.decode(ids),
        outcome=found,
    )


def outcome_of(row: sqlite3.Row) -> Outcome | None:
    decision = row["decision"]
    match row["outcome"]:
        case "scored":
            return Scored(
                decision=decision,
                measures=Measures(**{name: row[name] for name in MEASURES}),
                package=row["package"],
                shadow=row["shadow"],
                rounds=_rounds.decode(row["rounds"]),
                **{name: row[name] for name in TIMES},
            )
        case "diverged":
            return Diverged(decision=decision, step=row["step"], reason=row["reason"])
        case "rejected":
            return Rejected(decision=decision, reason=row["reason"])
        case "lost":
            return Lost(decision=decision, reason=row["reason"], cause=row["cause"], attempts=row["attempts"])
    return None


def columns_of(outcome: Outcome) -> dict[str, object]:
    """The columns of `evaluation` that an outcome fills; raises StoreError for a non-finite number."""
    match outcome:
        case Scored(measures=measures, rounds=rounds):
            _refuse_non_finite(outcome)
            return {**msgspec.structs.asdict(measures), "rounds": to_json(rounds), **_times(outcome)}
        case Diverged(step=step, reason=reason):
            return {"step": step, "reason": reason}
        case Rejected(reason=reason):
            return {"reason": reason}
        case Lost(reason=reason, cause=cause, attempts=attempts):
            return {"reason": reason, "cause": cause, "attempts": attempts}


def _refuse_non_finite(outcome: Scored) -> None:
    # SQLite keeps NaN as NULL and JSON has none: such a number would come back as something else.
    for name, value in _numbers(outcome):
        if not math.isfinite(value):
            raise StoreError(
                f"decision {outcome.decision}: {name} = {value}, expected a finite number; "
                "an evaluator answers Diverged for such a network"
            )


def _numbers(outcome: Scored) -> Iterator[tuple[str, float]]:
    yield from ((name, 0.0 if value is None else value) for name, value in _times(outcome).items())
    for name, value in msgspec.structs.asdict(outcome.measures).items():
        yield f"measures.{name}", 0.0 if value is None else value
    for i, entry in enumerate(outcome.rounds):
        yield from ((f"rounds[{i}].{name}", value) for name, value in msgspec.structs.asdict(entry).items())


def same(a: Outcome | None, b: Outcome) -> bool:
    """Equal but for wall time, which no two executions share."""
    if isinstance(a, Scored) and isinstance(b, Scored):
        return a == msgspec.structs.replace(b, **_times(a))
    return a == b


def _times(outcome: Scored) -> dict[str, float | None]:
    return {name: getattr(outcome, name) for name in TIMES}
