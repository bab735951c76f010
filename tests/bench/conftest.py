"""The saccade benchmark is a folder that is run, not a package: its modules are found as they find each other."""

import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks" / "saccades"
sys.path.insert(0, str(FOLDER))


@pytest.fixture(scope="session")
def digits():
    """Forty made-up digits a split: bars whose place and brightness tell the class, with margins of four pixels."""
    from canvas import SPLITS, Digits

    labels = torch.arange(40) % 10
    images = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 4 + label : 14 + label, 4:24] = 100 + 15 * label
    return {split: Digits(images, labels) for split in SPLITS}
