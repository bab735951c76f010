"""Workers as Ray actors: the contract, and what only processes can do: die, hang, be out of reach."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from contracts.workers import CANDIDATES, IMAGES, PATIENCE, WorkersContract, job, outcomes, serially

from evonet.errors import WorkersError
from evonet.job import Job, Lost, Outcome, Scored
from evonet.workers import Workers, WorkersSettings, make_workers, session
from evonet.workers.cluster import what_died

pytestmark = pytest.mark.ray


@pytest.mark.usefixtures("ray")
class TestRayWorkers(WorkersContract):
    settings = WorkersSettings(count=2)
    single = WorkersSettings(count=1)

    def test_the_end_of_the_cluster_is_an_error_of_evonet(
        self, ray: ModuleType, monkeypatch: pytest.MonkeyPatch, workers: Workers
    ) -> None:
        def gone(*args: Any, **options: Any) -> None:
            raise ray.exceptions.RpcError("head node unreachable", 14)

        workers.submit(job(0))
        with monkeypatch.context() as patched:
            patched.setattr(ray, "wait", gone)
            with pytest.raises(WorkersError, match=r"Ray gave up: RpcError: .*Resume the run"):
                workers.collect(PATIENCE)
        assert isinstance(workers.collect(PATIENCE), Scored)


class Story(NamedTuple):
    """A run with faults: what came out of it, and what was recorded on the way."""

    outcomes: dict[int, Outcome]
    attempts: list[tuple[int, int, str, str]]


JOBS: tuple[Job, ...] = (job(0, "die"), job(1, "hang"), job(2, "die once"), *(job(n) for n in range(3, 9)))


@pytest.fixture(scope="module")
def story(ray: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two workers; of nine jobs one always kills its worker, one once, and one hangs."""
    attempts: list[tuple[int, int, str, str]] = []
    settings = WorkersSettings(count=2, attempts=2, deadline=4.0)
    with make_workers(
        settings,
        CANDIDATES,
        (IMAGES, str(tmp_path_factory.mktemp("faults"))),
        on_attempt=lambda *attempt: attempts.append(attempt),
    ) as workers:
        return Story(outcomes(workers, JOBS), attempts)


def test_a_job_whose_worker_was_killed_ends_as_if_nothing_had_been(story: Story, tmp_path: Path) -> None:
    (tmp_path / "2").touch()  # in this process nobody dies
    assert story.outcomes[2] == serially([job(2, "die once")], tmp_path)[2]
    assert [(decision, attempt) for decision, attempt, *_ in story.attempts if decision == 2] == [(2, 1)]


def test_a_job_that_always_kills_its_worker_is_lost(story: Story) -> None:
    lost = story.outcomes[0]
    assert isinstance(lost, Lost)
    assert lost.reason == "the worker died: killed, crashed or out of memory"
    assert lost.attempts == 2
    assert "actor died unexpectedly" in lost.cause
    tries = [attempt for attempt in story.attempts if attempt[0] == 0]
    assert [attempt for _, attempt, *_ in tries] == [1, 2]
    assert len({worker for _, _, worker, _ in tries}) == 2  # a fresh process each time


def test_a_job_that_hangs_is_lost_and_leaves_its_stack(story: Story) -> None:
    lost = story.outcomes[1]
    assert isinstance(lost, Lost)
    assert (lost.reason, lost.attempts) == ("deadline of 4 s passed", 2)
    assert "in _hang" in lost.cause


def test_the_other_jobs_are_not_harmed(story: Story, tmp_path: Path) -> None:
    others = JOBS[3:]
    assert all(isinstance(story.outcomes[one.decision], Scored) for one in others)
    assert {one.decision: story.outcomes[one.decision] for one in others} == serially(others, tmp_path)
    assert all(decision < 3 for decision, *_ in story.attempts)


def test_ray_keeps_to_the_loopback_interface(ray: ModuleType) -> None:
    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]


@pytest.mark.usefixtures("ray")
def test_ray_leaves_the_signal_handlers_alone(handlers: tuple[Any, Any]) -> None:
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


