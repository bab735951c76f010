"""Cells chosen without learning, and the recall of those that a glance chooses."""

import pytest
import torch
from canvas import Batch, Fixed, Fresh
from controls import SCORES, ink_scores, oracle_scores, ranked
from glance import Glance


@pytest.fixture
def batch(digits):
    return Fixed("clutter:60", digits["test"], "test").at(torch.arange(16))


@pytest.mark.parametrize("name", SCORES)
def test_scores_have_a_cell_each_and_do_not_depend_on_the_batch(batch, name):
    whole = SCORES[name](batch.images, batch.boxes, 8)
    assert whole.shape == (16, 8, 8)  # 60 pixels: the eighth cell is half outside
    alone = torch.cat([SCORES[name](batch.images[k : k + 1], batch.boxes[k : k + 1], 8) for k in range(16)])
    assert torch.equal(whole, alone)


@pytest.mark.parametrize("name", ["random", "centre", "ink"])
def test_only_the_oracle_sees_the_boxes(batch, name):
    assert torch.equal(SCORES[name](batch.images, batch.boxes, 8), SCORES[name](batch.images, batch.boxes * 0, 8))


def test_the_oracle_takes_the_cells_with_most_of_the_box_first(batch):
    scores, area = oracle_scores(batch.images, batch.boxes, 8), torch.zeros(16, 64, 64)
    for k, (y0, x0, y1, x1) in enumerate(batch.boxes.tolist()):
        area[k, y0:y1, x0:x1] = 1
    shared = torch.nn.functional.avg_pool2d(area[:, None], 8)[:, 0] * 64
    order = scores.flatten(1).argsort(1, descending=True)
    falling = shared.flatten(1).gather(1, order)
    assert bool((falling[:, :-1] >= falling[:, 1:]).all())


def test_ink_takes_the_brightest_cell_and_random_does_not_care(batch):
    images = torch.zeros(64, 1, 64, 64)
    images[:, :, 16:24, 40:48] = 1.0
    images[:, 0, 0, 0] = torch.arange(64) / 255  # so that they differ
    boxes = torch.zeros(64, 4, dtype=torch.int64)
    assert set(ink_scores(images, boxes, 8).flatten(1).argmax(1).tolist()) == {2 * 8 + 5}
    assert len(set(SCORES["random"](images, boxes, 8).flatten(1).argmax(1).tolist())) > 25


def test_centre_cells_are_nearest_to_the_middle():
    scores = SCORES["centre"](torch.zeros(1, 1, 56, 56), torch.zeros(1, 4), 8)
    assert scores[0].argmax() == 3 * 7 + 3
    assert set(scores[0].flatten().topk(5).indices.tolist()) == {24, 17, 23, 25, 31}


def test_ranks_keep_the_order_and_give_ties_to_the_first():
    found = ranked(torch.tensor([[[5.0, 1e30], [5.0, -1e30]]]))[0]
    assert found.argsort(descending=True).tolist() == [1, 0, 2, 3]
    assert found.unique().numel() == 4
    assert found.abs().max() == 4


@pytest.mark.parametrize("down, cell, side", [(2, 8, 60), (4, 16, 60), (8, 8, 100), (16, 16, 100)])
def test_a_glance_has_a_logit_a_cell(down, cell, side):
    found = Glance(down, cell).eval()(torch.rand(2, 1, side, side))
    assert found.shape == (2, -(-side // cell), -(-side // cell))


def test_recall_counts_the_cell_of_the_middle_among_the_best(monkeypatch):
    glance = Glance(8, 8)
    logits = torch.tensor([[[0.0, 3.0, 1.0], [2.0, -1.0, 0.0], [0.0, 0.0, 0.0]]])
    monkeypatch.setattr(glance, "forward", lambda images, boxes=None: logits)
    batch = Batch(torch.zeros(1, 1, 24, 24), torch.zeros(1), torch.tensor([[8, 0, 16, 6]]))  # in cell 3, third best
    assert {name: float(v) for name, v in glance.misses(batch).items()} == {
        "miss@1": 1.0, "blind@1": 1.0, "miss@2": 0.0, "blind@2": 0.0, "miss@4": 0.0, "blind@4": 0.0,
    }  # fmt: skip


def test_a_glance_learns_where_the_digit_is(digits):
    from training import Training, measure

    torch.manual_seed(0)
    glance = Glance(4, 16)
    canvases = Fresh("clutter:60", digits["train"], 1)
    training = Training(glance, canvases, steps=25, batch=16, lr=0.02, device="cpu")
    before = measure(glance, canvases, 60, chunk=60, device="cpu")
    assert training.advance(25)
    after = measure(glance, canvases, 60, chunk=60, device="cpu")
    assert after["miss@1"] < 0.7 * before["miss@1"]
