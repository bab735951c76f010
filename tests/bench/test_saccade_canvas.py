"""Canvases of the saccade benchmark: functions of their number, those of the library, with boxes that are true."""

import numpy as np
import pytest
import torch
from canvas import Digits, Fixed, Fresh, Mixed, held_out, task_of

from evonet.training.batches import images_of
from evonet.training.data import DataSet, Splits

SIDES = (32, 60, 100)


@pytest.mark.parametrize("side", SIDES)
def test_a_canvas_does_not_depend_on_its_batch(digits, side):
    canvases = Fresh(f"clutter:{side}", digits["train"], 1)
    whole = canvases.at(torch.arange(12))
    parts = [canvases.at(torch.tensor([n])) for n in range(12)]
    for together, alone in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("spec", ["clutter:32", "clutter:60", "clutter:100", "clutter:100:ink"])
def test_the_box_holds_the_digit_and_fits_it(digits, spec):
    batch = Fixed(spec, digits["test"], "test").at(torch.arange(20))
    assert torch.equal(batch.labels, digits["test"].labels[:20])
    for image, label, box in zip(batch.images, batch.labels, batch.boxes, strict=True):
        y0, x0, y1, x1 = box.tolist()
        assert (y1 - y0, x1 - x0) == (10, 20)
        assert bool((image[0, y0:y1, x0:x1] * 255 >= 100 + 15 * label - 0.5).all())  # clutter can only add


def test_fresh_canvases_differ_by_number_and_seed_and_have_all_digits(digits):
    batch = Fresh("clutter:60", digits["train"], 1).at(torch.arange(2000))
    assert len({tuple(image.flatten().nonzero().flatten().tolist()) for image in batch.images[:50]}) == 50
    assert not torch.equal(batch.boxes, Fresh("clutter:60", digits["train"], 2).at(torch.arange(2000)).boxes)
    assert batch.boxes[:, 1].unique().numel() == 60 - 28 + 1
    assert batch.labels.bincount(minlength=10).min() > 140


def test_a_quarter_of_mixed_canvases_is_clean_and_none_moves(digits):
    fresh = Fresh("clutter:60", digits["train"], 1)
    mixed, clean = Mixed(fresh).at(torch.arange(40)), fresh.at(torch.arange(40))
    same = [bool(torch.equal(a, b)) for a, b in zip(mixed.images, clean.images, strict=True)]
    assert [n for n in range(40) if same[n]] == list(range(0, 40, 4))
    assert torch.equal(mixed.boxes, clean.boxes)
    assert 0 <= mixed.images.min() <= mixed.images.max() <= 1
    assert torch.equal(Mixed(fresh).at(torch.arange(8, 40)).images, mixed.images[8:])


def test_held_out_canvases_are_those_that_the_library_measures(digits):
    images, labels = digits["test"].images.numpy(), digits["test"].labels.numpy().astype(np.uint8)
    empty, every = np.zeros(0, np.int32), np.arange(40, dtype=np.int32)
    splits = Splits(empty, empty, empty, empty, every)
    data = DataSet("clutter:60", images, labels, 10, 255.0, splits, "", task_of("clutter:60"))
    batch = Fixed("clutter:60", Digits(*digits["test"]), "test").at(torch.arange(40))
    ((found, _),) = images_of(data, "test").chunks(40)
    assert torch.equal(found, batch.images)


def test_the_test_set_is_smaller_where_canvases_are_large():
    assert [held_out(task_of(f"clutter:{side}")) for side in (60, 256, 1024)] == [10_000, 10_000, 1_000]


@pytest.mark.parametrize("spec", ["mnist", "clutter:31", "clutter:2049", "clutter:x", "clutter:-60", "clutter:"])
def test_other_tasks_are_refused(spec):
    with pytest.raises(ValueError, match="expected clutter:SIDE"):
        task_of(spec)
