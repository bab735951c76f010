"""Connects this process to Ray: a private one on the loopback interface, or a running cluster."""

from __future__ import annotations

import logging
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import IO

from evonet.errors import WorkersError
from evonet.workers.base import WorkersSettings, processors
from evonet.workers.guard import Guard
from evonet.workers.source import packages

# Before `import ray`, which reads them once. Values that the user has set stay.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # `cluster` hides the GPUs from CPU workers itself; silences a warning
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would build a second environment on every worker
}
# The switch's name tells of Windows and macOS, where off is the default. On Linux too it is the only way to keep Ray's
# ports on 127.0.0.1: `_node_ip_address="127.0.0.1"` is replaced by the outward address, and the servers listen on all.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

REACH = 3.0  # seconds for a TCP connection
HELLO = 11.0  # seconds for whoever accepted it to answer as Ray does; importing Ray is in them
GREET = 45.0  # seconds for a cluster that answered to accept a driver
SMALLEST_STORE = 80 * 2**20  # Ray refuses less than 75 MiB


_guards: list[Guard] = []  # of the Ray that this process has started: one at most


def connect(settings: WorkersSettings, *, data_bytes: int, modules: Sequence[str] = ()) -> bool:
    """Join Ray; True if this call started or joined it, so that whoever called must leave it.

    A Ray that this process has already joined is used as it is. To the machines of a cluster at an address the packages
    of `modules` travel.

    Raises:
        WorkersError: there is no cluster at `settings.address`, it refuses, or Ray does not start.
    """
    _prepare(_ENVIRONMENT)
    address = _greet(settings.address) if settings.address else ""
    if not address:
        # A token of this run's own: Ray would write one into the user's home. Who has set the mode has a reason.
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        _prepare(_LOOPBACK if "RAY_AUTH_MODE" in os.environ else _LOOPBACK | token)
    import ray

    if ray.is_initialized():
        return False
    try:
        with _own_signals():
            if address:
                travel = {"py_modules": packages(*modules), "excludes": ["**/__pycache__"]}
                ray.init(address=address, runtime_env=travel, log_to_driver=False, logging_level=logging.ERROR)
            else:
                _start(settings, data_bytes)
                _guards.append(Guard())
    except (Exception, SystemExit) as error:  # Ray leaves the process when it cannot start; foreign errors end here
        where = f"at {address}" if address else "on this machine"
        message = f'workers: Ray {where} does not start: {_advice(str(error))}. Or set workers.kind = "process".'
        raise WorkersError(message) from error
    return True


def _prepare(environment: dict[str, str]) -> None:
    """Not where Ray is imported already: it would be too late here, and the greeting must see what this process has."""
    if "ray" in sys.modules:
        return
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def disconnect() -> None:
    """Leave Ray, and end it if `connect` started it: also one whose head is gone, which takes Ray some seconds."""
    import ray

    with suppress(Exception), _own_signals():  # what is gone cannot be left in good order, and need not be
        ray.shutdown()
    while _guards:
        _guards.pop().dismiss()


def may_return(error: BaseException) -> bool:
    """Whether the cluster is lost, so that another one would help; False for errors that would only come again."""
    from ray import exceptions as e

    if isinstance(error, e.AuthenticationError):
        return "WrongClusterID" in str(error)  # not a wrong token: another head answers at the address
    lost = (e.LocalRayletDiedError, e.RpcError, e.RaySystemError, e.GetTimeoutError, e.RayActorError, ConnectionError)
    return isinstance(error, lost)


def _start(settings: WorkersSettings, data_bytes: int) -> None:
    import ray

    count = 1 if settings.count == "auto" else settings.count
    needed = math.ceil(count * settings.cpus_per_worker)
    ray.init(
        address="local",  # also where RAY_ADDRESS names a cluster: whoever wants that says so
        num_cpus=max(needed, processors()) if settings.count == "auto" else needed,
        num_gpus=None if settings.gpus_per_worker else 0,  # None: those that Ray finds
        object_store_memory=max(SMALLEST_STORE, 4 * data_bytes),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        # Ray's sockets lie up to 62 characters below its folder, and a socket's path has at most 107.
        _temp_dir="/tmp/ray" if len(os.fsencode(tempfile.gettempdir())) > 40 else None,  # noqa: S108 - Ray's own default
    )


