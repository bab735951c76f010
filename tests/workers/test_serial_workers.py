import subprocess
import sys
from pathlib import Path

import pytest
from contracts.workers import CANDIDATES, IMAGES, WorkersContract, job

from evonet.job import Job, Outcome
from evonet.workers import Evaluate, WorkersSettings, make_workers

SERIAL = WorkersSettings(kind="serial")


class TestSerialWorkers(WorkersContract):
    settings = single = SERIAL


def interrupted() -> Evaluate:
    def evaluate(job: Job) -> Outcome:
        raise KeyboardInterrupt

    return evaluate


def test_the_user_can_interrupt() -> None:
    with make_workers(SERIAL, f"{__name__}:interrupted") as workers:
        workers.submit(job(0))
        with pytest.raises(KeyboardInterrupt):
            workers.collect(1.0)


def test_threads_are_held_to_the_settings(tmp_path: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        with make_workers(WorkersSettings(kind="serial", threads=2), CANDIDATES, (IMAGES, str(tmp_path))):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_settings_and_contract_are_light() -> None:
    program = "import sys, evonet.workers; assert not {'ray', 'torch', 'deap'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
