"""Every recorded network is what its card says, measured from its bytes."""

import json
from pathlib import Path

import pytest

from evonet.measured import evaluate

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
CARDS = sorted((ROOT / "runs" / "records").glob("*.json"))


@pytest.mark.parametrize("card", CARDS, ids=[card.stem for card in CARDS])
def test_a_recorded_network_is_what_its_card_says(card: Path):
    told = json.loads(card.read_text())
    if told["data"].startswith(("mnist", "clutter")) and not (DATA / "mnist").is_dir():
        pytest.skip(f"needs MNIST's IDX files in {DATA / 'mnist'}")
    package = card.with_suffix(".evo").read_bytes()
    measured = evaluate(package, spec=told["data"], data_dir=DATA, split="test", where=card.stem)
    assert measured.bytes == told["bytes"] == len(package)
    assert measured.images == told["images"]
    assert measured.accuracy == pytest.approx(told["accuracy"], abs=0.0005)  # another processor may flip an image


def test_there_are_records_and_each_has_its_card():
    assert CARDS
    assert [card.with_suffix(".evo") for card in CARDS] == sorted((ROOT / "runs" / "records").glob("*.evo"))
