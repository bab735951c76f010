"""Watches a Ray cluster from a thread of its own: which machines there are, and whether the head still answers.

Ray's driver library ends the whole process, without an exception, 60 seconds after it lost the head (rpc_client.h:
"Failed to connect to GCS within 60 seconds"); its calls hang until then. So the loss has to be seen from outside Ray,
and sooner: by a bare TCP connection every two seconds.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from evonet.workers.base import WorkersSettings

BEAT = 2.0  # seconds between two looks whether the head answers
NODES = 10.0  # seconds between two looks at the machines
SILENCE_HERE, SILENCE = 3.0, 20.0  # seconds without an answer after which a head is lost: on this machine, elsewhere
STUCK = 40.0  # seconds for one look at the machines: less than the 60 after which Ray ends the driver


class Watch:
    """What is known of the cluster that this process has joined. `lost` says why it is, or "" while it is there."""

    def __init__(self, settings: WorkersSettings) -> None:
        import ray

        self._ray: Any = ray
        self._needs = [
            (name, each)
            for name, each in (("CPU", settings.cpus_per_worker), ("GPU", settings.gpus_per_worker))
            if each > 0
        ]
        self._silence = SILENCE if settings.address else SILENCE_HERE
        self._nodes: list[dict[str, Any]] = self._ray.nodes()
        self._heads = [] if settings.address.startswith("ray://") else [_head(ray), *self._own_raylet()]
        self._heard = self._looked = time.monotonic()
        self._lost = ""
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="evonet-watch", daemon=True).start()

    @property
    def lost(self) -> str:
        stuck = time.monotonic() - self._looked
        return self._lost or (f"the head has not answered for {stuck:.0f} s" if stuck > STUCK else "")

    @property
    def capacity(self) -> int:
        """Workers that the machines carry. A worker does not span two machines."""
        return sum(carried(node["Resources"], self._needs) for node in self._alive())

    @property
    def scarce(self) -> str:
        """What there is of the resource of which there is least: "6 CPU in the cluster"."""
        totals = {name: sum(node["Resources"].get(name, 0.0) for node in self._alive()) for name, _ in self._needs}
        name = min(self._needs, key=lambda need: totals[need[0]] / need[1])[0]
        return f"{totals[name]:g} {name} in the cluster"

    @property
    def node_ids(self) -> list[str]:
        return [node["NodeID"] for node in self._nodes]

    def is_gone(self, node: str) -> bool:
        """Whether the machine's raylet answers no more; asked when a worker died there. `node`: how its id begins."""
        for one in self._nodes:
            if one["NodeID"].startswith(node):
                return not one["Alive"] or not answers(one["NodeManagerAddress"], one["NodeManagerPort"])
        return False

    def end(self) -> None:
        self._ended.set()

    def _alive(self) -> list[dict[str, Any]]:
        return [node for node in self._nodes if node["Alive"]]

    def _own_raylet(self) -> list[tuple[str, int]]:
        """The driver talks to the cluster through the raylet of its own machine."""
        own = self._ray.get_runtime_context().get_node_id()
        return [(n["NodeManagerAddress"], n["NodeManagerPort"]) for n in self._nodes if n["NodeID"] == own]

    def _run(self) -> None:
        while not self._ended.wait(BEAT) and not self._lost:
            silent = [f"{host}:{port}" for host, port in self._heads if not answers(host, port)]
            now = time.monotonic()
            if not silent:
                self._heard = now
            elif now - self._heard >= self._silence:
                self._lost = f"Ray at {silent[0]} does not answer"
            if not silent and now - self._looked >= NODES:
                self._look()

    def _look(self) -> None:
        try:
            self._nodes = self._ray.nodes()
        except Exception as error:  # in a thread, and whatever it is, the cluster cannot be asked
            if not self._ended.is_set():
                self._lost = f"Ray cannot be asked: {type(error).__name__}: {str(error)[:200]}"
        self._looked = time.monotonic()


def carried(resources: dict[str, float], needs: Sequence[tuple[str, float]]) -> int:
    """Workers with these needs that a machine with these resources carries."""
    return min(math.floor(resources.get(name, 0.0) / each + 1e-9) for name, each in needs)


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there; a second is long for a machine of the same cluster."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _head(ray: Any) -> tuple[str, int]:
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return host.strip("[]"), int(port)
