"""The promise: the same seed gives the same run, whatever the number of workers, kills or resumes. Whole processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evonet.store import open_run

CONFIG = """
[run]
seed = 5
[search]
population = 4
individuals = 10
rungs = [8, 16]
promote_every = 2
finish_best = 2
[genes]
sheets = [1, 2]
channels = [4, 6]
[training]
batch = 16
[compression]
calibration = 64
finish_calibration = 64
finish_rounds = 2
[workers]
kind = "serial"
"""


def evonet(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from evonet.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def done(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("same")
    (path / "tiny.toml").write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def expected(folder: Path) -> str:
    """The digest of an undisturbed run in one process."""
    done(evonet("run", folder / "tiny.toml", "--run", folder / "serial"))
    digest = done(evonet("digest", folder / "serial")).split()[0]
    with open_run(folder / "serial") as run:
        assert run.counts().recorded["scored"] >= 12
        assert {d.kind for d in run.decisions()} == {"found", "breed", "promote", "finish"}
    assert len(digest) == 64
    return digest


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_workers_make_the_same_run(folder, expected, workers):
    run = folder / f"ray{workers}"
    done(evonet("run", folder / "tiny.toml", "--run", run, "--workers", workers, "--set", "workers.kind=ray"))
    assert done(evonet("digest", run)).split()[0] == expected


def recorded(run: Path) -> int:
    if not run.exists():
        return 0
    with open_run(run) as opened:
        return sum(opened.counts().recorded.values())


@pytest.mark.parametrize("after", [1, 6])
def test_a_killed_driver_resumes_to_the_same_run(folder, expected, after):
    run = folder / f"killed{after}"
    process = evonet("run", folder / "tiny.toml", "--run", run, start_new_session=True)
    until = time.monotonic() + 60
    while recorded(run) < after and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    known = recorded(run)
    assert known >= after
    process.communicate()
    done(evonet("resume", run))
    assert recorded(run) > known
    assert done(evonet("digest", run)).split()[0] == expected


def test_another_seed_is_another_run(folder, expected):
    done(evonet("run", folder / "tiny.toml", "--run", folder / "other", "--set", "run.seed=6"))
    assert done(evonet("digest", folder / "other")).split()[0] != expected
