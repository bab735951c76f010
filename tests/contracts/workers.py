"""What every kind of workers owes. Inherit `WorkersContract` and give `make`."""

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from evonet.errors import DataError, WorkersError
from evonet.job import Diverged, Job, Lost, Outcome, Rejected, Scored
from evonet.workers import Workers, WorkersSettings, make_workers

CANDIDATES = "contracts.worker_factories:candidates"
LIGHT = "contracts.worker_factories:light"
IMAGES = np.random.default_rng(7).normal(size=(32, 12)).astype(np.float32)
PATIENCE = 60.0  # seconds for one outcome, fresh workers included; never reached when all is well


def job(decision: int, how: str = "train") -> Job:
    return Job(
        decision=decision, individual=decision, rung=0, genome=how.encode(), ids=(), steps=20, seed=100 + decision,
        key=f"{decision:x}",
    )  # fmt: skip


def outcomes(workers: Workers, jobs: Sequence[Job]) -> dict[int, Outcome]:
    """The outcome of each job by decision; every job has exactly one."""
    for one in jobs:
        workers.submit(one)
    found: dict[int, Outcome] = {}
    while len(found) < len(jobs):
        outcome = workers.collect(PATIENCE)
        assert outcome is not None, f"no outcome in {PATIENCE} s; {found.keys()} are there"
        assert outcome.decision not in found
        found[outcome.decision] = outcome
    assert found.keys() == {one.decision for one in jobs}
    assert workers.collect(0.0) is None
    return found


def serially(jobs: Sequence[Job], folder: Path, factory: str = CANDIDATES) -> dict[int, Outcome]:
    with make_workers(WorkersSettings(kind="serial"), factory, (IMAGES, str(folder))) as workers:
        return outcomes(workers, jobs)


class WorkersContract:
    """Tests that run against each kind of workers."""

    settings: WorkersSettings
    single: WorkersSettings  # one worker, where a test starts its own

    @pytest.fixture(scope="class")
    @classmethod
    def workers(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
        """One set of workers for the tests that leave them as they were."""
        args = (IMAGES, str(tmp_path_factory.mktemp("candidates")))
        with make_workers(cls.settings, CANDIDATES, args) as workers:
            yield workers

    def test_every_job_has_one_outcome_with_the_bits_of_serial(self, workers: Workers, tmp_path: Path) -> None:
        jobs = [job(n) for n in range(7)]
        found = outcomes(workers, jobs)
        assert found == serially(jobs, tmp_path)
        packages = {outcome.package for outcome in found.values() if isinstance(outcome, Scored)}
        assert len(packages) == 7  # each job had its own seed

    def test_the_order_of_submission_does_not_matter(self, workers: Workers) -> None:
        jobs = [job(n) for n in range(5)]
        assert outcomes(workers, jobs) == outcomes(workers, jobs[::-1])

    def test_jobs_can_be_added_while_others_run(self, workers: Workers) -> None:
        workers.submit(job(0))
        workers.submit(job(1))
        first = workers.collect(PATIENCE)
        workers.submit(job(2))
        rest = [workers.collect(PATIENCE) for _ in range(2)]
        assert {o.decision for o in (first, *rest) if o is not None} == {0, 1, 2}

    def test_failed_candidates_pass_through(self, workers: Workers) -> None:
        found = outcomes(workers, [job(0, "diverge"), job(1, "reject")])
        assert found == {
            0: Diverged(decision=0, step=41, reason="loss is nan"),
            1: Rejected(decision=1, reason="too large"),
        }

    def test_an_exception_is_lost_at_once_with_its_story(self, workers: Workers) -> None:
        found = outcomes(workers, [job(0, "raise"), job(1)])
        lost = found[0]
        assert isinstance(lost, Lost)
        assert (lost.reason, lost.attempts) == ("ZeroDivisionError: a bug in the evaluation", 1)
        assert "worker_factories.py" in lost.cause
        assert "inside.py" not in lost.cause
        assert isinstance(found[1], Scored)

    def test_want_of_memory_has_one_more_try(self, workers: Workers) -> None:
        lost = outcomes(workers, [job(0, "exhaust")])[0]
        assert isinstance(lost, Lost)
        assert (lost.reason, lost.attempts) == ("MemoryError: no room", 2)

    def test_an_answer_to_another_job_is_not_believed(self, workers: Workers) -> None:
        lost = outcomes(workers, [job(3, "mistake")])[3]
        assert isinstance(lost, Lost)
        assert "the evaluation of decision 3 answered Rejected(decision=4" in lost.reason

    def test_nothing_in_flight_gives_none(self, workers: Workers) -> None:
        assert workers.collect(0.0) is None
        assert workers.collect(1e9) is None  # not after 30 years

    def test_there_is_a_slot(self, workers: Workers) -> None:
        assert workers.slots >= 1

    def test_an_error_of_evonet_in_the_factory_is_raised_as_it_is(self) -> None:
        with pytest.raises(DataError, match=r"^data/none.npz: no such file, expected images and labels. Fetch it.$"):
            make_workers(self.single, "contracts.worker_factories:no_data")

    def test_any_other_error_in_the_factory_is_told(self) -> None:
        with pytest.raises(
            WorkersError, match=r"worker_factories:broken failed: TypeError: no factory at all. Cause: "
        ):
            make_workers(self.single, "contracts.worker_factories:broken")

    def test_a_module_that_cannot_be_imported_is_named_with_its_machine(self) -> None:
        expected = rf"contracts.nowhere:make cannot be imported on {platform.node()}: ModuleNotFoundError: .*Install"
        with pytest.raises(WorkersError, match=expected):
            make_workers(self.single, "contracts.nowhere:make")

    def test_the_data_is_read_only(self) -> None:
        with pytest.raises(WorkersError, match="read-only"):
            make_workers(self.single, "contracts.worker_factories:spoils", (IMAGES.copy(),))

    def test_closing_twice_is_allowed_and_ends_it(self, tmp_path: Path) -> None:
        workers = make_workers(self.single, CANDIDATES, (IMAGES, str(tmp_path)))
        workers.submit(job(0))
        workers.close()
        workers.close()
        assert workers.collect(0.0) is None
        with pytest.raises(WorkersError, match=r"decision 1 came after close\(\)"):
            workers.submit(job(1))
