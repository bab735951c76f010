"""Machines that come and go, and heads that are lost: several raylets on this machine. The long form only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(400)]


PROGRAMS = (
    "machines_come_and_go",
    "head_of_this_machine_goes",
    "head_of_the_cluster_goes",
    "a_wrong_token_is_refused",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_machines(program: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "contracts.machines", program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=380, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert done.stdout.endswith("done\n")
