"""`evonet ui`: binds, prints the address with its key, serves until interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from evonet.config import RunConfig
from evonet.errors import ConfigError
from evonet.report.viewer import acting
from evonet.report.viewer.details import Twin
from evonet.report.viewer.document import Anchor
from evonet.report.viewer.security import LOOPBACK, keep_token, new_token, read_token
from evonet.report.viewer.server import Desk, application


def serve(
    path: Path,
    config: RunConfig,
    *,
    shown: str,
    host: str = "127.0.0.1",
    port: int = 0,
    names: Sequence[str] = (),
    token_file: Path | None = None,
    twin: Twin | None = None,
    anchors: Sequence[Anchor] = (),
    requests: acting.Requests | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a run until interrupted. `port` 0: any free one.

    Raises:
        ConfigError: a host beyond this machine without a token of the user's own, or a port that is taken.
        StoreError: no run, damaged, or newer.
    """
    if host not in LOOPBACK and token_file is None:
        raise ConfigError(
            f"--host {host}: others could reach this page; give it a token of your own with --token-file FILE, or stay "
            "on 127.0.0.1 and reach it with ssh -L PORT:127.0.0.1:PORT"
        )
    token = new_token() if token_file is None else read_token(token_file)
    desk = Desk(path, config, shown=shown, twin=twin, anchors=anchors)
    try:
        listening = _bind(host, port)
        port = listening.getsockname()[1]
        known = (*LOOPBACK, *names) if host in LOOPBACK else (host, *LOOPBACK, *names)
        app = application(desk, token=token, names=known, port=port, requests=requests)
        named = f"[{host}]" if ":" in host else host
        address = f"http://{named}:{port}/?token={token}"
        kept = keep_token(port, address)
        try:
            say(f"{address}\nonly with this address ({kept} keeps it); Ctrl-C ends the page, the run goes on")
            server_of(app).run(sockets=[listening])
        finally:
            kept.unlink(missing_ok=True)
    finally:
        desk.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that say they are TCP; with it every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)  # who follows the printed address at once waits, and is not refused
    except OSError as error:
        listening.close()
        raise ConfigError(f"--host {host} --port {port}: {error.strerror}; port 0 takes any free one") from error
    return listening


def server_of(app: ASGIApp) -> uvicorn.Server:
    """HTTP/1.1 only, with small limits; says nothing of requests."""
    settings = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        limit_concurrency=200,
        h11_max_incomplete_event_size=16 * 2**10,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(settings)
