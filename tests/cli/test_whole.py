"""From a configuration to a checkpoint: run, stop, resume, export, eval, in this process and with real training."""

import json
import re
from pathlib import Path

import pytest

from evonet import app
from evonet.cli.live import display
from evonet.config import load_config
from evonet.errors import Interrupted, RunLocked
from evonet.evolution.loop import Progress
from evonet.store import RunWriter, open_run, run_digest

CONFIG = """
[search]
population = 2
individuals = 4
rungs = [3, 6]
finish_best = 1
[genes]
sheets = [1, 1]
channels = [4, 4]
[training]
batch = 16
[compression]
rounds = 1
finish_rounds = 1
calibration = 64
finish_calibration = 64
[workers]
kind = "serial"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    (path / "tiny.toml").write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def progress() -> list[Progress]:
    """What the run `finished` told of itself."""
    return []


@pytest.fixture(scope="module")
def finished(folder: Path, progress: list[Progress]) -> Path:
    config = load_config(folder / "tiny.toml")
    return app.start(
        config, folder / "a", name="tiny", watch=progress.append, stop=lambda: False, opened=lambda _: None
    )


def digest(path: Path) -> str:
    with open_run(path) as run:
        return run_digest(run)


def recorded(path: Path) -> int:
    with open_run(path) as run:
        return sum(run.counts().recorded.values())


def test_a_stopped_run_resumes_to_the_identical_result(evonet, folder, finished):
    seen = []
    config = load_config(folder / "tiny.toml")
    with pytest.raises(Interrupted, match=r"evonet resume .*b"):
        app.start(
            config, folder / "b", name="tiny", watch=seen.append, stop=lambda: len(seen) >= 2, opened=lambda _: None
        )
    with open_run(folder / "b") as run:
        assert (run.state, run.counts().recorded["scored"]) == ("stopped", 2)
    until = evonet("resume", folder / "b", "--until", 3)
    assert (until.exit_code, "is stopped: 3 individuals" in until.stdout) == (0, True), until.output
    known, told = recorded(folder / "b"), []
    app.resume(
        folder / "b", workers=None, address=None, data_dir=None, until=None, watch=told.append, stop=lambda: False
    )
    assert len(told) == recorded(finished) - known  # what was known is not done again
    assert digest(folder / "b") == digest(finished)
    again = evonet("resume", folder / "b")
    assert (again.exit_code, "winner #" in again.stdout) == (0, True)
    assert "it was finished before, nothing was left to do" in again.stdout
    assert "nothing was left to do" not in until.stdout


def test_a_run_in_other_hands_is_locked(evonet, folder, finished):
    with pytest.raises(Interrupted):
        app.start(
            load_config(folder / "tiny.toml"),
            folder / "c",
            name="tiny",
            watch=lambda _: None,
            stop=lambda: True,
            opened=lambda _: None,
        )
    with RunWriter.open(folder / "c"):
        answer = evonet("resume", folder / "c")
    assert answer.exit_code == RunLocked.exit_code == 4


@pytest.mark.parametrize("terminal", [False, True])
def test_both_displays_show_the_best_and_the_finish(folder, finished, progress, terminal, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich can tell
    with display(load_config(folder / "tiny.toml"), terminal=terminal) as watch:
        for one in progress:
            watch(one)
    shown = capsys.readouterr().out
    best = progress[-1 if terminal else 0].best  # the live lines are drawn four times a second, the last of them here
    assert f"best {best.score:,.0f}" in shown
    assert f"#{progress[-1].decision.job.individual}  accuracy " in shown
    assert "/min" in shown


def test_run_prints_the_winner_and_export_and_eval_agree(evonet, folder, monkeypatch):
    monkeypatch.chdir(folder)
    ran = evonet("run", "tiny.toml", "--set", "run.seed=2")
    assert ran.exit_code == 0, ran.output
    for part in (
        "runs/0001-tiny is finished",
        "winner #",
        "evonet export runs/0001-tiny --best 1 --out",
        "search 1/4  best ",
        "finishing  best ",
        "finished  #",
    ):
        assert part in ran.stdout
    exported = json.loads(evonet("export", "runs/0001-tiny", "--out", "out", "--masks", "--json").stdout)
    assert {"model.safetensors", "model.pt", "model.py", "model.evo", "masks.npz", "card.md"} == set(
        exported[0]["files"]
    )
    evaluated = json.loads(evonet("eval", "out/model.evo", "--data", "digits", "--json").stdout)
    assert evaluated["accuracy"] == exported[0]["card"]["test accuracy"]
    assert evaluated["bytes"] == (folder / "out/model.evo").stat().st_size
    again = evonet("export", "runs/0001-tiny", "--out", "out")
    assert (again.exit_code, "already there" in again.stderr) == (1, True)


def test_eval_refuses_damaged_bytes_and_other_shapes(evonet, folder, finished, tmp_path):
    with open_run(finished) as run:
        package = next(p for i in run.individuals() if (p := run.package(i.id)))
    file = tmp_path / "x.evo"
    file.write_bytes(package[:-1])
    answer = evonet("eval", file, "--data", "digits")
    assert (answer.exit_code, str(file) in answer.stderr, len(answer.stderr.splitlines())) == (5, True, 1)
    file.write_bytes(package)
    bad = evonet("eval", file, "--data", "digits", "--split", "tset")
    assert (bad.exit_code, "expected one of train" in bad.stderr) == (3, True)


def test_the_example_of_the_readme_runs(folder, finished, tmp_path, monkeypatch, capsys):
    """The Python block of the README, word for word, beside a run, an export and the genomes that it names."""
    root = Path(__file__).parents[2]
    (example,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    (tmp_path / "exports/digits").mkdir(parents=True)
    (tmp_path / "runs").mkdir()
    (tmp_path / "exports/digits/model.evo").write_bytes((root / "tests/golden/small.evo").read_bytes())
    (tmp_path / "runs/0001-digits").symlink_to(finished)
    (tmp_path / "genomes").symlink_to(root / "genomes")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)  # noqa: S102 - our own README
    assert "finished" in capsys.readouterr().out
    assert type(names["network"]).__name__ == "Network"
