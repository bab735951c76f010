"""Workers as Ray actors: the contract, and what only processes can do: die, hang, be out of reach."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from contracts.faults import FaultsContract, Story, check_hang, check_kills, left_after_sigkill
from contracts.hangs import KINDS
from contracts.workers import CANDIDATES, PATIENCE, WorkersContract, job

from evonet.errors import WorkersError
from evonet.job import Lost, Scored
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
            raise ray.exceptions.AuthenticationError("no longer let in")

        workers.submit(job(0))
        with monkeypatch.context() as patched:
            patched.setattr(ray, "wait", gone)
            with pytest.raises(WorkersError, match=r"Ray gave up: AuthenticationError: .*Resume the run"):
                workers.collect(PATIENCE)
        assert isinstance(workers.collect(PATIENCE), Scored)


@pytest.mark.usefixtures("ray")
class TestRayFaults(FaultsContract):
    settings = WorkersSettings(count=2)

    def test_ray_says_what_it_knows(self, story: Story) -> None:
        lost = story.outcomes[0]
        assert isinstance(lost, Lost)
        assert lost.reason == "the worker died: killed, crashed or out of memory"
        assert "actor died unexpectedly" in lost.cause


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray")
def test_a_worker_killed_every_two_evaluation_times_in_ray_costs_little(tmp_path: Path) -> None:
    ratio = check_kills(WorkersSettings(), tmp_path)
    print(f"wall time {ratio:.3f} of the ideal")
    assert ratio <= 1.3


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_hanging_in_ray(kind: str) -> None:
    took = check_hang(WorkersSettings(), [kind])
    print(kind, took)
    assert took[kind] <= 3.0 + 5.0


@pytest.mark.chaos
def test_no_process_of_a_private_ray_outlives_a_killed_driver() -> None:
    assert left_after_sigkill("ray", 30.0) == set()


@pytest.mark.usefixtures("ray")
def test_what_a_worker_on_another_machine_left_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonet.workers.origin.machine", lambda: "another")  # the driver's view of itself
    check_hang(WorkersSettings(), ["sleep"], deadline=1.0)


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
session.HELLO = session.GREET = 100.0
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
    monkeypatch.setattr(session, "HELLO", 2.0)
    with pytest.raises(WorkersError, match="did not answer within 2 s, expected a Ray cluster"):
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
    "TaskCancelledError", "RuntimeEnvSetupError",
}  # fmt: skip
# ... after which the cluster counts as lost, and another is tried ...
LOST = {"LocalRayletDiedError", "RpcError", "RaySystemError", "GetTimeoutError"}
# ... and those after which the run stops, resumable.
STOPPED = {
    "ActorAlreadyExistsError", "ActorHandleNotFoundError", "ActorPlacementGroupRemoved", "ActorUnschedulableError",
    "AsyncioActorExit", "AuthenticationError", "CrossLanguageError",
    "ObjectRefStreamEndOfStreamError", "ObjectStoreFullError", "OufOfBandObjectRefSerializationException",
    "OutOfDiskError", "PendingCallsLimitExceeded", "PlasmaObjectNotAvailable", "RayError",
    "StreamingGeneratorReplayInconsistentError", "TaskPlacementGroupRemoved",
    "TaskUnschedulableError", "UnserializableException", "UserCodeException",
    "RayCgraphCapacityExceeded", "RayChannelError", "RayChannelTimeoutError", "RayDirectTransportError",
}  # fmt: skip


def _of(kind: type[Exception]) -> Exception:
    """An error of this kind, whatever its constructor asks for."""
    return type(kind.__name__, (kind,), {"__init__": lambda self: None, "__str__": lambda self: "injected"})()


def test_a_head_that_was_restarted_counts_as_lost(ray: ModuleType) -> None:
    wrong = ray.exceptions.AuthenticationError("RPC error: WrongClusterID: Perhaps the client is accessing ...")
    assert session.may_return(wrong)


def test_the_list_of_ray_errors_is_complete(ray: ModuleType) -> None:
    root = ray.exceptions.RayError
    kinds = [kind for kind in vars(ray.exceptions).values() if isinstance(kind, type) and issubclass(kind, root)]
    assert len(kinds) > 20
    for kind in kinds:
        error, names = _of(kind), {base.__name__ for base in kind.__mro__}
        retried, returns = what_died(error) is not None, session.may_return(error)
        assert retried == bool(RETRIED & names), kind
        assert retried or returns == bool(LOST & names), kind
        assert retried or returns or kind.__name__ in STOPPED, f"{kind.__name__} is new: decide what it means"
