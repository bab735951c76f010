"""The worker process as a Ray actor. Imported on every machine of the cluster; `cluster` makes actors of it."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from evonet.workers.inside import Worker, die_with
from evonet.workers.origin import About, about, machine


class Actor(Worker):
    """A worker that can say where it is."""

    def __init__(self, traces: str, driver: str, name: str) -> None:
        """`traces`: the driver's folder for stacks, on the machine that calls itself `driver`."""
        import ray

        die_with(os.getppid())  # Ray's own way out of a process is not taken by one that holds the GIL
        node = f"{platform.node()}:{ray.get_runtime_context().get_node_id()[:8]}"
        folder = traces if driver == machine() else _logs()
        trace = os.path.join(folder, f"evonet-{name}-{os.getpid()}.txt")
        super().__init__(Path(trace))
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "") if ray.get_gpu_ids() else ""
        self._about = about(node=node, device=gpus, trace=trace)

    def where(self) -> About:
        return self._about

    def setup_with(self, factory: str, device: str, threads: int, *args: Any) -> tuple[str, str]:
        """`setup` with arguments from the object store, which Ray only looks up where they stand alone."""
        return self.setup(factory, device, threads, args)


def _logs() -> str:
    """Ray's log folder on this machine, for a worker elsewhere than the driver; Ray clears it up."""
    from ray._private.worker import global_worker

    node = getattr(global_worker, "node", None)
    return node.get_logs_dir_path() if node is not None else tempfile.gettempdir()
