"""The page served: Starlette on this machine's loopback, one thread that reads the run, however many pages look."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evonet.config import RunConfig
from evonet.errors import EvonetError, StoreError
from evonet.report.viewer import acting, answers, assemble, document
from evonet.report.viewer.answers import QueryError
from evonet.report.viewer.columns import Columns
from evonet.report.viewer.details import Twin, details
from evonet.report.viewer.document import Anchor
from evonet.report.viewer.queries import Reader
from evonet.report.viewer.security import ACT, Guard, key

LARGEST = 5 * 2**20  # bytes of one answer
LONGEST_BODY = 64 * 2**10
COLUMNS_MOST = 25_000  # individuals: above, the page asks for pages and bins
REST_S, IDLE_S = 1.0, 10.0  # between two looks at the run; while nobody asks
_T = TypeVar("_T")


_FIXED: dict[str, tuple[Callable[[], str], str]] = {
    "/": (assemble.served_page, "text/html"),
    "/viewer.js": (assemble.script, "text/javascript"),
    "/viewer.css": (assemble.style, "text/css"),
}


class Desk:
    """What is known of the run. All of it is used by one thread, `call`."""

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        *,
        shown: str,
        twin: Twin | None,
        anchors: Sequence[Anchor],
        columns_most: int = COLUMNS_MOST,
    ) -> None:
        self.path = path
        self._config, self._shown, self._twin, self._most = config, shown, twin, columns_most
        self._anchors = document.shown(anchors)
        self._thread = ThreadPoolExecutor(1, "evonet-viewer")
        self._notice = ""
        self._counts: deque[tuple[float, int]] = deque(maxlen=120)
        self._kept: dict[str, tuple[object, bytes]] = {}
        self.asked = time.monotonic()
        self._run = self._thread.submit(Reader, path).result()
        self.columns = Columns(config.score, self._run.population)

    def call(self, act: Callable[[], _T]) -> asyncio.Future[_T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, act)

    def refresh(self) -> bool:
        """Look at what is new; whether there is more to read at once."""
        columns = self.columns
        try:
            columns.refresh(self._run)
            self._notice = "" if columns.count else "This run has no individual yet."
        except StoreError as error:
            self._notice = f"This run cannot be read further: {error}"
            return False
        self._counts.append((time.monotonic(), columns.count))
        return columns.behind or columns.genes_read < columns.count

    def failed(self, error: Exception) -> None:
        self._notice = f"This run cannot be read further: {type(error).__name__}: {error}. Report this."

    def close(self) -> None:
        self._thread.submit(self._run.close).result()
        self._thread.shutdown()

    def run(self, actions: bool, token: str) -> dict[str, Any]:
        c = self.columns
        told = document.document(self._run, c, self._config, path=self._shown)
        reading = f"reading the run: {c.count:,} individuals so far" if c.behind else ""
        if not reading and c.genes_read < c.count:
            reading = f"reading genes: {c.genes_read:,} of {c.count:,}"
        return told | {
            "anchors": self._anchors,
            "mode": "columns" if c.count <= self._most else "binned",
            "left_s": self._left(),
            "actions": actions,
            "key": key(token) if actions else "",
            "notice": self._notice,
            "reading": reading,
        }

    def _left(self) -> float | None:
        """Seconds until the last birth, as far as the births seen so far tell."""
        if not self._counts:
            return None
        (then, had), (now, has) = self._counts[0], self._counts[-1]
        wanted = self._config.search.individuals
        return (wanted - has) * (now - then) / (has - had) if has > had and now > then + 3 and wanted > has else None

    def kept(self, name: str, make: Callable[[], bytes], seconds: float = 0.0) -> bytes:
        """An answer that holds while nothing changes (for `seconds` even where it does), made once for all pages."""
        now = (self.columns.version, self._notice, int(time.monotonic() / seconds) if seconds else 0)
        if name not in self._kept or self._kept[name][0] != now:
            if len(self._kept) > 200:
                self._kept.clear()
            made = make()
            if len(made) > LARGEST:  # refused by `answer`
                return made
            self._kept[name] = now, made
        return self._kept[name][1]

    def changed(self, since: str) -> bytes:
        """Columns of what changed after that version; -1 for all."""
        return assemble.all_columns(self.columns, -1 if since == "-1" else whole({"since": since}, "since", 2**31))

    def page(self, q: Mapping[str, str]) -> object:
        keep = self._chosen(q)
        offset, limit = whole(q, "offset", 2**31), whole(q, "limit", answers.MOST_ROWS)
        return answers.page(self.columns, keep, q.get("sort", "id"), q.get("descending") == "1", offset, limit)

    def spread(self, q: Mapping[str, str]) -> object:
        keep, x, y = self._chosen(q), q.get("x", "bytes"), q.get("y", "accuracy")
        log = (q.get("xlog") == "1", q.get("ylog") == "1")
        more = (q.get("more", "")[:1] == "1", q.get("more", "")[1:] == "1")
        found = answers.spread(self.columns, keep, x, y, log, q.get("colour", "generation"))
        best = answers.front(self.columns, keep, x, y, more)
        return {**found, "front": answers.rows(self.columns, best)}

    def bands(self, q: Mapping[str, str]) -> object:
        return answers.bands(self.columns, self._chosen(q), q.get("measure", "score"))

    def atlas(self, q: Mapping[str, str]) -> object:
        return answers.atlas(self.columns, self._chosen(q))

    def failures(self, q: Mapping[str, str]) -> object:
        return document.failures(self._run, self.columns)

    def row(self, id: int) -> object:
        return answers.rows(self.columns, [self._there(id)])[0]

    def lineage(self, id: int) -> object:
        return answers.lineage(self.columns, self._there(id))

    def children(self, id: int) -> object:
        c = self.columns
        found = np.flatnonzero((c["p0"] == self._there(id)) | (c["p1"] == id))
        return answers.rows(c, found[: answers.MOST_ROWS])

    def individual(self, id: int) -> object:
        return details(self._run, self._there(id), self._config.score, self._twin)

    def _there(self, id: int) -> int:
        if id >= self.columns.count:
            raise QueryError(f"no individual {id}; there are 0..{self.columns.count - 1}")
        return id

    def _chosen(self, q: Mapping[str, str]) -> np.ndarray:
        return answers.chosen(self.columns, answers.filters(q.get("filters", "[]")))


def whole(q: Mapping[str, str], name: str, most: int) -> int:
    text = q.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= most):
        raise QueryError(f"{name}: expected a whole number up to {most}")
    return int(text)


def application(
    desk: Desk, *, token: str, names: tuple[str, ...], port: int, requests: acting.Requests | None
) -> Guard:
    """The served page. `requests`: what carries out actions; None: there is no route that changes anything."""
    actions = requests is not None

    async def fixed(request: Request) -> Response:
        text, kind = _FIXED[request.url.path]
        return Response(text(), media_type=kind)

    async def run(request: Request) -> Response:
        make = lambda: msgspec.json.encode(desk.run(actions, token))  # noqa: E731
        return await answer(desk, lambda: desk.kept("run", make, seconds=1.0))

    async def columns(request: Request) -> Response:
        since = request.query_params.get("since", "-1")[:12]
        make = lambda: desk.changed(since)  # noqa: E731
        return await answer(desk, lambda: desk.kept(f"columns {since}", make), "application/octet-stream")

    def asked(method: Callable[[Mapping[str, str]], object]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            q = dict(request.query_params)
            name = f"{method.__name__} {sorted(q.items())}"
            return await answer(desk, lambda: desk.kept(name, lambda: msgspec.json.encode(method(q))))

        return endpoint

    def about(method: Callable[[int], object]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            id: int = request.path_params["id"]
            if id >= 2**31:
                return refused(404, "no such individual")
            name = f"{method.__name__} {id}"
            return await answer(desk, lambda: desk.kept(name, lambda: msgspec.json.encode(method(id))))

        return endpoint

    async def act(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                return refused(413, "the request is too long")
        assert requests is not None  # noqa: S101 - the route is there only then
        return await answer(desk, lambda: msgspec.json.encode({"done": requests(desk.path, acting.decode(body))}))

    routes = [Route(path, fixed) for path in _FIXED]
    routes += [Route("/api/run", run), Route("/api/columns", columns)]
    by_query = (desk.page, desk.spread, desk.bands, desk.atlas, desk.failures)
    by_id = (desk.row, desk.lineage, desk.children, desk.individual)
    routes += [Route(f"/api/{method.__name__}", asked(method)) for method in by_query]
    routes += [Route(f"/api/{method.__name__}/{{id:int}}", about(method)) for method in by_id]
    if actions:
        routes.append(Route(ACT, act, methods=["POST"]))
    app = Starlette(routes=routes, lifespan=lambda _: watching(desk), exception_handlers={500: failed, 404: unknown})
    return Guard(app, names=names, port=port, token=token, actions=actions)


async def answer(desk: Desk, make: Callable[[], bytes], kind: str = "application/json") -> Response:
    desk.asked = time.monotonic()
    try:
        body = await desk.call(make)
    except QueryError as error:
        return refused(400, str(error))
    except EvonetError as error:
        return refused(500, str(error))
    return Response(body, media_type=kind) if len(body) <= LARGEST else refused(500, "the answer is over 5 MB")


def refused(status: int, words: str) -> Response:
    return Response(msgspec.json.encode({"error": words}), status, media_type="application/json")


async def unknown(request: Request, error: Exception) -> Response:
    return refused(404, "there is nothing here")


async def failed(request: Request, error: Exception) -> Response:
    return refused(500, "evonet could not answer; the terminal says why")


@contextlib.asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[None]:
    """Looks at the run again and again, seldom while no page is open."""
    task = asyncio.create_task(_watch(desk))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _watch(desk: Desk) -> None:
    while True:
        try:
            more = await desk.call(desk.refresh)
        except Exception as error:  # a fault of ours: the page says so, where a task that ends would only stop it
            desk.failed(error)
            more = False
        quiet = time.monotonic() - desk.asked > 60
        await asyncio.sleep(0.001 if more else IDLE_S if quiet else REST_S)
