"""Help, versions, exit codes, and what bad input gets."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import evonet as package
from evonet import app as composition
from evonet.cli.program import COMMANDS, SECTIONS
from evonet.genome.genes import Genome
from evonet.genome.text import to_toml

GENOMES = Path(__file__).parents[2] / "genomes"


def test_the_verbs_are_those_of_the_design():
    names = (
        "run resume status ls show lineage diff digest table watch atlas front hall operators report ui why plot "
        "expand export eval doctor attend refine pack unpack twin fork replay fidelity inject cull pause note"
    )
    assert [name for name, _, _ in COMMANDS] == names.split()


def test_the_help_lists_every_verb_once_under_a_heading_by_its_first_clause(evonet):
    listed = " ".join(SECTIONS.values()).split()
    assert sorted(listed) == sorted([*(name for name, _, _ in COMMANDS), "bench"])
    text = evonet("--help").stdout
    assert all(f"\n{title}:\n" in text for title in SECTIONS)
    assert re.search(r"\n  resume +Go on with a run that was stopped or killed\n", text)
    assert "(`search.clones`)" in " ".join(text.split())  # a full stop inside a name ends no clause
    assert "..." not in text.partition("Evolve:")[2]


def test_the_examples_name_files_that_are_there():
    paths = [p for _, _, example in COMMANDS for p in re.findall(r"\b(?:configs|genomes)/[\w.-]+", example)]
    assert paths
    assert [p for p in paths if not (GENOMES.parent / p).exists()] == []


def test_errors_about_options_name_only_environment_variables_that_there_are(evonet, recorded):
    for arguments in (("replay", recorded), ("replay", recorded, "--id", "-4"), ("bench", "cluster", "--workers", "0")):
        answer = evonet(*arguments)
        assert (answer.exit_code, "env var" in answer.stderr) == (2, False), answer.stderr
    assert "[env var: EVONET_DATA]" in evonet("replay", "--help").stdout


def test_a_file_that_cannot_be_written_is_called_by_its_own_name(evonet, tmp_path):
    answer = evonet("expand", GENOMES / "dilated.toml", "--npz", tmp_path / "no" / "masks.npz")
    assert (answer.exit_code, answer.stderr) == (
        1,
        f"evonet: {tmp_path}/no/masks.npz: No such file or directory. Check the path.\n",
    )


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_help_has_an_example(evonet, name):
    text = evonet(name, "--help")
    assert text.exit_code == 0
    assert f"Example: evonet {name}" in " ".join(text.stdout.split())


@pytest.mark.parametrize(
    "name",
    [
        "status",
        "ls",
        "show",
        "lineage",
        "diff",
        "digest",
        "table",
        "expand",
        "eval",
        "attend",
        "export",
        "refine",
        "pack",
        "unpack",
        "twin",
        "replay",
        "fidelity",
        "doctor",
    ],
)
def test_every_verb_that_answers_has_json(evonet, name):
    assert "--json" in evonet(name, "--help").stdout


def test_version(evonet):
    assert evonet("--version").stdout.strip() == f"evonet {package.__version__}"


def test_the_package_is_a_program_of_the_tree_that_python_finds_first(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    start = partial(
        subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    asked = start([sys.executable, "-m", "evonet", "expand", GENOMES / "dilated.toml", "--input", "1x28x28", "--json"])
    assert json.loads(asked.stdout)["costs"]["connections"] > 0
    failed = start([sys.executable, "-m", "evonet", "status", "nowhere"])
    assert (failed.returncode, failed.stdout, failed.stderr.startswith("evonet: nowhere: ")) == (5, "", True)
    assert "Usage: evonet " in start([sys.executable, "-m", "evonet", "--help"]).stdout


def test_what_an_encoding_lacks_is_replaced(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1]), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "evonet", "expand", GENOMES / "dilated.toml", "--input", "1x28x28"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n ????" in done.stdout


def test_expand_says_what_a_genome_means(evonet):
    answer = evonet("expand", GENOMES / "dilated.toml", "--input", "1x28x28")
    assert answer.exit_code == 0
    assert "* . * . *" in answer.stdout
    plan = json.loads(evonet("expand", GENOMES / "dilated.toml", "--input", "1x28x28", "--json").stdout)
    assert f"{plan['costs']['connections']:,} connections" in answer.stdout
    for part in ("distance", "computed as", "genome 9 bytes, 72 bits for masks of 4,917,248 bits: 1 to 68,295"):
        assert part in answer.stdout


def test_expand_writes_masks_and_a_picture(evonet, tmp_path):
    files = {option: tmp_path / f"out.{option}" for option in ("png", "npz", "safetensors")}
    arguments = [argument for option, file in files.items() for argument in (f"--{option}", file)]
    answer = evonet("expand", GENOMES / "dilated.toml", "--input", "1x16x16", *arguments)
    assert answer.exit_code == 0, answer.output
    assert all(f"wrote {file}" in answer.stdout for file in files.values())
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    with np.load(files["npz"]) as arrays:
        assert arrays.files
        assert sorted(load_file(files["safetensors"])) == sorted(arrays.files)
    assert sorted(tmp_path.iterdir()) == sorted(files.values())


def test_bad_genomes_and_configs_are_code_3_and_write_nothing(evonet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVONET_DATA", raising=False)
    (tmp_path / "g.toml").write_text("[[sheets]]\nchanels = 8\n")
    (tmp_path / "c.toml").write_text("[search]\npopluation = 8\n")
    (tmp_path / "m.toml").write_text('[data]\nspec = "mnist"\n')
    for arguments, message in (
        (("expand", "g.toml"), "did you mean 'channels'"),
        (("expand", "gone.toml"), "gone.toml: cannot be read"),
        (("run", "c.toml"), "did you mean 'population'"),
        (("run", "m.toml"), "--data-dir"),
        (("run", "gone.toml"), "gone.toml: cannot be read"),
    ):
        answer = evonet(*arguments)
        assert (answer.exit_code, len(answer.stderr.splitlines())) == (3, 1), answer.stderr
        assert message in answer.stderr
    assert not (tmp_path / "runs").exists()


def test_a_genome_that_is_too_large_is_refused_before_it_is_built(evonet, tmp_path):
    (tmp_path / "g.toml").write_text(to_toml(Genome(sheets=())) or "sheets = []")
    (tmp_path / "g.toml").write_text("[[sheets]]\nchannels = 64\n[[sheets.motifs]]\nradius = 5\ntaps = 121\n" * 8)
    answer = evonet("expand", tmp_path / "g.toml", "--input", "64x4000x4000")
    assert answer.exit_code == 3
    assert "expected at most" in answer.stderr


@pytest.mark.parametrize("shape", ["28", "1x28", "ax1x1", "1x28x28x1", "-1x2x2"])
def test_a_bad_shape_is_a_usage_error(evonet, shape):
    answer = evonet("expand", GENOMES / "dilated.toml", f"--input={shape}")
    assert answer.exit_code == 2
    assert "1x28x28" in answer.stderr


def test_a_run_that_exists_is_not_overwritten(evonet, tmp_path, recorded):
    before = (recorded / "run.db").read_bytes()
    (tmp_path / "c.toml").write_text('[workers]\nkind = "serial"\n')
    answer = evonet("run", tmp_path / "c.toml", "--run", recorded)
    assert answer.exit_code == 2
    assert f"evonet resume {recorded}" in answer.stderr
    assert (recorded / "run.db").read_bytes() == before


def test_runs_are_numbered_upwards(tmp_path):
    assert composition.next_folder(tmp_path / "runs", "x").name == "0001-x"
    for name in ("0002-a", "0011-b", "notes", ".0099-x.new"):
        (tmp_path / name).mkdir()
    assert composition.next_folder(tmp_path, "x").name == "0012-x"


def test_the_first_signal_asks_and_a_second_ctrl_c_ends():
    before = signal.getsignal(signal.SIGINT)
    with composition.stop_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_readme_names_verbs_and_files_that_are_there():
    text = (GENOMES.parent / "README.md").read_text()
    verbs = set(re.findall(r"^ +evonet (\w+)", text, re.MULTILINE))
    assert {"run", "show", "export", "eval"} <= verbs <= {"bench", *(name for name, _, _ in COMMANDS)}
    paths = re.findall(r"\b(?:configs|genomes|docs)/[\w.-]+", text)
    assert paths
    assert [p for p in paths if not (GENOMES.parent / p).exists()] == []
