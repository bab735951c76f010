"""Cells and boxes, against the pixels that both are made of."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evonet.training.boxes import centred, shared


@given(st.lists(st.integers(0, 24), min_size=4, max_size=4), st.sampled_from([1, 3, 4, 8]))
def test_what_cells_share_with_a_box_are_its_pixels_and_their_middles_those_in_it(ends, cell):
    (y0, y1), (x0, x1) = sorted(ends[:2]), sorted(ends[2:])
    rows, columns = -(-24 // cell), -(-17 // cell)
    image = torch.zeros(rows * cell, columns * cell, dtype=torch.int64)
    image[y0:y1, x0:x1] = 1
    box = torch.tensor([[y0, x0, y1, x1]])
    blocks = image.view(rows, cell, columns, cell)
    assert torch.equal(shared(box, (rows, columns), cell)[0], blocks.sum((1, 3)))
    assert torch.equal(centred(box, (rows, columns), cell)[0], blocks[:, cell // 2, :, cell // 2].flatten().float())


def test_each_image_has_its_own_box_and_an_inverted_one_shares_nothing():
    boxes = torch.tensor([[0, 0, 1, 2], [-3, 6, 20, 9], [5, 5, 4, 9]])
    assert shared(boxes, (2, 2), 4).tolist() == [[[2, 0], [0, 0]], [[0, 8], [0, 8]], [[0, 0], [0, 0]]]
