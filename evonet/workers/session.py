"""Connects this process to Ray: a private one on the loopback interface, or a running cluster."""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evonet.errors import WorkersError
from evonet.workers.base import WorkersSettings, processors

# Before `import ray`, which reads them once. Values that the user has set stay.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # `cluster` hides the GPUs from CPU workers itself; silences a warning
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would build a second environment on every worker
}
# The switch's name tells of Windows and macOS, where off is the default. On Linux too it is the only way to keep Ray's
# ports on 127.0.0.1: `_node_ip_address="127.0.0.1"` is replaced by the outward address, and the servers listen on all.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

REACH = 4.0  # seconds for a TCP connection
GREET = 30.0  # seconds for a cluster to accept a driver that first has to import Ray
SMALLEST_STORE = 80 * 2**20  # Ray refuses less than 75 MiB


def connect(settings: WorkersSettings, *, data_bytes: int) -> bool:
    """Join Ray; True if this call started or joined it, so that whoever called must leave it.

    A Ray that this process has already joined is used as it is.

    Raises:
        WorkersError: there is no cluster at `settings.address`, or Ray does not start.
    """
    for name, value in (_ENVIRONMENT if settings.address else _ENVIRONMENT | _LOOPBACK).items():
        os.environ.setdefault(name, value)
    if settings.address:
        _greet(settings.address)
    import ray

    if ray.is_initialized():
        return False
    try:
        with _own_signals():
            if settings.address:
                ray.init(address=settings.address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                _start(settings, data_bytes)
    except (Exception, SystemExit) as error:  # Ray leaves the process when it cannot start; foreign errors end here
        where = f"at {settings.address}" if settings.address else "on this machine"
        message = f'workers: Ray {where} does not start: {_last_line(str(error))}. Or set workers.kind = "serial".'
        raise WorkersError(message) from error
    return True


def _start(settings: WorkersSettings, data_bytes: int) -> None:
    import ray

    count = 1 if settings.count == "auto" else settings.count
    needed = math.ceil(count * settings.cpus_per_worker)
    ray.init(
        num_cpus=max(needed, processors()) if settings.count == "auto" else needed,
        num_gpus=None if settings.gpus_per_worker else 0,  # None: those that Ray finds
        object_store_memory=max(SMALLEST_STORE, 4 * data_bytes),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        # Ray's sockets lie up to 62 characters below its folder, and a socket's path has at most 107.
        _temp_dir="/tmp/ray" if len(os.fsencode(tempfile.gettempdir())) > 40 else None,  # noqa: S108 - Ray's own default
    )


def _greet(address: str) -> None:
    """Make sure in bounded time that a cluster answers: `ray.init` tries for five minutes, then leaves the process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not (host and colon and port.isdigit()):
            raise WorkersError(f'workers.address = "{address}", expected "host:port", "ray://host:port" or "auto".')
        try:
            socket.create_connection((host, int(port)), timeout=REACH).close()
        except (OSError, OverflowError) as error:
            message = f"workers: no Ray cluster at {address}: {error}. Start one or correct the address."
            raise WorkersError(message) from error
    command = [sys.executable, "-c", "import ray, sys; ray.init(address=sys.argv[1])", address]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=GREET)
    except subprocess.TimeoutExpired as error:
        message = f"workers: {address} did not greet within {GREET:.0f} s, expected a Ray cluster. Correct the address."
        raise WorkersError(message) from error
    except subprocess.CalledProcessError as error:
        message = f"workers: no Ray cluster at {address}: {_last_line(error.stderr)}. Start one or correct the address."
        raise WorkersError(message) from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """`ray.init` replaces the SIGTERM handler; the caller's own comes back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:300]


def import_path(*modules: str) -> str:
    """PYTHONPATH for workers: the folders of `modules` ("a.b" or "a.b:function"), then what the user has set."""
    folders = [_home_of(module.partition(":")[0].partition(".")[0]) for module in modules]
    return os.pathsep.join(dict.fromkeys(filter(None, [*folders, os.environ.get("PYTHONPATH")])))


def _home_of(package: str) -> str | None:
    """The folder that has to be on the path for `package`; None if it cannot be found here either."""
    spec = sys.modules[package].__spec__ if package in sys.modules else importlib.util.find_spec(package)
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or [spec.origin or ""]))
    return str(Path(place).parent)
