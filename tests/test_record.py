"""The network of docs/results/main-job.md is what it says, measured from its bytes."""

from pathlib import Path

import pytest

from evonet.measured import evaluate

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason=f"needs MNIST's IDX files in {DATA / 'mnist'}")
def test_the_recorded_network_reads_mnist():
    package = (ROOT / "docs" / "results" / "mnist-808.evo").read_bytes()
    measured = evaluate(package, spec="mnist", data_dir=DATA, split="test", where="mnist-808.evo")
    assert measured.bytes == 808
    assert measured.images == 10_000
    assert measured.accuracy == pytest.approx(0.9858, abs=0.0005)  # another processor may flip a borderline image
