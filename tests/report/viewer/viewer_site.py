"""A server of a run in a thread, asked as a browser or an attacker asks."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from evonet.cli.viewing import _twin
from evonet.report import tables
from evonet.report.viewer.queries import Reader
from evonet.report.viewer.security import LOOPBACK
from evonet.report.viewer.serve import server_of
from evonet.report.viewer.server import COLUMNS_MOST, Desk, application

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a server on the loopback, for a test


class Site(NamedTuple):
    port: int
    desk: Desk

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None):
        """(status, headers, body) of one request; without `headers` as the page itself asks."""
        own = {"Host": f"127.0.0.1:{self.port}", "Cookie": f"evonet_{self.port}={TOKEN}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {**own, **(headers or {})}.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"


@contextlib.contextmanager
def serving(path: Path, *, columns_most: int = COLUMNS_MOST, requests=None) -> Iterator[Site]:
    with Reader(path) as run:
        config = tables.config_of(run)
    desk = Desk(path, config, shown="RUN", twin=_twin(config), anchors=(), columns_most=columns_most)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = application(desk, token=TOKEN, names=LOOPBACK, port=port, requests=requests)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while (not server.started or desk.columns.behind or desk.columns.genes_read < desk.columns.count) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.01)
        yield Site(port, desk)
    finally:
        server.should_exit = True
        thread.join(20)
        desk.close()
        listening.close()
