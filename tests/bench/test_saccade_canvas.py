"""Canvases of the saccade benchmark: functions of their number, with boxes that are true."""

import numpy as np
import pytest
import torch
from canvas import Canvases, mix, task_of

from evonet.training import words

SIDES = (32, 60, 100)


def of(digits, side, *, fresh=False, key="test"):
    return Canvases(task_of(f"clutter:{side}"), digits["test"], key, fresh=fresh)


@pytest.mark.parametrize("side", SIDES)
def test_a_canvas_does_not_depend_on_its_batch(digits, side):
    whole = of(digits, side, fresh=True).at(torch.arange(12))
    parts = [of(digits, side, fresh=True).at(torch.tensor([n])) for n in range(12)]
    for together, alone in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("side", SIDES)
def test_the_box_holds_the_digit_and_fits_it(digits, side):
    batch = of(digits, side).at(torch.arange(20))
    assert torch.equal(batch.labels, digits["test"].labels[:20])
    for image, label, box in zip(batch.images, batch.labels, batch.boxes, strict=True):
        y0, x0, y1, x1 = box.tolist()
        assert (y1 - y0, x1 - x0) == (10, 20)
        assert bool((image[0, y0:y1, x0:x1] * 255 >= 100 + 15 * label - 0.5).all())  # clutter can only add


def test_fresh_canvases_differ_by_number_and_key_and_are_uniform_in_place(digits):
    batch = of(digits, 60, fresh=True).at(torch.arange(2000))
    assert len({tuple(image.flatten().nonzero().flatten().tolist()) for image in batch.images[:50]}) == 50
    other = of(digits, 60, fresh=True, key="other").at(torch.arange(2000))
    assert not torch.equal(batch.boxes, other.boxes)
    assert batch.boxes[:, 1].unique().numel() == 60 - 28 + 1
    assert batch.labels.bincount(minlength=10).min() > 140


def test_pieces_have_the_published_counts_and_their_density():
    assert [task_of(f"clutter:{side}").pieces for side in (60, 100, 256, 1024)] == [4, 8, 52, 839]


@pytest.mark.parametrize("spec", ["mnist", "clutter:31", "clutter:2049", "clutter:x", "clutter:-60", "clutter:"])
def test_other_tasks_are_refused(spec):
    with pytest.raises(ValueError, match=r"expected clutter:SIDE with SIDE in 32\.\.2048"):
        task_of(spec)


def test_words_are_those_of_the_library():
    ours = mix(torch.arange(1000) * (0x9E3779B97F4A7C15 - 2**64) + (0x9E3779B97F4A7C15 - 2**64))
    theirs = words.mix(np.arange(1000, dtype=np.uint64), seed=0)
    assert np.array_equal(ours.numpy().view(np.uint64), theirs)
