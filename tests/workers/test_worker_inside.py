import subprocess
import sys
from pathlib import Path

import pytest

from evonet.workers.session import import_path

BROKEN_GPU = """
import sys, torch
def failing(): raise RuntimeError("device-side assert triggered")
torch.cuda.synchronize = failing
from contracts.workers import job
from evonet.job import encode
from evonet.workers.inside import Worker
worker = Worker(sys.argv[1], "trace.txt")
print(worker.setup("contracts.worker_factories:candidates", "cuda:0", 1, __import__("numpy").ones((4, 3), "f"), ""))
worker.run(encode(job(0)), 100.0)
print("an outcome of a broken GPU was believed")
"""


def test_a_broken_gpu_ends_its_process_and_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", import_path("evonet", "contracts.workers"))
    command = [sys.executable, "-c", BROKEN_GPU, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, "believed" in ended.stdout) == (1, False), ended.stderr
    assert (tmp_path / "trace.txt").read_text() == "CUDA error: device-side assert triggered\n"


def test_workers_find_what_the_driver_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    import evonet

    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    home = str(Path(evonet.__file__).parents[1])
    contracts = str(Path(__file__).parents[1])
    assert import_path("evonet", "contracts.workers:make").split(":") == [home, contracts, "/somewhere"]
    assert import_path("evonet", "nowhere_to_be_found").split(":") == [home, "/somewhere"]
