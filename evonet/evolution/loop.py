"""The loop: decisions to workers, outcomes to the record and back to the search. Everything that can change a result is
elsewhere; what is here may run in any order, be killed at any line, and be resumed."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import msgspec

from evonet.errors import Interrupted, StoreError, WorkersError
from evonet.evolution.bands import Entry
from evonet.evolution.decisions import Decision
from evonet.evolution.requests import NO_INBOX, Desk, Inbox
from evonet.evolution.score import sound
from evonet.evolution.search import Search
from evonet.genome.genes import GeneId
from evonet.job import Job, Lost, Outcome

POLL = 0.5  # seconds between two looks at `should_stop`


class Workers(Protocol):
    """Where jobs run (`evonet.workers`)."""

    @property
    def slots(self) -> int: ...
    def submit(self, job: Job) -> None: ...
    def collect(self, timeout: float) -> Outcome | None: ...


class Recorder(Protocol):
    """What is kept (`evonet.store.RunWriter`). A call that returned is durable."""

    def issued(self, job: Job, *, kind: Any, parents: tuple[int, ...] = (), operator: str = "") -> None: ...
    def recorded(self, outcome: Outcome, *, cached_from: int | None = None) -> None: ...
    def find(self, key: str) -> Outcome | None: ...
    def event(self, kind: str, text: str, decision: int | None = None, data: object = None) -> None: ...
    def set_state(self, state: Literal["running", "stopped", "finished"]) -> None: ...


class Past(Protocol):
    """A recorded decision, as `evonet.store.Run.decisions` gives them in order."""

    @property
    def decision(self) -> int: ...
    @property
    def individual(self) -> int: ...
    @property
    def kind(self) -> Literal["seed", "found", "breed", "promote", "finish"]: ...
    @property
    def parents(self) -> tuple[int, ...]: ...
    @property
    def operator(self) -> str: ...
    @property
    def rung(self) -> int: ...
    @property
    def genome(self) -> bytes: ...
    @property
    def ids(self) -> tuple[GeneId, ...]: ...
    @property
    def steps(self) -> int: ...
    @property
    def seen(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def outcome(self) -> Outcome | None: ...


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run stands after one more outcome. For people; decides nothing."""

    phase: Literal["search", "finish"]
    decision: Decision
    outcome: Outcome
    cached: bool
    issued: int  # decisions so far
    in_flight: int
    births: int
    individuals: int  # births at which the search stops
    best: Entry | None
    mean: float | None  # score of the pool


