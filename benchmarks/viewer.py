"""How quick the viewer is, and what it costs a run that goes on: the table of docs/results/see.md.

    python benchmarks/viewer.py [report] [million] [live] [verbs] [--individuals 1000000]

report   a report of 10,000 individuals from disk in headless Chromium: first paint, ready, clicks
million  the served page on a stub run: first paint, answers of the server, memory of the page
live     commits of a driver with and without 20 open viewers, each asking as a page does
verbs    show, lineage, diff, status on 100,000 individuals
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1] / "tests/report/viewer")]

import chromium  # noqa: E402
from stub_runs import pool, stub_run  # noqa: E402
from viewer_site import TOKEN  # noqa: E402

from evonet.cli.viewing import report  # noqa: E402
from evonet.job import Job  # noqa: E402
from evonet.store import RunWriter  # noqa: E402

VIEWS = ("overview", "front", "generations", "table", "lineage", "individual", "diff", "atlas", "failures")
_AXES = (("x", "macs"), ("c", "long_share"), ("y", "loss"), ("f", "bytes<400"), ("f", ""))
_PAINT = (
    "const p = performance.getEntriesByType('paint').find(e => e.name === 'first-contentful-paint'); "
    "return [p ? p.startTime : null, performance.getEntriesByName('ready')[0]?.startTime]"
)
_CLICK = """
const [act, done] = arguments, start = performance.now();
const set = (k, v) => { const s = new URLSearchParams(location.hash.slice(1)); s.set(k, v); location.hash = s; };
new Function("set", act)(set);
requestAnimationFrame(() => setTimeout(() => done(performance.now() - start), 0));
"""


def line(name: str, value: str, goal: str) -> None:
    print(f"| {name} | {value} | {goal} |", flush=True)


def p(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def from_disk(folder: Path) -> None:
    run = stub_run(folder / "r10k", 10_000, genomes=400)
    page = folder / "report.html"
    began = time.perf_counter()
    report(str(run), out=page, details=20)
    line(
        "report of 10,000: writing, size",
        f"{time.perf_counter() - began:.1f} s, {page.stat().st_size / 1e6:.1f} MB",
        "",
    )
    with chromium.browser() as driver:
        paints = []
        for _ in range(5):
            chromium.open_page(driver, page.as_uri())
            paints.append(driver.execute_script(_PAINT))
        line(
            "report of 10,000: first paint, median of 5", f"{statistics.median(a for a, _ in paints):.0f} ms", "<= 1 s"
        )
        line("report of 10,000: data drawn, median of 5", f"{statistics.median(b for _, b in paints):.0f} ms", "<= 1 s")
        clicks(driver, "report of 10,000", 10_000)
        line("report of 10,000: memory of the page", f"{memory(driver):.0f} MB", "")


def clicks(driver: object, name: str, count: int) -> None:
    """Every view, selections in each, other axes, sorting, a filter: from the click to the next frame."""
    draw, took, slow = random.Random(1), [], []  # noqa: S311 - which rows to click
    acts = []
    for view in VIEWS:
        acts.append(f"document.querySelector('nav a[data-view={view}]').click()")
        acts += [f"set('id', {draw.randrange(count)})" for _ in range(6)]
        if view == "front":
            acts += [f"set('{k}', '{v}')" for k, v in _AXES]
        if view == "table":
            acts += [f"set('s', '{k}')" for k in ("bytes", "accuracy", "long_share")]
            acts += [f"document.querySelector('.grid').scrollTop = {draw.randrange(26 * count)}" for _ in range(5)]
        if view == "generations":
            acts += [f"set('g', {draw.randrange(count // 100)})" for _ in range(4)]
    for act in acts:
        took.append(driver.execute_async_script(_CLICK, act))
        slow.append((took[-1], driver.execute_script("return location.hash"), act))
        time.sleep(0.03)
    line(
        f"{name}: {len(took)} clicks to the next frame, p50, p95, longest",
        f"{p(took, 0.5):.0f}, {p(took, 0.95):.0f}, {max(took):.0f} ms",
        "p95 <= 100 ms",
    )

    if os.environ.get("SLOW"):
        print("\n".join(f"{ms:.0f} ms {where} {act}" for ms, where, act in sorted(slow)[-12:]))


def memory(driver: object) -> float:
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return driver.execute_script("return performance.memory.usedJSHeapSize") / 1e6


@contextlib.contextmanager
def ui(run: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`evonet ui` as a process of its own; the port."""
    token = run.parent / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    command = [sys.executable, "-c", "from evonet.cli import main; main()", "ui", str(run), "--token-file", str(token)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=dict(os.environ, XDG_RUNTIME_DIR=str(run.parent))
    ) as process:
        try:
            address = process.stdout.readline()
            yield int(address.split(":")[2].split("/")[0]), process
        finally:
            process.terminate()


