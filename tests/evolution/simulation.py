"""Runs without networks: outcomes are pure functions of jobs, workers answer in any order, records can be cut off."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator

import msgspec

from evonet.evolution.decisions import Decision
from evonet.evolution.interventions import Scheduled, scheduled
from evonet.evolution.loop import run
from evonet.evolution.search import Search
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome import Genome
from evonet.genome.code import decode
from evonet.genome.sampling import Limits
from evonet.job import Diverged, Job, Lost, Measures, Outcome, Rejected, Scored, Start
from evonet.seeds import Stream

BATCH = 10
IMAGES = 1000
SMALL = SearchSettings(population=8, individuals=30, rungs=(10, 30), promote=0.5, promote_every=3, finish_best=2)


def measures(**changes: object) -> Measures:
    plain = Measures(
        bytes=500,
        loss=0.5,
        accuracy=0.9,
        weights=300,
        nonzero=200,
        macs=10_000,
        connections=5_000,
        sheets=2,
        taps=18,
        long_share=0.0,
        seen=100,
        train_images=IMAGES,
    )
    return msgspec.structs.replace(plain, **changes)


def scored(job: Job, loss: float, **changes: object) -> Scored:
    late = job.rung != 0
    values = {
        "loss": loss,
        "choice_loss": loss * 1.01 if late else None,
        "choice_accuracy": 0.9 if late else None,
        "seen": job.seen + job.steps * BATCH,
        **changes,
    }
    package = hashlib.blake2b(job.key.encode(), digest_size=8).digest() + struct.pack("<d", loss)
    return Scored(decision=job.decision, measures=measures(**values), package=package, shadow=package[::-1], rounds=())


def rough(job: Job) -> Outcome:
    """Noise, inheritance, and one outcome in five that is a failure of some kind."""
    noise = Stream("rough", job.key)
    fate = noise.unit()
    if fate < 0.06:
        return Diverged(decision=job.decision, step=3, reason="loss is nan")
    if fate < 0.1:
        return Rejected(decision=job.decision, reason="too large")
    if fate < 0.14:
        return Lost(decision=job.decision, reason="worker died")
    if fate < 0.2:
        return scored(job, float("nan"))
    start = min((struct.unpack("<d", s.package[8:])[0] for s in job.starts), default=2.0)
    return scored(job, start * (0.8 + 0.3 * noise.unit()), bytes=40 * len(job.genome))


def landscape(job: Job) -> Outcome:
    """Best with three sheets of eight channels, tanh and rms norm; no noise, no inheritance."""
    sheets = decode(job.genome).sheets
    loss = abs(len(sheets) - 3) + sum(
        (abs(s.channels - 8) / 8 + (s.activation != "tanh") + (s.norm != "rms")) / len(sheets) for s in sheets
    )
    return scored(job, loss, bytes=1)


class Killed(BaseException):
    """Stands for kill -9: nobody may catch it."""


class MemoryRun:
    """The recorder's contract without a disk; `fuse` calls from now it dies, before or after the write."""

    def __init__(self) -> None:
        self.rows: list[tuple[Decision, Outcome | None]] = []
        self.events: list[str] = []
        self.written: list[tuple[str, int | None, object]] = []  # events with data
        self.state = ""
        self.cached: list[int] = []
        self.fuse: int | None = None

    def _burn(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed

    def issued(self, job: Job, *, kind: str, parents: tuple[int, ...] = (), operator: str = "") -> None:
        self._burn()
        assert job.decision == len(self.rows)
        self.rows.append((Decision(job=job, kind=kind, parents=parents, operator=operator), None))
        self._burn()

    def recorded(self, outcome: Outcome, *, cached_from: int | None = None) -> None:
        self._burn()
        decision, before = self.rows[outcome.decision]
        assert before is None
        self.rows[outcome.decision] = (decision, outcome)
        if cached_from is not None:
            self.cached.append(outcome.decision)
        self._burn()

    def find(self, key: str) -> Outcome | None:
        known = (o for d, o in self.rows if d.job.key == key and o is not None and not isinstance(o, Lost))
        return next(known, None)

    def start_of(self, individual: int, *, before: int) -> Start | None:
        for decision, outcome in reversed(self.rows[:before]):
            if decision.job.individual == individual and isinstance(outcome, Scored):
                job = decision.job
                return Start(genome=job.genome, ids=job.ids, package=outcome.package, shadow=outcome.shadow)
        return None

    def event(self, kind: str, text: str, decision: int | None = None, data: object = None) -> None:
        if data is not None:
            self._burn()
            self.written.append((kind, decision, msgspec.json.decode(msgspec.json.encode(data))))
        self.events.append(f"{kind} {decision}: {text}")
        if data is not None:
            self._burn()

    def measured(self) -> Iterator[tuple[int, int, int, Measures]]:
        for decision, outcome in self.rows:
            if isinstance(outcome, Scored):
                yield decision.job.decision, decision.job.individual, decision.job.rung, outcome.measures

    def interventions(self) -> list[Scheduled]:
        return [change for event in self.written if (change := scheduled(*event)) is not None]

    def set_state(self, state: str) -> None:
        self.state = state

    def decisions(self) -> Iterator[Past]:
        return iter([past_of(decision, outcome) for decision, outcome in self.rows])

    def trace(self) -> list[tuple[object, ...]]:
        """All that two equal runs share; repr, so that a NaN equals itself."""
        return [(decision, repr(outcome)) for decision, outcome in self.rows]


class Past(msgspec.Struct, frozen=True):
    decision: int
    individual: int
    kind: str
    parents: tuple[int, ...]
    operator: str
    rung: int
    genome: bytes
    ids: tuple[tuple[int, int], ...]
    steps: int
    seen: int
    seed: int
    key: str
    outcome: Outcome | None


def past_of(decision: Decision, outcome: Outcome | None) -> Past:
    job, told = decision.job, {"kind": decision.kind, "parents": decision.parents, "operator": decision.operator}
    own = set(Past.__struct_fields__) - {"outcome", *told}
    return Past(**{name: getattr(job, name) for name in own}, **told, outcome=outcome)


class AnyOrder:
    """Workers that answer in the order `draw(number of jobs in flight)` picks."""

    def __init__(self, evaluate: Callable[[Job], Outcome], slots: int, draw: Callable[[int], int]) -> None:
        self.slots = slots
        self.submitted = 0
        self._evaluate, self._draw = evaluate, draw
        self._jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        assert len(self._jobs) < self.slots
        self.submitted += 1
        self._jobs.append(job)

    def collect(self, timeout: float) -> Outcome | None:
        del timeout
        pick = self._draw(len(self._jobs) + 1)
        return self._evaluate(self._jobs.pop(pick)) if pick < len(self._jobs) else None


def in_turn(evaluate: Callable[[Job], Outcome]) -> AnyOrder:
    return AnyOrder(evaluate, 1, lambda _: 0)


def admits(genome: Genome) -> Genome | None:
    return genome if Stream("admit", repr(genome)).unit() < 0.9 else None


def make_search(recorder: object, settings: SearchSettings = SMALL, **changes: object) -> Search:
    values = {
        "limits": Limits(),
        "seed": 7,
        "context": "simulation",
        "brief_examples": settings.rungs[0] * BATCH,
        "admit": admits,
        "weights": recorder.start_of,
        "measured": recorder.measured,
        **changes,
    }
    known = values.pop("interventions", ())
    search = Search(settings, values.pop("score", ScoreSettings()), **values)
    for decision, change in known:
        search.intervene(change, at=decision)
    return search


def best_of_the_first(count: int, settings: SearchSettings = SMALL) -> float:
    """A target that a run of `settings` reaches, but not at once."""
    recorder, search = finished(msgspec.structs.replace(settings, individuals=count, promote=0.0, finish_best=0))
    assert len(recorder.rows) == count
    assert search.best is not None
    return search.best.score


def finished(
    settings: SearchSettings = SMALL, evaluate: Callable[[Job], Outcome] = rough, **changes: object
) -> tuple[MemoryRun, Search]:
    """A whole run, one job at a time."""
    recorder = MemoryRun()
    search = make_search(recorder, settings, **changes)
    run(search, in_turn(evaluate), recorder)
    return recorder, search
