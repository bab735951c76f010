"""Workers as plain processes: the contract, the faults, and that nothing is left behind."""

import os
from pathlib import Path

import numpy as np
import pytest
from contracts.faults import FaultsContract, check_hang, check_kills, left_after_sigkill
from contracts.hangs import KINDS
from contracts.workers import CANDIDATES, IMAGES, LIGHT, WorkersContract, job, outcomes
from msgspec.structs import replace

from evonet.errors import WorkersError
from evonet.job import Lost, Scored
from evonet.workers import WorkersSettings, make_workers, processes
from evonet.workers.inside import reap
from evonet.workers.wire import SharedArgs, shared

PROCESS = WorkersSettings(kind="process", count=2)


class TestProcessWorkers(WorkersContract):
    settings = PROCESS
    single = replace(PROCESS, count=1)


class TestProcessFaults(FaultsContract):
    settings = PROCESS


def test_hanging_workers_are_ended_in_time_and_leave_their_stacks() -> None:
    took = check_hang(PROCESS, ["c_loop_with_the_gil", "stopped", "mute"], deadline=1.0)
    assert len(took) == 3


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_worker_killed_every_two_evaluation_times_costs_little(tmp_path: Path) -> None:
    ratio = check_kills(PROCESS, tmp_path)
    print(f"wall time {ratio:.3f} of the ideal")
    assert ratio <= 1.3


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_hanging(kind: str) -> None:
    took = check_hang(PROCESS, [kind])
    print(kind, took)
    assert took[kind] <= 3.0 + 5.0


def test_a_broken_gpu_is_replaced_and_then_kept_from_jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # none is there: the errors are injected
    attempts: list[tuple[int, int, str, str]] = []
    events: list[tuple[str, str]] = []
    settings = replace(PROCESS, count=2, gpus_per_worker=1, device="cuda:0")
    with make_workers(
        settings,
        "contracts.worker_factories:with_a_broken_gpu",
        ("0", IMAGES, str(tmp_path)),
        on_attempt=lambda *attempt: attempts.append(attempt),
        on_event=lambda *event: events.append(event),
    ) as workers:
        begun = 0
        while not events:  # the good one may do many jobs until the other's process is there again
            found = outcomes(workers, [job(n, "slow") for n in range(begun, begun + 4)])
            assert all(isinstance(outcome, Scored) for outcome in found.values())
            begun += 4
        assert [kind for kind, _ in events] == ["quarantine"]
        assert {reason for *_, reason in attempts} == {"CUDA error: device-side assert triggered"}
        assert len(attempts) == 2
        found = outcomes(workers, [job(n) for n in range(begun, begun + 4)])
        assert all(isinstance(outcome, Scored) for outcome in found.values())
    assert len(attempts) == 2  # device 0 had no job any more


def test_a_machine_without_gpus_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(WorkersError, match=r"0 GPU in this machine carry 0 workers, expected auto. Lower .*gpus_per_w"):
        make_workers(WorkersSettings(kind="process", gpus_per_worker=0.25), CANDIDATES)


def test_auto_is_as_many_as_the_processors_carry() -> None:
    backend = processes.ProcessBackend(WorkersSettings(kind="process", cpus_per_worker=0.5), CANDIDATES, ())
    assert backend.capacity() == 2 * processes.processors()
    backend.close()


def test_workers_that_die_while_starting_stop_the_run() -> None:
    with pytest.raises(WorkersError, match=r"2 workers ended while starting: the worker died: exit code 7. Cause: "):
        make_workers(replace(PROCESS, count=1, attempts=2), "contracts.worker_factories:leaves")


def test_data_is_shared_and_of_any_shape() -> None:
    arrays = [np.arange(7, dtype=np.uint8), np.zeros((0, 3), np.float32), np.ones((2, 3, 4), ">i2"), np.array(5.0)]
    shared_args = SharedArgs(["text", *arrays, b"bytes"])
    again = shared(shared_args.file, shared_args.specs)
    assert (again[0], again[-1]) == ("text", b"bytes")
    for one, other in zip(arrays, again[1:-1], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
        assert not other.flags.writeable or other.size == 0
    shared_args.close()


def test_a_job_that_no_socket_takes_at_once_arrives_whole() -> None:
    large = replace(job(0), key="k" * 5_000_000)
    with make_workers(replace(PROCESS, count=1), LIGHT, (IMAGES, "")) as workers:
        assert isinstance(outcomes(workers, [large])[0], Scored)


def test_objects_do_not_travel() -> None:
    with pytest.raises(WorkersError, match="array of object, expected numbers"):
        SharedArgs([np.array([object()])])


def test_no_process_outlives_a_killed_driver() -> None:
    assert left_after_sigkill("process", 30.0) == set()


def test_reap_spares_a_process_that_has_only_the_same_number(tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text("stack of another")
    assert reap(os.getpid(), "long ago", str(trace), hung=False) == "stack of another"
    assert not trace.exists()
    assert isinstance(os.getpid(), int)  # still here


def test_a_lost_job_says_how_much_memory_its_process_held() -> None:
    with make_workers(replace(PROCESS, count=1, attempts=1), LIGHT, (IMAGES, "")) as workers:
        lost = outcomes(workers, [job(0, "die")])[0]
    assert isinstance(lost, Lost)
    assert lost.reason == "the worker died: SIGKILL"
    assert "SIGKILL, peak memory " in lost.cause