def ask(connection: http.client.HTTPConnection, port: int, path: str) -> tuple[float, int, bytes]:
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": f"evonet_{port}={TOKEN}"})
    answer = connection.getresponse()
    body = answer.read()
    return 1000 * (time.perf_counter() - began), answer.status, body


def million(folder: Path, individuals: int) -> None:
    began = time.perf_counter()
    run = stub_run(folder / "million", individuals, population=1000, genomes=400)
    size = (run / "run.db").stat().st_size / 1e6
    line(f"stub run of {individuals:,}: writing, size", f"{time.perf_counter() - began:.0f} s, {size:.0f} MB", "")
    with ui(run) as (port, process), chromium.browser() as driver:
        chromium.open_page(driver, f"http://127.0.0.1:{port}/?token={TOKEN}")
        cold = driver.execute_script(_PAINT)
        line("served at once: first paint, data drawn", f"{cold[0]:.0f}, {cold[1]:.0f} ms", "<= 2 s")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        began, told = time.perf_counter(), {"reading": "x", "count": 0}
        while told["count"] < individuals or told["reading"]:
            time.sleep(0.5)
            told = json.loads(ask(connection, port, "/api/run")[2])
            if time.perf_counter() - began > 600:
                raise SystemExit("the run was not read in ten minutes")
        line("served: all columns and genes read after", f"{time.perf_counter() - began:.0f} s", "")
        paints = []
        for _ in range(5):
            chromium.open_page(driver, f"http://127.0.0.1:{port}/")
            paints.append(driver.execute_script(_PAINT))
        line(
            "served, then: first paint, data drawn, median of 5",
            f"{statistics.median(a for a, _ in paints):.0f}, {statistics.median(b for _, b in paints):.0f} ms",
            "<= 2 s",
        )
        answers(connection, port, individuals)
        clicks(driver, f"served, {individuals:,}", individuals)
        line(
            "served: memory of the page, of the server",
            f"{memory(driver):.0f}, {resident(process.pid):.0f} MB",
            "page <= 300 MB",
        )


