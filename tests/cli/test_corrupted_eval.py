"""`evonet eval --corruption`, and data specs of canvases on the command line."""

import json
from pathlib import Path

import pytest

from evonet.training.corruptions import TESTING

PACKAGE = Path(__file__).parents[2] / "runs" / "records" / "lag13-53.evo"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Four hundred images of one of the package's shape, as an npz."""
    import numpy as np

    from evonet.training.data import load_data

    data = load_data("lag:13")
    path = tmp_path_factory.mktemp("lag") / "few.npz"
    np.savez(path, images=data.images[:400], labels=data.labels[:400])
    return f"npz:{path}"


def test_eval_measures_under_corruptions_beside_the_images(evonet, plain):
    asked = ("eval", PACKAGE, "--data", plain, "--corruption", "impulse_noise", "--corruption", "contrast")
    found = json.loads(evonet(*asked, "--json").stdout)
    names = [c["name"] for c in found["corruptions"]]
    assert names == ["impulse_noise", "contrast", "mean"]
    first, second, mean = (c["accuracy"] for c in found["corruptions"])
    assert mean == pytest.approx((first + second) / 2)
    assert first < found["accuracy"]  # a sixth of the coins tossed again
    alone = json.loads(evonet("eval", PACKAGE, "--data", plain, "--json").stdout)
    assert alone == {key: value for key, value in found.items() if key != "corruptions"}
    text = evonet(*asked).stdout
    for part in ("80 images: accuracy", "impulse_noise", "contrast", "mean", "bits per label"):
        assert part in text


def test_all_are_the_fifteen_and_their_mean(evonet, plain):
    found = json.loads(evonet("eval", PACKAGE, "--data", plain, "--corruption", "all", "--json").stdout)
    assert [c["name"] for c in found["corruptions"]] == [*TESTING, "mean"]


@pytest.mark.parametrize(
    "more, message",
    [
        (("--data", "digits", "--corruption", "rain"), "corruption 'rain' is unknown, expected one of shot_noise,"),
        (("--data", "clutter:9"), "expected clutter:SIDE or clutter:SIDE:ink with SIDE in 32..2048"),
        (("--data", "clutter:60:ink", "--data-dir", "nowhere"), "data 'mnist' is not there (looked in: nowhere"),
    ],
)
def test_what_cannot_be_measured_is_one_line(evonet, more, message, monkeypatch):
    monkeypatch.delenv("EVONET_DATA", raising=False)
    answer = evonet("eval", PACKAGE, *more)
    assert (answer.exit_code, answer.stderr.count("\n")) == (3, 1)
    assert message in answer.stderr