def run(
    search: Search,
    workers: Workers,
    recorder: Recorder,
    *,
    past: Iterable[Past] = (),
    checked: Callable[[int], bool] = lambda _: True,
    inbox: Inbox = NO_INBOX,
    pauses: Iterable[int] = (),
    progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Entry | None:
    """Drive `search` to its end, finishing included; the winner, or None if nothing was scored.

    Args:
        past: the record of a run that was cut off. It is folded into the search, and what was in flight is done again.
            The search already knows the interventions of that run (`Search.intervene`).
        checked: which past decisions are taken again and compared; the others are followed as recorded.
        inbox: requests from outside.
        pauses: births at which to stop issuing, as asked for earlier.

    Raises:
        Interrupted: `should_stop` or a request said so; what was in flight is left for the next resume.
        StoreError: the record is not what this search decides.
        WorkersError: there are no workers, or they gave up.
    """
    waiting = replay(search, past, checked)
    desk = Desk(search, recorder, inbox, pauses)
    if search.complete:
        desk.take()  # remarks on a finished run
    else:
        if workers.slots < 1:
            raise WorkersError(f"workers: slots = {workers.slots}, expected at least 1. Start a worker and resume.")
        recorder.set_state("running")
        _Loop(search, workers, recorder, waiting, progress, desk).drive(should_stop)
        recorder.event("end", search.stopped() or "")
    recorder.set_state("finished")  # also for a run that was killed just before this line
    return search.winner()


def replay(search: Search, past: Iterable[Past], checked: Callable[[int], bool] = lambda _: True) -> deque[Decision]:
    """Fold recorded decisions, in order, into a new search; returns those that were in flight.

    Checked ones are taken again and compared by their keys, which cover genome, starting weights, seed and settings:
    a run is gone on with only by the program and the settings that made it. The others are believed, yet what is
    decided after them comes of the pools that they make. What is in flight is always checked, since its job is needed.
    """
    for was in past:
        if checked(was.decision) or was.outcome is None or was.kind == "finish":
            again = search.decide() if search.ready() else None
            if again is None or (again.job.decision, again.job.key) != (was.decision, was.key):
                raise _other(was, again.job.key if again else "nothing")
        else:
            try:
                search.follow(_as_recorded(was))
            except (ValueError, LookupError) as e:  # it names somebody who is not in the pool here
                raise _other(was, f"nothing ({e})") from e
        if was.outcome is not None:
            search.tell(was.outcome)
    return deque(search.open.values())


def _other(was: Past, now: str) -> StoreError:
    return StoreError(
        f"decision {was.decision}: recorded with key {was.key}, decided now as {now}. The run was made with other "
        "settings or data, or by another version of evonet: go on with those, or start a new run."
    )


def _as_recorded(was: Past) -> Decision:
    """What `Search` has to know of a decision whose evaluation is done: its job without starts."""
    job = Job(
        decision=was.decision,
        individual=was.individual,
        rung=was.rung,
        genome=was.genome,
        ids=was.ids,
        steps=was.steps,
        seen=was.seen,
        seed=was.seed,
        key=was.key,
    )
    return Decision(job=job, kind=was.kind, parents=was.parents, operator=was.operator)


class _Loop:
    """Jobs in flight never exceed the workers' slots; a cache hit takes none."""

    def __init__(
        self,
        search: Search,
        workers: Workers,
        recorder: Recorder,
        waiting: deque[Decision],
        progress: Callable[[Progress], None],
        desk: Desk,
    ) -> None:
        self._search, self._workers, self._recorder, self._progress = search, workers, recorder, progress
        self._desk = desk
        self._waiting = waiting  # issued, not submitted
        self._running = 0

    def drive(self, should_stop: Callable[[], bool]) -> None:
        while not self._search.complete:
            self._desk.take()
            self._fill(should_stop)
            if should_stop() or (self._desk.paused and not self._running):
                self._interrupt()
            if self._running:
                self._collect(POLL)

    def _fill(self, should_stop: Callable[[], bool]) -> None:
        while self._running < self._workers.slots and not should_stop():
            if self._desk.paused:
                return
            if not self._waiting:
                if not self._search.ready():
                    return
                self._waiting.append(self._issue())
            self._send(self._waiting.popleft())

    def _issue(self) -> Decision:
        """Decide and record before anything runs, so that a killed run knows what it owes."""
        decision = self._search.decide()
        self._recorder.issued(decision.job, kind=decision.kind, parents=decision.parents, operator=decision.operator)
        return decision

    def _send(self, decision: Decision) -> None:
        found = self._recorder.find(decision.job.key)
        if found is None:
            self._workers.submit(decision.job)
            self._running += 1
        else:
            same = msgspec.structs.replace(found, decision=decision.job.decision)
            self._take(same, cached_from=found.decision)

    def _collect(self, timeout: float) -> bool:
        outcome = self._workers.collect(timeout)
        if outcome is None:
            return False
        self._running -= 1
        self._take(sound(outcome))
        return True

    def _take(self, outcome: Outcome, *, cached_from: int | None = None) -> None:
        """Durable first, then told: what the search has seen is always in the record."""
        decision = self._search.open.get(outcome.decision)
        if decision is None:
            raise WorkersError(
                f"workers: answered decision {outcome.decision}, expected one in flight. Report this, and resume."
            )
        self._recorder.recorded(outcome, cached_from=cached_from)
        if isinstance(outcome, Lost):
            self._recorder.event("lost", outcome.reason, outcome.decision)
        self._search.tell(outcome)
        self._progress(_standing(self._search, decision, outcome, cached=cached_from is not None))

    def _interrupt(self) -> None:
        """Keep what is done already, wait for nothing."""
        while self._running and self._collect(0.0):
            pass
        self._recorder.set_state("stopped")
        word = "paused" if self._desk.paused else "stopped"
        raise Interrupted(
            f"{word} after {self._search.next} decisions, {len(self._search.open)} of them in flight; resume to go on."
        )


def _standing(search: Search, decision: Decision, outcome: Outcome, *, cached: bool) -> Progress:
    return Progress(
        phase="finish" if decision.kind == "finish" else "search",
        decision=decision,
        outcome=outcome,
        cached=cached,
        issued=search.next,
        in_flight=len(search.open),
        births=search.births,
        individuals=search.settings.individuals,
        best=search.best,
        mean=search.mean,
    )
