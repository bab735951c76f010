"""Search and store under any order of answers, crashes, second drivers and clocks, beside a dictionary that says what
they must hold."""

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from chaos import lab
from evolution.simulation import AnyOrder, in_turn, make_search, rough
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evonet.errors import RunLocked, StoreError
from evonet.evolution.loop import replay, run
from evonet.evolution.score import sound
from evonet.job import Job, Lost, Outcome, Rejected
from evonet.seeds import Stream
from evonet.store import RunWriter, lock, open_run, run_digest
from evonet.store import writer as writer_module

MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's
PICKS = st.integers(0, 2**16)


def answer(job: Job) -> Outcome:
    return sound(rough(job))


def new_run() -> Path:
    folder = tempfile.mkdtemp(prefix="evonet-machine-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
    path = Path(folder) / "run"
    RunWriter.create(path, config="", seed=7, population=8, provenance={}).close()
    return path


@cache
def expected() -> str:
    """The digest of a run that nothing happened to."""
    path = new_run()
    with RunWriter.open(path) as writer:
        run(make_search(writer), in_turn(rough), writer)
    with open_run(path) as record:
        digest = run_digest(record)
    shutil.rmtree(path.parent)
    return digest


class Machine(RuleBasedStateMachine):
    """The model: for every decision its job, and its outcome or None. A driver is a writer and a search, or gone."""

    @initialize()
    def begin(self) -> None:
        self.path = new_run()
        self.model: dict[int, tuple[Job, Outcome | None]] = {}
        self.writer: RunWriter | None = None
        self.stale: RunWriter | None = None
        self.now, self.patience = writer_module._now, lock.PATIENCE_S
        lock.PATIENCE_S = 0.0
        self.resume()

    def teardown(self) -> None:
        try:
            if self.writer is not None:
                self.crash()
            with RunWriter.open(self.path) as writer, open_run(self.path) as past:
                workers = AnyOrder(rough, 3, Stream("order", len(self.model)).below)
                run(make_search(writer), workers, writer, past=past.decisions())
            with open_run(self.path) as record:
                assert run_digest(record) == expected()
                held = [d.outcome for d in record.decisions(weights=True)]
            assert [held[n] for n, (_, o) in self.model.items() if o is not None] == [
                o for _, o in self.model.values() if o is not None
            ]
        finally:
            if self.stale is not None:
                self.stale.close()
            writer_module._now, lock.PATIENCE_S = self.now, self.patience
            shutil.rmtree(self.path.parent)

    def flying(self) -> list[int]:
        return [n for n, (_, outcome) in self.model.items() if outcome is None]

    def told(self) -> list[int]:
        return [n for n, (_, outcome) in self.model.items() if outcome is not None]

    @precondition(lambda self: self.writer is not None and self.search.ready())
    @rule(many=st.integers(1, 6))
    def issue(self, many: int) -> None:
        while many and self.search.ready():
            decision = self.search.decide()
            job = decision.job
            self.writer.issued(job, kind=decision.kind, parents=decision.parents, operator=decision.operator)
            assert job.decision == len(self.model)
            twins = (o for j, o in self.model.values() if j.key == job.key and o and not isinstance(o, Lost))
            assert self.writer.find(job.key) == next(twins, None)
            self.model[job.decision] = job, None
            many -= 1

    @precondition(lambda self: self.writer is not None and self.flying())
    @rule(picks=st.lists(PICKS, min_size=1, max_size=6))
    def result(self, picks: list[int]) -> None:
        for pick in picks:
            if flying := self.flying():
                n = flying[pick % len(flying)]
                outcome = answer(self.model[n][0])
                self.writer.recorded(outcome)
                self.search.tell(outcome)
                self.model[n] = self.model[n][0], outcome

    @precondition(lambda self: self.writer is not None and self.told())
    @rule(pick=PICKS)
    def duplicate_result(self, pick: int) -> None:
        """A worker thought lost answers after all."""
        n = self.told()[pick % len(self.told())]
        outcome = self.model[n][1]
        self.writer.recorded(outcome)
        with pytest.raises(ValueError, match=f"decision {n} is not open"):
            self.search.tell(outcome)
        with pytest.raises(StoreError, match=f"decision {n} is recorded as .*, came another outcome"):
            self.writer.recorded(Rejected(decision=n, reason="another opinion"))

    @precondition(lambda self: self.writer is not None)
    @rule()
    def result_of_nothing(self) -> None:
        n = len(self.model)
        with pytest.raises(StoreError, match=f"decision {n} was never issued"):
            self.writer.recorded(Rejected(decision=n, reason="of another run"))
        with pytest.raises(ValueError, match=f"decision {n} is not open"):
            self.search.tell(Rejected(decision=n, reason="of another run"))

    @precondition(lambda self: self.writer is not None)
    @rule(inside=st.booleans())
    def crash(self, inside: bool = False) -> None:
        """The kernel closes what a killed process held; `inside` a transaction, which then never happened."""
        if inside:
            self.writer._db.execute("BEGIN IMMEDIATE")
            self.writer._db.execute("DELETE FROM event")
            self.writer._db.execute("UPDATE run SET state = 'failed'")
        self.writer._db.close()
        self.writer._lock.release()
        self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def stop(self) -> None:
        self.writer.set_state("stopped")
        self.writer.close()
        self.writer = None

    @precondition(lambda self: self.writer is None)
    @rule()
    def resume(self) -> None:
        self.writer = RunWriter.open(self.path)
        self.search = make_search(self.writer)
        with open_run(self.path) as past:
            waiting = replay(self.search, past.decisions())
        assert [decision.job for decision in waiting] == [self.model[n][0] for n in self.flying()]
        assert self.search.next == len(self.model)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def second_driver(self) -> None:
        with pytest.raises(RunLocked, match="another driver holds this run"):
            RunWriter.open(self.path)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def take_over(self) -> None:
        """The lock does not hold, as on some network file systems: the older driver is fenced off."""
        if self.stale is not None:
            self.stale.close()
        self.stale, self.writer = self.writer, None
        (self.path / "lock").unlink()
        self.resume()

    @precondition(lambda self: self.stale is not None)
    @rule(pick=PICKS)
    def stale_write(self, pick: int) -> None:
        for n in [n for n in self.flying() if n % 7 == pick % 7]:
            with pytest.raises(RunLocked, match="another has taken over; nothing was written"):
                self.stale.recorded(answer(self.model[n][0]))
        with pytest.raises(RunLocked, match="another has taken over; nothing was written"):
            self.stale.set_state("failed")

    @rule(days=st.integers(-3650, 3650))
    def clock_jump(self, days: int) -> None:
        shifted = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
        writer_module._now = lambda: shifted.isoformat(timespec="seconds")
        if self.writer is not None:
            self.writer.event("clock", f"{days} days")

    @invariant()
    def the_store_holds_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        with open_run(self.path) as record:
            held = [(d.key, d.outcome is None) for d in record.decisions()]
            assert record.state != "failed"
        assert held == [(job.key, outcome is None) for job, outcome in self.model.values()]


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=lab.short_or_long(6, 100), stateful_step_count=lab.short_or_long(30, 60), deadline=None
)
