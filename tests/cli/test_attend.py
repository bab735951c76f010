"""`evonet attend`: where a network looked, in words, as a picture, as measures; and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from looking_networks import CHEAP, GENOMES, ONE, SET, canvases, make_package
from typer.testing import CliRunner

from evonet import attending
from evonet.cli.program import app
from evonet.network import decoded
from evonet.package import pack, unpack
from evonet.training.batches import images_of
from evonet.training.data import load_data

ROOT = Path(__file__).parents[2]
MNIST = ROOT.parent / "shared" / "data" / "mnist"
RECORD = ROOT / "runs" / "records" / "mnist-808.evo"


@pytest.fixture
def data(tmp_path) -> str:
    """Canvases as an npz: 200 images of four classes."""
    x, _, _ = canvases(200)
    images = (x[:, 0] * 255).round().byte().numpy()
    np.savez(tmp_path / "canvases.npz", images=images, labels=np.arange(200) % 4)
    return f"npz:{tmp_path / 'canvases.npz'}"


@pytest.fixture(params=["set", "two a fixation", "grid"])
def package(request, tmp_path) -> Path:
    path = tmp_path / "looking.evo"
    path.write_bytes(pack(make_package(GENOMES[request.param])))
    return path


@pytest.fixture
def plain(tmp_path) -> Path:
    path = tmp_path / "set.evo"
    path.write_bytes(pack(make_package(SET)))
    return path


def test_words_numbers_and_the_caveat(evonet, package, data):
    answer = evonet("attend", package, "--data", data, "--index", 3)
    assert answer.exit_code == 0, answer.output
    text = " ".join(answer.stdout.split())
    one = json.loads(evonet("attend", package, "--data", data, "--index", 3, "--json").stdout)["images"][0]
    assert (
        f"validation, image 3, label {one['label']}: answer {one['answer']}, {100 * one['probability']:.1f} %" in text
    )
    assert (
        f"{one['cells']} of 9 cells, {100 * one['pixels']:.1f} % of the pixels, {one['macs']:,} multiply-adds" in text
    )
    assert "which evidence the answers used, not why these cells were chosen" in text
    assert "class 1: 3x3" in text
    assert ("3 fixations" in text) == (one["fixations"] == 3) == ("after" in text)


def test_json_has_all_looks_and_they_are_numbered(evonet, package, data):
    network = decoded(unpack(package.read_bytes()))
    images = images_of(load_data(data), "validation").take(torch.tensor([3, 0]))
    found = json.loads(evonet("attend", package, "--data", data, "--index", 3, "--index", 0, "--json").stdout)
    assert [one["index"] for one in found["images"]] == [3, 0]
    assert found["measures"] is None
    for one, (x, label) in zip(found["images"], images.chunks(1), strict=True):
        with torch.no_grad():
            logits, looked = network.look(x)
        assert one["label"] == int(label)
        assert one["answer"] == int(logits.argmax())
        assert one["probability"] == pytest.approx(float(logits.softmax(1).max()))
        assert one["probability"] == one["probabilities"][-1]
        assert len(one["probabilities"]) == max(1, one["fixations"])
        assert sorted(look["cell"] for look in one["looks"]) == sorted(looked.cell.tolist())
        assert [look["number"] for look in one["looks"]] == list(range(1, one["cells"] + 1))
        assert all(0 <= y0 < y1 <= 24 and 0 <= x0 < x1 <= 24 for y0, x0, y1, x1 in (k["window"] for k in one["looks"]))
        order = [(look["fixation"], -look["weight"]) for look in one["looks"]]
        assert order == sorted(order)
        assert {fixation for fixation, _ in order} == ({1, 2, 3} if one["fixations"] else {0})


def test_an_image_is_the_same_alone_and_in_company(evonet, package, data):
    alone = json.loads(evonet("attend", package, "--data", data, "--index", 5, "--json").stdout)
    company = json.loads(evonet("attend", package, "--data", data, *["--index", 1, "--index", 5], "--json").stdout)
    assert alone["images"][0] == company["images"][1]


def test_a_png_is_written_and_a_pipe_is_read(evonet, plain, data, tmp_path):
    out = tmp_path / "looked.png"
    arguments = ["attend", "-", "--data", data, "--index", "0", "--png", str(out)]
    answer = CliRunner().invoke(app, arguments, input=plain.read_bytes())
    assert answer.exit_code == 0, answer.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {out}" in answer.stdout


def test_measures_in_json(evonet, plain, data):
    found = json.loads(evonet("attend", plain, "--data", data, "--measures", "--images", 4, "--json").stdout)
    assert found["images"] == []
    assert found["measures"]["images"] == 4
    assert found["measures"]["alone"]
    assert found["measures"]["changed"] == found["measures"]["counterfactual"] == 0
    assert found["measures"]["hit"] is None
    assert [curve["order"] for curve in found["measures"]["curves"]] == ["weight", "occlusion", "random"]


def test_measures_in_words(evonet, plain, data):
    text = evonet("attend", plain, "--data", data, "--measures", "--images", 4).stdout
    assert "4 images: 3.0 cells and 0.0 fixations each" in text
    assert "largest change of a logit by noise in all that was not read, cells and weights held: 0\n" in text
    assert "noise elsewhere, cells held, weights as the glance gives them: " in text
    assert "the data do not say where their objects are" in text
    assert "not 0 by construction" not in text
    plain.write_bytes(pack(make_package(CHEAP)))
    assert "not 0 by construction" in evonet("attend", plain, "--data", data, "--measures", "--images", 4).stdout


@pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST's IDX files in ../shared/data/mnist")
def test_canvases_bring_the_boxes_of_their_digits_and_other_clutter(evonet, tmp_path):
    path = tmp_path / "canvas.evo"
    path.write_bytes(pack(make_package(ONE, side=40, classes=10)))
    arguments = (path, "--data", "clutter:40", "--data-dir", MNIST.parent, "--index", 9, "--measures", "--images", 24)
    found = json.loads(evonet("attend", *arguments, "--json").stdout)
    images = images_of(load_data("clutter:40", MNIST.parent), "validation")
    assert found["images"][0]["box"] == images.take(torch.tensor([9])).fixed_boxes()[0].tolist()
    measures = found["measures"]
    assert None not in measures.values()
    assert measures["hit"] > measures["hit_chance"] + 0.1  # on a small canvas most ink is the digit's
    assert measures["swap_hit"] > measures["hit_chance"] + 0.1


def test_measures_never_take_more_images_than_there_are(evonet, plain, data):
    found = json.loads(evonet("attend", plain, "--data", data, "--measures", "--images", 10**6, "--json").stdout)
    assert found["measures"]["images"] == 30  # 15 % of 200


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--index", 30), 3, "--index 30: expected 0..29, npz:"),
        (("--index", -1), 2, "-1 is not in the range x>=0"),
        (("--index", 0, "--split", "test"), 3, "The test split is read by evonet eval alone."),
        (("--index", 0, "--split", "all"), 3, "split 'all', expected one of train, calibration, validation, choice."),
        ((), 2, "name an image with --index N, or ask for --measures"),
        (("--measures", "--png", "x.png"), 2, "--png draws images: name them with --index N"),
        (("--index", 0, "--png", "nowhere/x.png"), 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_shown_is_one_line(evonet, plain, data, arguments, code, message):
    answer = evonet("attend", plain, "--data", data, *arguments)
    assert answer.exit_code == code
    assert message in " ".join(answer.stderr.replace("│", " ").split())
    assert isinstance(answer.exception, SystemExit)


def test_data_of_another_shape_are_refused(evonet, plain):
    answer = evonet("attend", plain, "--data", "digits", "--index", 0)
    assert answer.exit_code == 3
    assert "is for images of 1x24x24 and 4 classes, data 'digits' have 1x8x8 and 10 classes." in answer.stderr


def test_a_network_without_a_saccade_gene_looks_everywhere(evonet):
    answer = evonet("attend", RECORD, "--data", "digits", "--index", 0)
    assert answer.exit_code == 3
    assert "mnist-808.evo: the network looks everywhere: it has no saccade gene." in answer.stderr


def test_damaged_packages_are_named(evonet, tmp_path):
    (tmp_path / "x.evo").write_bytes(RECORD.read_bytes()[:-1])
    answer = evonet("attend", tmp_path / "x.evo", "--data", "digits", "--index", 0)
    assert answer.exit_code == 5
    assert "x.evo: " in answer.stderr


def test_the_splits_are_all_but_test():
    assert attending.get_args(attending.Split) == ("train", "calibration", "validation", "choice")