def resident(pid: int) -> float:
    return (
        int(next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS")).split()[1])
        / 1e3
    )


def answers(connection: http.client.HTTPConnection, port: int, individuals: int) -> None:
    """Questions as the views ask them, each with another filter, page or axis, so that nothing is kept."""
    draw = random.Random(2)  # noqa: S311 - which questions
    measures = ("bytes", "accuracy", "loss", "macs", "long_share", "score", "taps")
    kinds: dict[str, Callable[[], str]] = {
        "page": lambda: (
            f"page?sort={draw.choice(measures)}&descending={draw.randrange(2)}&offset={draw.randrange(5) * 100}"
            f"&limit=100&filters={_filter(draw)}"
        ),
        "page, deep": lambda: (
            f"page?sort={draw.choice(measures)}&descending=1&offset={draw.randrange(individuals)}&limit=100"
        ),
        "spread": lambda: (
            f"spread?x={draw.choice(measures)}&y={draw.choice(measures)}&colour=generation&more=01"
            f"&filters={_filter(draw)}"
        ),
        "bands": lambda: f"bands?measure={draw.choice(measures)}&filters={_filter(draw)}",
        "atlas": lambda: f"atlas?filters={_filter(draw)}",
        "row": lambda: f"row/{draw.randrange(individuals)}",
        "lineage": lambda: f"lineage/{draw.randrange(individuals)}",
        "individual": lambda: f"individual/{draw.randrange(individuals)}",
        "run": lambda: "run",
        "failures": lambda: "failures",
    }
    everything = []
    for name, make in kinds.items():
        took = []
        for _ in range(20):
            ms, status, _ = ask(connection, port, f"/api/{make()}")
            assert status == 200, (name, status)
            took.append(ms)
        everything += took
        line(f"answer: {name}, p50, p95", f"{p(took, 0.5):.0f}, {p(took, 0.95):.0f} ms", "p95 <= 100 ms")
    line("answers together, p50, p95", f"{p(everything, 0.5):.0f}, {p(everything, 0.95):.0f} ms", "p95 <= 100 ms")


def _filter(draw: random.Random) -> str:
    return f'[["bytes","%3C",{200 + draw.random() * 800:.3f}]]'


def live(folder: Path) -> None:
    quiet = commits(folder / "quiet")
    path = folder / "watched"
    write_some(path, 200)
    with ui(path) as (port, _):
        stop, errors, asked = threading.Event(), [], [0]
        pages = [threading.Thread(target=viewer, args=(port, stop, errors, asked)) for _ in range(20)]
        for page in pages:
            page.start()
        watched = commits(path, fresh=False)
        stop.set()
        for page in pages:
            page.join()
    for share in (0.5, 0.99):
        a, b = p(quiet, share), p(watched, share)
        line(
            f"commits, p{100 * share:.0f}: alone, with 20 viewers",
            f"{a:.2f}, {b:.2f} ms ({b / a:.2f}x)",
            "p99 <= 2x" if share > 0.9 else "",
        )
    line("20 viewers: answers, errors", f"{asked[0]}, {len(errors)} {errors[:1]}", "0 errors")
    log = path / "run.db-wal"
    line("write-ahead log afterwards", f"{log.stat().st_size / 1e6 if log.exists() else 0:.1f} MB", "<= 64 MB")


def viewer(port: int, stop: threading.Event, errors: list[str], asked: list[int]) -> None:
    """As a page does: the run every two seconds, and columns when it has changed; now and then an individual."""
    connection, version = http.client.HTTPConnection("127.0.0.1", port, timeout=30), -1
    draw = random.Random(threading.get_ident())  # noqa: S311 - which individual
    while not stop.is_set():
        try:
            for path in (
                "/api/run",
                f"/api/columns?since={version}",
                f"/api/individual/{draw.randrange(200)}",
                "/api/failures",
            ):
                _, status, body = ask(connection, port, path)
                asked[0] += 1
                if status != 200:
                    errors.append(f"{path} {status} {body[:80]!r}")
                elif path == "/api/run":
                    version = json.loads(body)["version"] if version < 0 else version
        except (OSError, http.client.HTTPException) as error:
            errors.append(repr(error))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        stop.wait(2.0)


def write_some(path: Path, count: int) -> None:
    stub_run(path, count, population=50, genomes=40)


def commits(path: Path, fresh: bool = True, count: int = 1500) -> list[float]:
    """Milliseconds of each commit of a driver that records some 50 births and outcomes a second."""
    from viewer_runs import measures

    from evonet.job import Scored

    if fresh:
        write_some(path, 200)
    code, ids, data = pool(40)[0]
    took = []
    with RunWriter.open(path) as writer:
        for n in range(200, 200 + count // 2):
            job = Job(
                decision=n,
                individual=n,
                rung=0,
                genome=code,
                ids=tuple(map(tuple, json.loads(ids))),
                steps=1,
                seed=n,
                key=f"l{n}",
            )
            for act in (
                lambda job=job: writer.issued(job, kind="breed", parents=(3,), operator="taps"),
                lambda n=n: writer.recorded(
                    Scored(decision=n, measures=measures(n), package=data, shadow=b"s" * 3000, rounds=())
                ),
            ):
                before = writer.commit_seconds
                act()
                took.append(1000 * (writer.commit_seconds - before))
                time.sleep(0.01)
    return took


def verbs(folder: Path) -> None:
    run = str(stub_run(folder / "r100k", 100_000, population=1000))
    for words in (
        ["status", run],
        ["show", run],
        ["show", run, "77777"],
        ["lineage", run, "77777"],
        ["diff", run, "5", "77777"],
    ):
        took = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", "from evonet.cli import main; main()", *words],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            took.append(time.perf_counter() - began)
        line(f"evonet {words[0]} {'ID' * (len(words) > 2)} on 100,000, best of 3", f"{min(took):.2f} s", "<= 0.3 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["report", "million", "live", "verbs"])
    parser.add_argument("--individuals", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print("| what | measured | reach |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for part in arguments.parts:
            {"report": from_disk, "live": live, "verbs": verbs, "million": lambda f: million(f, arguments.individuals)}[
                part
            ](Path(folder))


if __name__ == "__main__":
    main()
