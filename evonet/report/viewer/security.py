"""Who may ask: exact names of this server, one token a session, nothing that another site could make a browser do.

Guards against DNS rebinding (Host and Origin are compared with a list on every request), forged requests (no route
that changes anything without `--allow-actions`, and then POST, JSON, same origin and a key), other users of the machine
(a token of 128 bits in a file of mode 0600, kept by the browser as an HttpOnly, SameSite=Strict cookie), framing and
injected content (a policy without inline scripts; see also `assemble.escaped`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evonet.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_QUERY, LONGEST_HEADERS = 4096, 16_384
ACT = "/api/act"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware: every request passes here or gets a short plain text."""

    def __init__(self, app: ASGIApp, *, names: tuple[str, ...], port: int, token: str, actions: bool) -> None:
        self._app, self._token, self._actions = app, token, actions
        self._hosts = {f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in names}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._cookie = f"evonet_{port}"  # cookies know no ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refuse(scope) or self._enter(scope)
        return await (answer or self._app)(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _text(421, "This server does not answer to that name.")
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            return _text(403, "Requests from other sites are refused.")
        api = scope["path"].startswith("/api/")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and api:
            return _text(403, "Requests from other sites are refused.")
        if max(len(scope["query_string"]), len(scope["path"])) > LONGEST_QUERY:
            return _text(414, "The question is too long.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
            return _text(431, "The headers are too long.")
        if scope["method"] not in ("GET", "HEAD"):
            return self._refuse_act(scope, headers)
        return None

    def _refuse_act(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._actions or scope["method"] != "POST" or scope["path"] != ACT:
            return _text(405, "Nothing here can be changed.")
        if "origin" not in headers or headers.get("content-type") != "application/json":
            return _text(403, "Requests from other sites are refused.")
        if not hmac.compare_digest(headers.get("x-evonet-key", "").encode(), key(self._token).encode()):
            return _text(403, "The key of the page is missing.")
        return None

    def _enter(self, scope: Scope) -> Response | None:
        """The token once in the address, then the cookie; None lets the request pass."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if scope["path"] == "/" else ""
        if given and self._same(given):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            return answer
        if not self._same(_cookie(scope, self._cookie)):
            return _text(403, "Open the address that `evonet ui` printed: it has the key to this page.")
        return None

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _cookie(scope: Scope, name: str) -> str:
    try:
        kept = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(name)
    except CookieError:
        return ""
    return kept.value if kept else ""


def _text(status: int, words: str) -> Response:
    return PlainTextResponse(words + "\n", status)


def key(token: str) -> str:
    """What a page sends with a request to change something: known only to who may read the page."""
    return hmac.new(token.encode(), b"act", hashlib.sha256).hexdigest()


def new_token() -> str:
    return secrets.token_hex(16)


def read_token(path: Path) -> str:
    """A token that the user chose. Raises ConfigError unless it is long and nobody else may read it."""
    try:
        mode, token = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a file with a token: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read this token; chmod 600 {path}")
    if len(token) < 32 or not token.isalnum():
        raise ConfigError(
            f"{path}: expected a token of at least 32 letters and digits; for one, "
            f"(umask 077; openssl rand -hex 16 > {path})"
        )
    return token


def keep_token(port: int, address: str) -> Path:
    """Write the address with its token where only this user can read it; the caller deletes the file."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or Path.home() / ".cache") / "evonet"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"ui-{port}"
    path.unlink(missing_ok=True)  # of a server that was killed
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(address + "\n")
    return path
