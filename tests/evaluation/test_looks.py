"""Geometry of looks: what was read, which cells lie on an object, and how likely a hit by chance is."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from looking_networks import CHEAP, GENOMES, GRID, ONE, POINT, SET, canvases, make_network
from msgspec.structs import replace as changed

from evonet.evaluation import looks
from evonet.genome import MotifGene, SheetGene


@st.composite
def boxes_of_images(draw):
    count, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    side = st.integers(-4, 13)
    many = draw(st.lists(st.tuples(st.integers(0, count - 1), side, side, side, side), max_size=6))
    return (count, height, width), many


@given(boxes_of_images())
def test_covered_is_what_slices_of_the_clipped_boxes_cover(example):
    shape, many = example
    expected = np.zeros(shape, bool)
    boxes = []
    for image, y, x, height, width in many:
        box = (y, x, y + abs(height), x + abs(width))
        boxes.append(box)
        y0, x0, y1, x1 = (max(0, i) for i in box)
        expected[image, y0:y1, x0:x1] = True
    image = torch.tensor([image for image, *_ in many], dtype=torch.int64)
    found = looks.covered(torch.tensor(boxes, dtype=torch.int64).reshape(-1, 4), image, shape)
    np.testing.assert_array_equal(found.numpy(), expected)


@given(st.tuples(*[st.integers(0, 23)] * 2), st.tuples(*[st.integers(1, 12)] * 2), st.integers(1, 9))
def test_cells_on_a_box_are_those_that_share_a_pixel_with_it(corner, size, cell):
    height, width = 24, 31
    box = (*corner, min(height, corner[0] + size[0]), min(width, corner[1] + size[1]))
    grid = (-(-height // cell), -(-width // cell))
    pixels = np.zeros((grid[0] * cell, grid[1] * cell), bool)
    pixels[box[0] : box[2], box[1] : box[3]] = True
    blocks = pixels.reshape(grid[0], cell, grid[1], cell)
    boxes = torch.tensor([box])
    found = looks.box_cells(boxes, cell, grid)
    np.testing.assert_array_equal(found[0].numpy(), blocks.any((1, 3)))
    centre = looks.centre_cells(boxes, cell, grid)
    assert centre.sum() == 1
    assert bool((centre & found).any())
    assert centre[0, (box[0] + box[2]) // 2 // cell, (box[1] + box[3]) // 2 // cell]


def test_an_empty_box_has_no_cells():
    assert not looks.box_cells(torch.tensor([[5, 5, 5, 9]]), 4, (6, 6)).any()


@pytest.mark.parametrize("budget", [1, 2, 4, 8])
def test_chance_is_the_share_of_all_draws_that_hit(budget):
    network = make_network(changed(ONE, saccade=changed(ONE.saccade, budgets=(budget, 0, 0, 0))))
    x, _, boxes = canvases(5)
    _, looked = network.look(x)
    targets = looks.box_cells(boxes, 8, (3, 3))
    found = looks.chance(looked, targets)
    for image in range(5):
        on = set(targets[image].flatten().nonzero()[:, 0].tolist())
        draws = list(combinations(range(9), budget))
        share = sum(bool(on & set(draw)) for draw in draws) / len(draws)
        assert float(found[image]) == pytest.approx(share, abs=1e-12)


def test_hits_and_ink_of_looks_at_a_known_place():
    network = make_network(changed(ONE, sheets=(SheetGene(motifs=(POINT,)),)))
    x = torch.zeros(2, 1, 24, 24)
    x[0, 0, 8:16, 8:16] = 0.5  # all of the middle cell
    x[1, 0, 0:8, 12:20] = 0.5  # half of cell (0, 1), half of cell (0, 2)
    boxes = torch.tensor([[8, 8, 16, 16], [0, 12, 8, 20]])
    _, looked = network.look(x)
    assert looked.cell[torch.argsort(looked.image)].tolist() in ([[1, 1], [0, 1]], [[1, 1], [0, 2]])
    assert looks.hits(looked, looks.box_cells(boxes, 8, (3, 3))).tolist() == [True, True]
    read = looks.read_pixels(network, looked, (2, 24, 24))
    assert read.flatten(1).sum(1).tolist() == [64, 64]
    assert looks.ink_coverage(x, boxes, read).tolist() == [1.0, 0.5]
    elsewhere = replace(looked, cell=torch.full_like(looked.cell, 2))
    assert not looks.hits(elsewhere, looks.box_cells(boxes, 8, (3, 3))).any()


def test_blank_images_have_no_ink_to_cover():
    x, boxes = torch.zeros(1, 1, 8, 8), torch.tensor([[0, 0, 4, 4]])
    assert looks.ink_coverage(x, boxes, torch.ones(1, 8, 8, dtype=torch.bool)).tolist() == [0.0]


@pytest.mark.parametrize("name", GENOMES)
def test_a_set_and_a_grid_over_zeros_rest_on_their_looks_alone(name):
    assert looks.alone(make_network(GENOMES[name]).plan)


def test_a_fill_or_another_look_at_the_image_is_not_alone():
    again = changed(GRID.sheets[1], reduction="none", motifs=(MotifGene(), MotifGene(source=2)))
    for genome in (CHEAP, changed(GRID, sheets=(GRID.sheets[0], again)), changed(SET, saccade=None)):
        assert not looks.alone(make_network(genome).plan)
