"""The verbs report and ui: what they write, say and refuse; what they import."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from stub_runs import stub_run
from typer.testing import CliRunner

from evonet.cli.program import app


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return stub_run(tmp_path_factory.mktemp("runs") / "0001-small", 60, population=10, genomes=12)


def evonet(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="evonet")


def test_report_writes_one_file(small, tmp_path):
    file = tmp_path / "r.html"
    file.write_text("older")
    done = evonet("report", small, "-o", file, "--details", 3)
    assert done.exit_code == 0, done.output
    assert "MB; open it in any browser" in done.output
    assert file.read_text(encoding="utf-8").count('id="detail-') == 3
    assert list(tmp_path.iterdir()) == [file]


def test_report_reads_anchors(small, tmp_path):
    anchors = tmp_path / "anchors.json"
    anchors.write_text(json.dumps([{"name": "CNN", "kind": "ladder", "bytes": 700, "accuracy": 0.9}]))
    assert evonet("report", small, "-o", tmp_path / "r.html", "--anchors", anchors).exit_code == 0
    assert '"name":"CNN"' in (tmp_path / "r.html").read_text(encoding="utf-8")
    anchors.write_text('[{"name": "CNN", "bites": 1}]')
    refused = evonet("report", small, "-o", tmp_path / "r.html", "--anchors", anchors)
    assert refused.exit_code == 3
    assert "expected anchors as JSON" in refused.output


def test_no_run_no_page(tmp_path):
    for verb in (["report", tmp_path, "-o", tmp_path / "r.html"], ["ui", tmp_path]):
        refused = evonet(*verb)
        assert refused.exit_code == 5
        assert "expected the folder of a run" in refused.output


def test_ui_refuses_the_world_without_a_token(small):
    refused = evonet("ui", small, "--host", "0.0.0.0")  # noqa: S104 - that it is refused is the test
    assert refused.exit_code == 3
    assert "others could reach this page" in refused.output


def test_ui_serves_until_interrupted_and_leaves_nothing(small, tmp_path):
    before = files(small)
    code = "from evonet.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "ui", str(small)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)),
    ) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        (kept,) = (tmp_path / "evonet").iterdir()
        assert kept.read_text().strip() == address
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        base = address.partition("/?")[0]
        assert b"<title>evonet</title>" in opener.open(address, timeout=10).read()
        told = {"count": 0}
        deadline = time.monotonic() + 20
        while told["count"] < 60 and time.monotonic() < deadline:
            told = json.loads(opener.open(f"{base}/api/run", timeout=10).read())
        assert (told["count"], told["mode"], told["actions"]) == (60, "columns", False)
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=20)[1]
    assert list((tmp_path / "evonet").iterdir()) == []
    assert files(small) == before


def files(run: Path) -> list[str]:
    """But for those that SQLite keeps beside a database that is read."""
    return sorted(p.name for p in run.iterdir() if not p.name.endswith(("-wal", "-shm")))


def test_looking_imports_nothing_heavy():
    code = (
        "import sys, evonet.cli.viewing, evonet.report.viewer.serve, evonet.report.viewer.assemble, evonet.controls; "
        "assert not {'torch', 'ray', 'deap', 'matplotlib', 'constriction'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_help_imports_no_server():
    code = "import sys, evonet.cli.program; assert not {'starlette', 'uvicorn', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
