"""The rules of dispatch, in simulated time: single cases, and a machine that does everything in any order."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from contracts.workers import job
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from evonet.job import Lost, Rejected, encode
from evonet.workers.base import WorkersSettings
from evonet.workers.dispatch import BOUNDS, START, Dispatch, Fault, State

SETTINGS = WorkersSettings(attempts=4, deadline=100)


class Told:
    """A dispatch and what it told."""

    def __init__(self, settings: WorkersSettings = SETTINGS) -> None:
        self.attempts: list[tuple[int, int, str, str]] = []
        self.events: list[tuple[str, str]] = []
        self.rules = Dispatch(
            settings,
            on_attempt=lambda *attempt: self.attempts.append(attempt),
            on_event=lambda *event: self.events.append(event),
        )

    def worker(self, number: int, *, node: str = "a", device: str = "", now: float = 0.0) -> None:
        """One that is ready, if its device is not in quarantine."""
        self.rules.starting(number, now)
        self.rules.placed(number, now, name=f"{node}/{number}", node=node, device=device)
        self.rules.ready(number)


def answer(decision: int) -> bytes:
    return encode(Rejected(decision=decision, reason="stub"))


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_retry_goes_first_and_says_what_happened(told: Told) -> None:
    told.worker(1)
    for n in range(3):
        told.rules.submit(job(n))
    [(worker, _, seconds)] = told.rules.assign(0.0)
    assert (worker, seconds) == (1, 100)
    told.rules.ended(1, Fault.DIED, "killed", "", 1.0)
    told.worker(2)
    assert [data for _, data, _ in told.rules.assign(1.0)] == [encode(job(0))]
    assert told.attempts == [(0, 1, "a/1", "killed")]


def test_a_retry_waits_for_another_machine_where_there_is_one(told: Told) -> None:
    told.worker(1, node="a")
    told.rules.submit(job(0))
    told.rules.assign(0.0)
    told.worker(2, node="b")
    told.rules.submit(job(1))
    told.rules.assign(0.0)
    told.rules.ended(1, Fault.DIED, "killed", "", 1.0)
    told.worker(3, node="a")
    assert told.rules.assign(2.0) == []  # 2 on b is busy, and will be through
    told.rules.answered(2, answer(1))
    assert [(worker, data) for worker, data, _ in told.rules.assign(3.0)] == [(2, encode(job(0)))]


def test_a_retry_stays_where_there_is_no_other_machine(told: Told) -> None:
    told.worker(1, node="a")
    told.rules.submit(job(0))
    told.rules.assign(0.0)
    told.rules.ended(1, Fault.DIED, "killed", "", 1.0)
    told.worker(2, node="a")
    assert len(told.rules.assign(2.0)) == 1


def lose(told: Told, *faults: Fault) -> Lost | None:
    """Try job 0 until all `faults` have happened to it."""
    told.rules.submit(job(0))
    for n, fault in enumerate(faults):
        told.worker(100 + n)
        assert len(told.rules.assign(float(n))) == 1
        told.rules.ended(100 + n, fault, f"reason {n}", f"detail {n}", float(n))
    if not told.rules.done:
        return None
    lost = told.rules.done.popleft()
    assert isinstance(lost, Lost)
    return lost


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.DIED] * 4,
        [Fault.HUNG] * 2,
        [Fault.MEMORY] * 3,
        [Fault.DIED, Fault.MEMORY, Fault.HUNG, Fault.DEVICE],
        [Fault.NODE] * 20,
        [*[Fault.NODE] * 5, Fault.HUNG, Fault.HUNG],
    ],
)
def test_a_job_has_boundedly_many_tries(faults: list[Fault]) -> None:
    assert lose(Told(), *faults[:-1]) is None
    lost = lose(Told(), *faults)
    assert lost is not None
    assert (lost.attempts, lost.reason) == (len(faults), f"reason {len(faults) - 1}")


def test_a_lost_job_tells_its_whole_story(told: Told) -> None:
    lost = lose(told, Fault.DIED, Fault.NODE, Fault.HUNG, Fault.HUNG)
    assert lost is not None
    for n in range(4):
        assert f"try {n + 1} on a/{100 + n}: reason {n}\ndetail {n}" in lost.cause


def test_late_second_and_foreign_answers(told: Told) -> None:
    told.worker(1)
    told.worker(2)
    told.rules.submit(job(0))
    told.rules.submit(job(1))
    told.rules.assign(0.0)
    assert [seat.worker for seat in told.rules.overdue(100.0)] == [1, 2]
    assert told.rules.overdue(1000.0) == []  # each is told once
    assert told.rules.answered(1, answer(0)) == ""  # too late
    told.rules.ended(1, Fault.HUNG, "late", "", 101.0)
    assert told.rules.answered(1, answer(0)) == ""  # from the grave
    told.rules.ended(2, Fault.HUNG, "late", "", 101.0)
    told.worker(3, now=102.0)
    told.rules.assign(102.0)
    assert told.rules.answered(3, answer(7)) == "it answered decision 7, was given 1"
    assert "its answer is no outcome" in told.rules.answered(3, b"noise")
    assert told.rules.answered(3, answer(1)) == ""
    assert told.rules.answered(3, answer(1)) == ""  # twice
    assert list(told.rules.done) == [Rejected(decision=1, reason="stub")]


def test_a_device_is_in_quarantine_after_two_errors_in_ten_minutes(told: Told) -> None:
    def error(worker: int, at: float) -> None:
        told.worker(worker, device="0", now=at)
        told.rules.submit(job(worker))
        told.rules.assign(at)
        told.rules.ended(worker, Fault.DEVICE, "CUDA error", "", at)

    error(1, 0.0)
    error(2, 601.0)  # the first is forgotten
    assert told.events == []
    told.worker(3, device="1")
    error(4, 1200.0)
    assert told.events[0][0] == "quarantine"
    assert "0 of a: 2 errors within 10 minutes" in told.events[0][1]
    told.worker(5, device="0")
    assert told.rules.seats[5].state is State.RETIRED
    assert told.rules.seats[3].state is State.BUSY  # another device of the same machine


def test_the_loss_of_the_cluster_keeps_the_order_of_jobs(told: Told) -> None:
    for n in (1, 2):
        told.worker(n)
    for n in range(3):
        told.rules.submit(job(n))
    told.rules.assign(0.0)
    told.rules.all_gone("head lost")
    told.worker(9)
    for n in range(3):
        assert [data for _, data, _ in told.rules.assign(1.0)] == [encode(job(n))]
        told.rules.answered(9, answer(n))


def test_failed_starts_are_counted_until_one_succeeds(told: Told) -> None:
    told.rules.starting(1, 0.0)
    told.rules.ended(1, Fault.DIED, "no import", "", 1.0)
    told.rules.starting(2, 1.0)
    told.rules.placed(2, 2.0, name="x", node="a")
    assert told.rules.next_deadline() == 2.0 + START
    told.rules.ended(2, Fault.DIED, "no data", "", 3.0)
    assert told.rules.failed_starts == 2
    told.worker(3)
    assert told.rules.failed_starts == 0


DEVICES = [("a", "0"), ("a", "1"), ("b", "0"), ("c", "")]


class Anything(RuleBasedStateMachine):
    """Workers come, die, hang, answer late, twice and wrongly; machines and clusters go; time passes.

    The invariants of `dispatch` hold after every step; at the end, with one good worker, every job has its outcome.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told = Told()
        self.rules = self.told.rules
        self.now, self.jobs, self.workers = 0.0, 0, 0
        self.given: dict[int, int] = {}  # worker -> decision, as long as the worker has not been given up
        self.until: dict[int, float] = {}
        self.outcomes: dict[int, Any] = {}

    def settle(self) -> None:
        """Assign, and take what is done."""
        for worker, data, seconds in self.rules.assign(self.now):
            decision = next(n for n in range(self.jobs) if encode(job(n)) == data)
            assert worker not in self.given
            assert decision not in self.given.values(), "with one worker at a time"
            assert decision not in self.outcomes
            self.given[worker], self.until[worker] = decision, self.now + seconds
        while self.rules.done:
            outcome = self.rules.done.popleft()
            assert outcome.decision not in self.outcomes, "one outcome"
            assert outcome.decision < self.jobs
            self.outcomes[outcome.decision] = outcome

    @rule()
    def submit(self) -> None:
        self.rules.submit(job(self.jobs))
        self.jobs += 1
        self.settle()

    @rule(where=st.sampled_from(DEVICES), fails=st.sampled_from([0, 0, 0, 1, 2]))
    def start(self, where: tuple[str, str], fails: int) -> None:
        self.workers += 1
        self.rules.starting(self.workers, self.now)
        if fails == 1:
            self.rules.ended(self.workers, Fault.DIED, "no start", "", self.now)
        elif self.rules.placed(self.workers, self.now, name=str(self.workers), node=where[0], device=where[1]):
            self.rules.retire(self.workers) if fails == 2 else self.rules.ready(self.workers)
        self.settle()

    @precondition(lambda self: self.given)
    @rule(data=st.data(), twice=st.booleans())
    def answer_comes(self, data: st.DataObject, twice: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.given)))
        decision = self.given.pop(worker)
        assert self.rules.answered(worker, answer(decision)) == ""
        if twice:
            self.rules.answered(worker, answer(decision))
        self.settle()

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), fault=st.sampled_from(Fault))
    def worker_ends(self, data: st.DataObject, fault: Fault) -> None:
        worker = data.draw(st.integers(1, self.workers))  # also one that is long gone
        decision = self.given.pop(worker, None)
        self.rules.ended(worker, fault, fault.value, "", self.now)
        if decision is not None:
            self.rules.answered(worker, answer(decision))  # too late
        self.settle()

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def answer_is_wrong(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.given)))
        assert self.rules.answered(worker, answer(10_000)) != ""
        del self.given[worker]
        self.rules.ended(worker, Fault.DIED, "wrong answer", "", self.now)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 50.0, 150.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for seat in self.rules.overdue(self.now):
            assert self.until[seat.worker] <= self.now
            del self.given[seat.worker]
            self.rules.ended(seat.worker, Fault.HUNG, "late", "stack", self.now)
        self.settle()

    @rule()
    def cluster_goes(self) -> None:
        self.rules.all_gone("head lost")
        self.given.clear()
        self.settle()

    @invariant()
    def nothing_runs_beyond_its_deadline(self) -> None:
        assert all(self.until[worker] > self.now for worker in self.given)

    @invariant()
    def books_are_right(self) -> None:
        states = [seat.state for seat in self.rules.seats.values()]
        assert all(self.rules.count(state) == states.count(state) for state in State)
        assert self.rules.count(State.BUSY) == len(self.given)
        assert self.rules.unfinished == (len(self.outcomes) < self.jobs)

    @invariant()
    def tries_are_bounded_and_told(self) -> None:
        for decision, outcome in self.outcomes.items():
            if isinstance(outcome, Lost):
                tries = [reason for n, _, _, reason in self.told.attempts if n == decision]
                own = [reason for reason in tries if reason not in ("node", "head lost")]
                assert outcome.attempts == len(tries)
                assert len(own) <= SETTINGS.attempts
                assert len(tries) - len(own) <= BOUNDS[Fault.NODE]
                assert len(tries) == 1 or all(reason in outcome.cause for reason in tries)

    def teardown(self) -> None:
        self.workers += 1
        self.rules.starting(self.workers, self.now)
        self.rules.placed(self.workers, self.now, name="good", node="good")
        self.rules.ready(self.workers)
        self.settle()
        while self.given:
            worker = min(self.given)
            self.rules.answered(worker, answer(self.given.pop(worker)))
            self.settle()
        assert self.outcomes.keys() == set(range(self.jobs))


Anything.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=40)
TestAnything: Callable[..., Any] = Anything.TestCase


@pytest.mark.parametrize(
    "faults, poison",
    [
        ([Fault.HUNG] * 2, True),
        ([Fault.DIED] * 4, True),
        ([*[Fault.NODE] * 5, Fault.HUNG, Fault.HUNG], True),
        ([Fault.NODE] * 20, False),
        ([*[Fault.NODE] * 19, Fault.HUNG, Fault.NODE], False),  # one worker says little of the job
    ],
)
def test_what_took_workers_down_is_not_tried_again_for_another_decision(faults, poison) -> None:
    told = Told()
    first = lose(told, *faults)
    assert first is not None
    told.worker(1)
    told.rules.submit(replace(job(7), key=job(0).key))
    assert bool(told.rules.done) == poison
    assert len(told.rules.assign(100.0)) == (not poison)
    if poison:
        again = told.rules.done.popleft()
        assert isinstance(again, Lost)
        assert (again.decision, again.attempts, again.cause) == (7, 0, first.cause)
        assert again.reason == f"the same as decision 0, not tried again: {first.reason}"
        assert not told.rules.unfinished
    told.rules.submit(job(8))  # other work is nothing to do with it
    assert told.rules.unfinished
