"""What must stay light: importing evonet, its help, and every verb that reads a run; and the public surface."""

import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import evonet

HEAVY = ("torch", "ray", "deap", "matplotlib", "moocore", "constriction")


def run(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_public_surface():
    # a change here needs a line in CHANGELOG.md
    assert sorted(evonet.__all__) == ["__version__", "expand", "load", "open_run"]
    with pytest.raises(AttributeError, match="it has expand, load, open_run"):
        _ = evonet.evolve


@pytest.mark.parametrize("module", ["evonet.plan.expand", "evonet.network.build"])
def test_examples_in_docstrings_run(module, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    tried = doctest.testmod(import_module(module), raise_on_error=True)
    assert tried.attempted > 0


def test_importing_evonet_imports_nothing_of_weight():
    heavy = repr((*HEAVY, "numpy", "msgspec", "typer"))
    run(f"import evonet, sys; heavy = set({heavy}) & set(sys.modules); assert not heavy, heavy")


LIGHT = ("config", "store", "genome", "plan", "package", "report.tables", "job", "workers")
READING = ("notebook", "report.ancestry", "report.columns", "report.watching", "cli.watching", "cli.explaining")


@pytest.mark.parametrize("module", [*LIGHT, *READING])
def test_light_modules_stay_light(module):
    run(f"import evonet.{module}, sys; heavy = set({HEAVY!r}) & set(sys.modules); assert not heavy, heavy")
