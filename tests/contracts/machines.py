"""Programs that build a cluster of several raylets on this machine, on loopback, and break it; see `test_ray_nodes`.

    python -m contracts.machines NAME FOLDER

Each runs in a process of its own, since it joins another Ray than that of the tests.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ |= {  # before Ray is imported
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN", "a" * 64),
}

import numpy as np
import ray
from contracts.workers import IMAGES, LIGHT, job, outcomes
from ray.cluster_utils import Cluster

from evonet.job import Job, Outcome
from evonet.workers import WorkersSettings, make_workers
from evonet.workers.dispatch import State
from evonet.workers.pool import PooledWorkers

SMALL: dict[str, Any] = {"object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
WIDE = np.concatenate([IMAGES, np.zeros((100_000, IMAGES.shape[1]), np.float32)])  # 5 MB: Ray inlines small values
EVENTS: list[tuple[str, str]] = []


@contextmanager
def cluster(machines: int) -> Iterator[tuple[Cluster, list[Any]]]:
    """A head without processors, where the driver is, and machines with one each."""
    made = Cluster()
    made.add_node(num_cpus=0, include_dashboard=False, **SMALL)
    try:
        yield made, [made.add_node(num_cpus=1, **SMALL) for _ in range(machines)]
    finally:
        made.shutdown()


def join(folder: Path, **settings: Any) -> PooledWorkers:
    def event(kind: str, text: str) -> None:
        EVENTS.append((kind, text))
        print("event", kind, text, flush=True)

    workers = make_workers(
        WorkersSettings(deadline=60, **settings),
        LIGHT,
        (WIDE, str(folder)),
        on_attempt=lambda *attempt: print("attempt", *attempt, flush=True),
        on_event=event,
    )
    assert isinstance(workers, PooledWorkers)
    return workers


def jobs(number: int, seconds: float) -> list[Job]:
    return [job(n, f"slow{seconds}") for n in range(number)]


def finish(workers: PooledWorkers, work: list[Job], meanwhile: Callable[[], None]) -> dict[int, Outcome]:
    """Outcomes of `work`; `meanwhile` is called twice a second."""
    found: dict[int, Outcome] = {}
    for one in work:
        workers.submit(one)
    until = time.monotonic() + 240
    while len(found) < len(work):
        outcome = workers.collect(0.5)
        if outcome is not None:
            assert found.setdefault(outcome.decision, outcome) is outcome
        meanwhile()
        assert time.monotonic() < until, f"{len(found)} of {len(work)}"
    return found


def serially(work: list[Job], folder: Path) -> dict[int, Outcome]:
    with make_workers(WorkersSettings(kind="serial"), LIGHT, (WIDE, str(folder))) as workers:
        return outcomes(workers, [job(one.decision, "train") for one in work])


def copies(workers: Any) -> int:
    """Living machines that hold the data set."""
    reference = workers._backend._args[0]
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return len(alive & set(ray.experimental.get_object_locations([reference])[reference]["node_ids"]))


def machines_come_and_go(folder: Path) -> None:
    """Killed machines cost no job; new ones get the data and work; there is one copy of the data per machine."""
    with cluster(3) as (made, machines), join(folder, address=made.address) as workers:
        assert workers._dispatch.count(State.IDLE) == 3
        assert copies(workers) == 4  # the driver's and three
        due = time.monotonic() + 3

        def kill() -> None:
            nonlocal due
            if time.monotonic() >= due:
                made.remove_node(machines.pop(0), allow_graceful=False)
                machines.append(made.add_node(num_cpus=1, **SMALL))
                print("killed one, added one", flush=True)
                due = time.monotonic() + EVERY

        work = jobs(NUMBER, 2.0)
        assert finish(workers, work, kill) == serially(work, folder)
        until = time.monotonic() + 60
        while workers._dispatch.count(State.IDLE, State.BUSY) < 3 and time.monotonic() < until:
            finish(workers, [job(10_000 + int(time.monotonic()), "train")], lambda: None)
        assert workers._dispatch.count(State.IDLE, State.BUSY) == 3
        assert copies(workers) == 4


def head_of_this_machine_goes(folder: Path) -> None:
    """The run goes on in another Ray, with the same result."""
    with join(folder, count=2) as workers:
        kill_gcs = _once(lambda: os.kill(_gcs(), signal.SIGKILL))
        work = jobs(8, 2.0)
        assert finish(workers, work, kill_gcs) == serially(work, folder)
    assert [kind for kind, _ in EVENTS] == ["cluster", "cluster"]
    assert "a cluster is there again" in EVENTS[1][1]


def head_of_the_cluster_goes(folder: Path) -> None:
    """The driver waits for the cluster to come back at its address, and goes on there."""
    made = Cluster()
    made.add_node(num_cpus=2, include_dashboard=False, **SMALL)
    port = int(made.address.rpartition(":")[2])

    def replace_head() -> None:
        made.head_node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        Cluster().add_node(num_cpus=2, include_dashboard=False, gcs_server_port=port, **SMALL)

    with join(folder, address=made.address) as workers:
        work = jobs(8, 2.0)
        assert finish(workers, work, _once(replace_head)) == serially(work, folder)


def a_wrong_token_is_refused(folder: Path) -> None:
    """And says so, in a process of its own: this one has the right token."""
    with cluster(1) as (made, _):
        for token in ("b" * 64, ""):
            environment = {**os.environ, "RAY_AUTH_TOKEN": token, "RAY_AUTH_MODE": "token" if token else "disabled"}
            command = [sys.executable, "-c", STRANGER, made.address]
            said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
            assert "it asks for a token, and refused ours. Set RAY_AUTH_MODE=token" in said.stdout, said


STRANGER = """
import sys
from contracts.workers import LIGHT
from evonet.errors import WorkersError
from evonet.workers import WorkersSettings, make_workers
try:
    make_workers(WorkersSettings(address=sys.argv[1]), LIGHT)
except WorkersError as error:
    print(error)
"""


def _once(act: Callable[[], None], after: float = 3.0) -> Callable[[], None]:
    due = [time.monotonic() + after]

    def maybe() -> None:
        if due and time.monotonic() >= due[0]:
            due.clear()
            act()

    return maybe


def _gcs() -> int:
    """The head's process among ours."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "gcs_server":
                return int(child)
    raise AssertionError("no gcs_server below this process")


NUMBER, EVERY = int(os.environ.get("EVONET_JOBS", "30")), 20.0

if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
    print("done", flush=True)
