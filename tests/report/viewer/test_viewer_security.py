"""The served page against those who should not get at it: names, sites, paths, methods, sizes."""

import json
import os
import stat
from urllib.parse import quote

import pytest
from viewer_runs import ATTACKS
from viewer_site import TOKEN, serving

from evonet.errors import ConfigError
from evonet.report.viewer import acting
from evonet.report.viewer.security import HEADERS, keep_token, key, read_token
from evonet.report.viewer.serve import serve

PATHS = ("/", "/viewer.js", "/api/run", "/api/columns", "/api/page", "/api/individual/3")


@pytest.mark.parametrize("path", PATHS)
def test_the_page_is_answered(site, path):
    status, headers, body = site.ask("GET", path)
    assert status == 200
    assert body
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.evil.example",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}@evil.example",
        "0.0.0.0:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "2130706433:{port}",
        "127.1:{port}",
        "",
        "localhost:{port}#",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/run"])
def test_rebound_names_are_refused(site, host, path):
    assert site.ask("GET", path, {"Host": host.format(port=site.port)})[0] in (400, 421)


def test_two_names_at_once_are_refused(site):
    import socket

    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw.recv(100).split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil",
        "file://",
    ],
)
def test_other_sites_are_refused(site, origin):
    assert site.ask("GET", "/api/run", {"Origin": origin.format(port=site.port)})[0] == 403
    assert site.ask("GET", "/api/run", {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert site.ask("GET", "/api/run", {"Origin": f"http://127.0.0.1:{site.port}"})[0] == 200


@pytest.mark.parametrize(
    "cookie", [None, "", "evonet_1=x", "evonet_{port}=", "evonet_{port}=" + "0" * 32, "evonet_{port}=é", "a=;;;=,\x01"]
)
def test_nothing_without_the_key(site, cookie):
    value = cookie and cookie.format(port=site.port).encode("latin-1", "replace").decode("latin-1")
    for path in PATHS:
        status, _, body = site.ask("GET", path, {"Cookie": value})
        assert status in (400, 403)
        assert b"individual" not in body


def test_the_address_gives_the_key_once_as_a_strict_cookie(site):
    status, headers, _ = site.ask("GET", f"/?token={TOKEN}", {"Cookie": None})
    assert (status, headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(headers["set-cookie"].split("; "))
    assert site.ask("GET", "/?token=wrong", {"Cookie": None})[0] == 403
    assert site.ask("GET", f"/api/run?token={TOKEN}", {"Cookie": None})[0] == 403


def traversals() -> list[str]:
    targets = ("etc/passwd", "run.db", "..", "proc/self/environ", "js/main.js", "page.html")
    ups = (
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "....//",
        "%252e%252e/",
        "..;/",
        "%c0%ae%c0%ae/",
        "..%00/",
        "/",
    )
    starts = ("/", "/api/", "/api/individual/")
    return [f"{start}{up * 3}{target}" for start in starts for up in ups for target in targets]


def test_no_path_leads_out(site):
    corpus = traversals()
    assert len(corpus) > 200
    for path in corpus:
        status, _, body = site.ask("GET", path)
        assert status in (400, 404), path
        assert b"root:" not in body
        assert b"SQLite" not in body


@pytest.mark.parametrize(
    "id", ["-1", "1e3", "0x1", "1.5", "%31%00", "٣", "99999999999999999999", "1;DROP TABLE run", "24", "2147483648"]
)
def test_only_numbers_of_individuals(site, id):
    for what in ("individual", "lineage", "row", "children"):
        status, _, body = site.ask("GET", f"/api/{what}/{quote(id, safe='%')}")
        assert status in (400, 404)
        assert b"Traceback" not in body


@pytest.mark.parametrize(
    "query",
    [
        "page?sort=__class__",
        "page?limit=-1",
        "page?limit=99999999999",
        "page?offset=x",
        "page?filters=[[",
        "spread?x=p0",
        "bands?measure=' OR 1=1 --",
        "page?filters=" + quote('[["operator","=","' + "a" * 2000 + '"]]'),
        "spread?colour=<script>",
        "columns?since=-2",
        "columns?since=9e9",
    ],
)
def test_questions_out_of_bounds_get_words(site, query):
    status, headers, body = site.ask("GET", "/api/" + quote(query, safe="?=&%"))
    assert status == 400 or b'"total":0' in body
    assert headers["content-type"] == "application/json"


def test_error_pages_are_inert(site):
    for attack in ATTACKS:
        for path in (f"/{quote(attack)}", f"/api/page?sort={quote(attack)}", f"/api/page?filters={quote(attack)}"):
            _, headers, _ = site.ask("GET", path)
            assert headers["content-type"].split(";")[0] in ("application/json", "text/plain")
            assert headers["x-content-type-options"] == "nosniff"


def test_too_much_is_refused(site):
    assert site.ask("GET", "/api/run?" + "a" * 5000)[0] == 414
    assert site.ask("GET", "/" + "a" * 40_000)[0] in (400, 414, 431)
    assert site.ask("GET", "/api/run", {"X-Long": "a" * 40_000})[0] in (400, 431)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed_without_leave(site, method):
    for path in ("/", "/api/act", "/api/run"):
        status, headers, _ = site.ask(method, path, {"Origin": f"http://127.0.0.1:{site.port}"}, b"{}")
        assert status == 405
        assert not any(name.startswith("access-control") for name in headers)


@pytest.fixture(scope="module")
def acts(run_path):
    done = []

    def take(folder, request):
        done.append(request)
        return "noted"

    with serving(run_path, requests=take) as found:
        yield found, done


def test_actions_need_origin_key_and_json(acts):
    site, done = acts
    own = {"Origin": f"http://127.0.0.1:{site.port}", "Content-Type": "application/json", "X-Evonet-Key": key(TOKEN)}
    body = json.dumps({"kind": "cull", "individuals": [3]}).encode()
    for name, value in (
        ("Origin", None),
        ("Origin", "http://evil.example"),
        ("Content-Type", "text/plain"),
        ("X-Evonet-Key", None),
        ("X-Evonet-Key", "0" * 64),
        ("Cookie", None),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
    ):
        assert site.ask("POST", "/api/act", {**own, name: value}, body)[0] in (403, 421), name
    for bad in (
        b"",
        b"[]",
        b'{"kind":"run","code":"x"}',
        b'{"kind":"cull","individuals":[-1]}',
        b'{"kind":"cull","individuals":[]}',
        b'{"kind":"note","individual":1,"text":""}',
        b'{"kind":"cull","individuals":[1],"path":"/etc"}',
    ):
        assert site.ask("POST", "/api/act", own, bad)[0] == 400, bad
    assert site.ask("POST", "/api/act", own, b" " * 70_000)[0] == 413
    assert done == []
    assert site.ask("POST", "/api/act", own, body)[::2] == (200, b'{"done":"noted"}')
    assert done == [acting.Cull(individuals=(3,))]


def test_beyond_this_machine_only_with_a_token_of_ones_own(tmp_path, run_path):
    with pytest.raises(ConfigError, match=r"--host 0\.0\.0\.0: others could reach this page"):
        serve(run_path, None, shown="RUN", host="0.0.0.0")  # noqa: S104 - that it is refused is the test
    weak = tmp_path / "token"
    weak.write_text("short")
    weak.chmod(0o600)
    with pytest.raises(ConfigError, match="at least 32"):
        read_token(weak)
    weak.write_text("a" * 32)
    weak.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(weak)
    weak.chmod(0o600)
    assert read_token(weak) == "a" * 32


def test_the_address_is_kept_where_nobody_else_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    old = os.umask(0)
    try:
        kept = keep_token(1234, "http://127.0.0.1:1234/?token=x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