# Run in a process of its own, which can be ended: Ray tries for minutes where nobody answers, then leaves the process.
_GREETING = """
import sys
import ray
address = sys.argv[1]
if address.startswith("ray://"):
    import grpc
    grpc.channel_ready_future(grpc.insecure_channel(address.removeprefix("ray://"))).result(timeout=60)
else:
    ray._raylet.GcsClient(address=address)
print("hello", flush=True)
ray.init(address=address, log_to_driver=False)
print("welcome", flush=True)
"""


def _greet(address: str) -> str:
    """Make sure in bounded time that a cluster answers at `address`; where that is, for "auto" too."""
    place = _detected() if address == "auto" else address
    host, colon, port = place.removeprefix("ray://").rpartition(":")
    if host == "localhost" or host.startswith("127."):
        _prepare(_LOOPBACK)  # else Ray looks for the raylet of this machine at its outward address
    if not (host and colon and port.isdigit()):
        raise WorkersError(f'workers.address = "{address}", expected "host:port", "ray://host:port" or "auto".')
    if place.startswith("ray://") and find_spec("grpc") is None:
        raise WorkersError(
            f"workers: {address} needs Ray's client, and that needs grpcio: pip install 'ray[client]'. Or start evonet "
            "on a machine of the cluster, with the address auto."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
    except (OSError, OverflowError) as error:
        raise WorkersError(f"workers: no Ray cluster at {place}: {error}. Start one or correct the address.") from error
    _say_hello(place)
    return place


def _say_hello(place: str) -> None:
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        greeting = subprocess.Popen([sys.executable, "-c", _GREETING, place], stdout=said, stderr=wrong)
        try:
            for seconds, word in ((HELLO, "hello"), (GREET, "welcome")):
                until = time.monotonic() + seconds
                while word not in _content(said):
                    if greeting.poll() is not None and word not in _content(said):
                        raise WorkersError(f"workers: cannot join Ray at {place}: {_advice(_content(wrong))}.")
                    if time.monotonic() > until:
                        raise WorkersError(_silent(place, word, seconds))
                    time.sleep(0.05)
        finally:
            greeting.kill()
            greeting.wait()


def _silent(place: str, word: str, seconds: float) -> str:
    if word == "hello":
        return f"workers: {place} did not answer within {seconds:.0f} s, expected a Ray cluster. Correct the address."
    return (
        f"workers: the Ray cluster at {place} did not let this driver in within {seconds:.0f} s. Is this machine part "
        f"of it? If not, run `ray start --address {place}` here first, or use its ray:// address."
    )


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


_DETECTION = "from ray._private import services; print(services.canonicalize_bootstrap_address('auto') or '')"


def _detected() -> str:
    """The cluster that RAY_ADDRESS names, or that runs on this machine."""
    if named := os.environ.get("RAY_ADDRESS", ""):
        return named
    # Not in this process, which may import Ray only when it is known whether the cluster is a loopback one.
    try:
        asked = subprocess.run([sys.executable, "-c", _DETECTION], capture_output=True, text=True, timeout=HELLO)
    except subprocess.TimeoutExpired as error:
        raise WorkersError(
            f"workers: importing Ray took more than {HELLO:.0f} s here. Try again, or give the cluster's address."
        ) from error
    if asked.returncode:
        raise WorkersError(f"workers: no Ray cluster on this machine: {_last_line(asked.stderr)}")
    if not asked.stdout.strip():
        raise WorkersError("workers: no Ray cluster on this machine. Start one (ray start --head) or give its address.")
    return asked.stdout.strip()


def _advice(text: str) -> str:
    """What Ray said last, and what to do about the two things that it says at length."""
    if "uthenticat" in text or "UNAUTHENTICATED" in text:
        return (
            "it asks for a token, and refused ours. Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH to the cluster's token (ray get-auth-token prints it there)"
        )
    return _last_line(text)


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