@pytest.mark.usefixtures("ray")
def test_too_few_processors_are_told_at_once() -> None:
    expected = r"6 CPU in the cluster carry 6 workers, expected 7. Lower workers.count or workers.cpus_per_worker"
    with pytest.raises(WorkersError, match=expected):
        make_workers(WorkersSettings(count=7), CANDIDATES)


@pytest.mark.usefixtures("ray")
def test_a_machine_without_gpus_is_told_at_once() -> None:
    with pytest.raises(WorkersError, match="0 GPU in the cluster carry 0 workers, expected auto"):
        make_workers(WorkersSettings(gpus_per_worker=0.25), CANDIDATES)


JOINING = """
import sys
from contracts.workers import CANDIDATES, IMAGES, job, outcomes
from evonet.job import Scored
from evonet.workers import WorkersSettings, make_workers, session
session.GREET = 100.0
with make_workers(WorkersSettings(count=1, address=sys.argv[1]), CANDIDATES, (IMAGES, "")) as workers:
    assert isinstance(outcomes(workers, [job(0)])[0], Scored)
import ray
assert not ray.is_initialized()
"""


def test_another_driver_joins_and_leaves_a_running_cluster(ray: ModuleType) -> None:
    address = ray.get_runtime_context().gcs_address
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", JOINING, address], check=True, env=environment)
    assert ray.is_initialized()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_an_address_where_nobody_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(WorkersError, match=f"no Ray cluster at 127.0.0.1:{port}: .*refused. Start one or correct"):
        make_workers(WorkersSettings(address=f"127.0.0.1:{port}"), CANDIDATES)


def test_an_address_where_something_else_listens(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> None:
    monkeypatch.setattr(session, "GREET", 2.0)
    with pytest.raises(WorkersError, match="did not greet within 2 s, expected a Ray cluster"):
        make_workers(WorkersSettings(address=f"127.0.0.1:{listener.getsockname()[1]}"), CANDIDATES)


@pytest.mark.parametrize("address", ["localhost", ":6379", "10.0.0.1:", "http://10.0.0.1:ray"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(
        WorkersError, match=r'workers.address = ".*", expected "host:port", "ray://host:port" or "auto"'
    ):
        make_workers(WorkersSettings(address=address), CANDIDATES)


# Errors of Ray, with all their subclasses, after which a fresh worker tries again ...
RETRIED = {
    "RayActorError", "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError", "RayTaskError",
    "TaskCancelledError",
}  # fmt: skip
# ... and those after which the run stops, resumable.
STOPPED = {
    "ActorAlreadyExistsError", "ActorHandleNotFoundError", "ActorPlacementGroupRemoved", "ActorUnschedulableError",
    "AsyncioActorExit", "AuthenticationError", "CrossLanguageError", "GetTimeoutError", "LocalRayletDiedError",
    "ObjectRefStreamEndOfStreamError", "ObjectStoreFullError", "OufOfBandObjectRefSerializationException",
    "OutOfDiskError", "PendingCallsLimitExceeded", "PlasmaObjectNotAvailable", "RayError", "RaySystemError",
    "RpcError", "RuntimeEnvSetupError", "StreamingGeneratorReplayInconsistentError", "TaskPlacementGroupRemoved",
    "TaskUnschedulableError", "UnserializableException", "UserCodeException",
    "RayCgraphCapacityExceeded", "RayChannelError", "RayChannelTimeoutError", "RayDirectTransportError",
}  # fmt: skip


def test_the_list_of_ray_errors_is_complete(ray: ModuleType) -> None:
    root = ray.exceptions.RayError
    kinds = [kind for kind in vars(ray.exceptions).values() if isinstance(kind, type) and issubclass(kind, root)]
    assert len(kinds) > 20
    for kind in kinds:
        retried = what_died(kind.__new__(kind)) is not None
        assert retried == bool(RETRIED & {base.__name__ for base in kind.__mro__}), kind
        assert retried or kind.__name__ in STOPPED, f"{kind.__name__} is new: decide what it means"
