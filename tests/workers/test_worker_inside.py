import re
import subprocess
import sys
from pathlib import Path

import pytest
from contracts.workers import job

from evonet.job import Job, Lost, Outcome, decode_outcome, encode
from evonet.workers.inside import answer
from evonet.workers.source import import_path, packages

BROKEN_GPU = """
import sys, torch
def failing(): raise RuntimeError("device-side assert triggered")
torch.cuda.synchronize = failing
from contracts.workers import job
from evonet.job import encode
from evonet.workers.inside import Worker
worker = Worker(__import__("pathlib").Path(sys.argv[1]))
args = (__import__("numpy").ones((4, 3), "f"), "")
assert worker.setup("contracts.worker_factories:candidates", "cuda:0", 1, args) == ("", "")
print(worker.run(encode(job(0)), 100.0))
"""


def test_an_outcome_of_a_broken_gpu_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", import_path("evonet", "contracts.workers"))
    command = [sys.executable, "-c", BROKEN_GPU, str(tmp_path / "trace.txt")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "('device', b'CUDA error: device-side assert triggered')\n"


def test_workers_find_what_the_driver_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    import evonet

    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    home = str(Path(evonet.__file__).parents[1])
    contracts = str(Path(__file__).parents[1])
    assert import_path("evonet", "contracts.workers:make").split(":") == [home, contracts, "/somewhere"]
    assert import_path("evonet", "nowhere_to_be_found").split(":") == [home, "/somewhere"]


def test_what_travels_is_the_top_level_package() -> None:
    import evonet

    assert packages("evonet", "evonet.evaluation.factory:make_evaluator") == [str(Path(evonet.__file__).parent)]
    assert packages("contracts.workers", "strategies:genomes") == [
        str(Path(__file__).parents[1] / "contracts"),
        str(Path(__file__).parents[1] / "strategies.py"),
    ]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 bytes"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
    ],
)
def test_want_of_memory_is_known_in_all_its_forms(error: Exception) -> None:
    def evaluate(job: Job) -> Outcome:
        raise error

    lost = decode_outcome(answer(evaluate, encode(job(3))))
    assert isinstance(lost, Lost)
    assert lost.attempts == 2
    assert re.match(r"peak memory of the process: \d+ MiB\n", lost.cause)
