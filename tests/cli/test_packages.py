"""A network as text, what `show` says of a package, and refinement from the command line."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evonet.cli.program import app
from evonet.errors import PackageError
from evonet.genome.text import load
from evonet.package import Package, Quantised, pack, unpack
from evonet.plan import expand
from evonet.report.packages import as_text, from_text, rows

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "runs" / "records" / "mnist-808.evo"
CONFIG = """
[training]
batch = 256
[compression]
finish_rounds = 2
finish_calibration = 64
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A digits network, refined from a genome by the program."""
    folder = tmp_path_factory.mktemp("refined")
    (folder / "c.toml").write_text(CONFIG)
    out = folder / "small.evo"
    done = CliRunner().invoke(
        app, ["refine", str(ROOT / "genomes/digits-seed.toml"), "--config", str(folder / "c.toml"), "-o", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "round 2/2" in done.output
    assert f"evonet eval {out}" in done.output
    return out


def test_a_package_as_text_is_the_package():
    data = RECORD.read_bytes()
    text = as_text(data)
    assert "\n" not in text
    wrapped = "\n  ".join(text[i : i + 60] for i in range(0, len(text), 60))
    for form in (data, text.encode(), wrapped.encode() + b"\n"):
        assert from_text(form) == data


def test_text_that_is_no_base64_is_refused():
    with pytest.raises(PackageError, match=r"standard input is text but no base64 \(.*\), expected an \.evo file"):
        from_text(b"hello world")


def test_show_prints_a_package_as_text_and_eval_reads_it_from_a_pipe(evonet, small):
    text = evonet("show", small, "--base64").stdout
    assert base64.b64decode(text) == small.read_bytes()
    for piped in (text.encode(), small.read_bytes()):
        answer = CliRunner().invoke(app, ["eval", "-", "--data", "digits", "--json"], input=piped)
        assert answer.exit_code == 0, answer.output
        assert json.loads(answer.stdout)["bytes"] == small.stat().st_size
    assert json.loads(answer.stdout) == json.loads(evonet("eval", small, "--data", "digits", "--json").stdout)
    assert evonet("show", small, "--base64", "--json").stdout.count(text.strip()) == 1


@pytest.mark.parametrize("piped", [b"", b"hello", RECORD.read_bytes()[:-1], b"\xe1" + bytes(40)])
def test_a_bad_pipe_is_one_line_and_exit_5(piped):
    answer = CliRunner().invoke(app, ["eval", "-", "--data", "digits"], input=piped)
    assert answer.exit_code == 5
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("evonet: ")


def test_show_draws_a_package_and_says_how_each_tensor_is_coded(evonet):
    answer = evonet("show", RECORD)
    assert answer.exit_code == 0
    for part in ("808 bytes, images of 1x28x28", "sheet0.motif0.taps", "grid to 18", "zeros"):
        assert part in answer.stdout
    found = json.loads(evonet("show", RECORD, "--json").stdout)
    assert found["tensors"][0]["shape"] == [5, 1, 25]
    whole = sum(tensor["bits"] for tensor in found["tensors"]) / 8
    assert 700 < whole < 820
    assert len(rows(unpack(RECORD.read_bytes()))) == len(found["tensors"])


def test_individuals_of_a_run_as_text_need_an_id_and_weights(evonet, recorded, small):
    assert base64.b64decode(evonet("show", recorded, 0, "--base64").stdout) == b"p"
    assert "name its ID" in evonet("show", recorded, "--base64").stderr
    refused = evonet("show", recorded, 3, "--base64")
    assert refused.exit_code == 1
    assert "individual 3 was never scored" in refused.stderr
    assert "has no individuals" in evonet("show", small, 3).stderr


def test_refine_tells_before_and_after_and_never_overwrites(evonet, small, tmp_path):
    out = tmp_path / "again.evo"
    arguments = ("--config", small.parent / "c.toml", "--set", "training.lr=0.001", "-o", out)
    found = json.loads(evonet("refine", small, *arguments, "--json").stdout)
    assert found["card"]["before"]["bytes"] == small.stat().st_size
    assert found["card"]["after"]["bytes"] == out.stat().st_size
    told = evonet("refine", small, *arguments[:-1], tmp_path / "more.evo").stdout
    assert f"after 2 rounds, {found['card']['seen']:,} examples; test it with: evonet eval" in told
    assert "more.evo --data digits" in told
    refused = evonet("refine", small, *arguments)
    assert refused.exit_code == 1
    assert "again.evo exists, expected a new file" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere.evo",), 1, "nowhere.evo: No such file or directory"),
        ((ROOT / "README.md",), 5, "README.md: package: byte 0"),
        ((ROOT / "genomes/digits-seed.toml", "--set", "training.lr=1"), 2, "name one with --config"),
        ((ROOT / "genomes/digits-seed.toml", "--data", "nothing"), 3, "data 'nothing' is unknown"),
    ],
)
def test_refine_refuses_in_one_line(evonet, tmp_path, arguments, code, message):
    answer = evonet("refine", *arguments, "-o", tmp_path / "out.evo")
    assert answer.exit_code == code
    assert message in " ".join(answer.stderr.split())
    assert not list(tmp_path.iterdir())


def test_refine_of_a_run_needs_an_individual(evonet, recorded, tmp_path):
    answer = evonet("refine", recorded, "-o", tmp_path / "out.evo")
    assert answer.exit_code == 1
    assert "name it with --id" in answer.stderr


def test_eval_expands_a_network_again_for_images_of_another_size(evonet, tmp_path, small):
    random = np.random.default_rng(1)
    for side in (12, 6):
        images, labels = random.integers(0, 255, (200, side, side)).astype(np.uint8), np.arange(200) % 10
        np.savez(tmp_path / f"{side}.npz", images=images, labels=labels.astype(np.uint8))
    answer = evonet("eval", small, "--data", f"npz:{tmp_path / '12.npz'}")
    assert answer.exit_code == 0, answer.output
    assert "expanded again, with the same weights, for images of 1x12x12; it was packed for 1x8x8\n" in answer.stdout
    found = json.loads(evonet("eval", small, "--data", f"npz:{tmp_path / '12.npz'}", "--json").stdout)
    assert (found["input"], found["packed"]) == ([1, 12, 12], [1, 8, 8])
    own = json.loads(evonet("eval", small, "--data", "digits", "--json").stdout)
    assert found["macs"] > own["macs"]
    assert found["weights"] == own["weights"]
    assert "expanded again" not in evonet("eval", small, "--data", "digits").stdout


def test_eval_of_weights_that_are_not_for_this_size_says_which(evonet):
    answer = evonet("eval", RECORD, "--data", "digits")
    assert answer.exit_code == 3
    message = " ".join(answer.stderr.split())
    assert "packed for images of 1x28x28, but data 'digits' have 1x8x8: " in message
    assert "expected the same on both" in message


def test_expand_and_show_say_what_a_network_that_looks_spends_where(evonet, tmp_path):
    genome = tmp_path / "looks.toml"
    genome.write_text("[[sheets]]\nchannels = 4\n\n[saccade]\nbudgets = [3, 0, 0, 0]\n")
    expanded = evonet("expand", genome, "--input", "1x32x40").stdout.splitlines()
    told = [
        "cells: 4x5 of 8x8 pixels",
        "looked at, at most: 3 of class 1: 3 of 20",
        "multiply-adds of a cell of class 1: 2,304",
        "multiply-adds of all cells looked at: 6,912 (46,080 in every cell)",
    ]
    assert set(told) <= set(expanded)
    loaded = load(genome)
    plan = expand(loaded, input=(1, 32, 40), classes=10)
    tensors = tuple(Quantised(30, np.ones(t.shape, np.int16)) for t in plan.tensors)
    package = Package(genome=loaded, input=(1, 32, 40), classes=10, expression=plan.expression, tensors=tensors)
    (tmp_path / "looks.evo").write_bytes(pack(package))
    assert set(told) <= set(evonet("show", tmp_path / "looks.evo").stdout.splitlines())
    assert "cells:" not in evonet("expand", ROOT / "genomes/conv.toml").stdout
