"""The picture of where a network looked: its panels show what the record says, and no more of the image."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from evonet.report import attention
from evonet.report.attention import Attended, Look


def look(number: int, cell: tuple[int, int], kind: int = 1, *, fixation: int = 0) -> Look:
    y, x = (max(0, 8 * i - 2) for i in cell)
    window = (y, x, min(20, 8 * cell[0] + 10), min(20, 8 * cell[1] + 10))
    return Look(number=number, fixation=fixation, kind=kind, cell=cell, window=window, weight=0.5 / number)


PLAIN = Attended(
    data="clutter:20",
    split="validation",
    index=7,
    label=3,
    answer=5,
    probability=0.75,
    form="set",
    alone=True,
    fixations=0,
    cell=8,
    grid=(3, 3),
    cells=2,
    pixels=0.5,
    macs=1000,
    looks=(look(1, (0, 0), 2), look(2, (1, 2))),
    probabilities=(0.75,),
    classes=("class 1", "class 2"),
    box=(4, 4, 12, 12),
)
PATH = msgspec.structs.replace(
    PLAIN,
    fixations=3,
    looks=tuple(look(n, cell, fixation=n) for n, cell in enumerate([(2, 2), (0, 1), (1, 0)], 1)),
    probabilities=(0.25, 0.5, 0.75),
)
IMAGE = np.random.default_rng(1).random((1, 20, 20)).astype(np.float32)


def panels(*shown):
    figure = attention.attention_figure(shown or [(PLAIN, IMAGE)])
    return figure.axes


def words(axes) -> str:
    return " ".join([axes.get_title(), axes.get_xlabel(), *(text.get_text() for text in axes.texts)])


@given(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=4))
def test_what_was_read_is_shown_to_the_last_bit_and_nothing_else_is(channels, cells):
    attended = msgspec.structs.replace(PLAIN, looks=tuple(look(n, cell) for n, cell in enumerate(cells, 1)))
    mask = attention.read_mask(attended, (20, 20))
    expected = np.zeros((20, 20), bool)
    for one in attended.looks:
        expected[one.window[0] : one.window[2], one.window[1] : one.window[3]] = True
    np.testing.assert_array_equal(mask, expected)
    image = np.random.default_rng(2).random((channels, 20, 20))
    shown = attention.as_read(image, mask)
    assert (shown[~mask] == to_rgb(attention.UNREAD)).all()
    inside = image if channels == 3 else np.repeat(image.mean(0, keepdims=True), 3, axis=0)
    np.testing.assert_array_equal(shown[mask], inside.transpose(1, 2, 0)[mask])


def test_unread_pixels_cannot_be_guessed_from_the_picture():
    other = np.where(attention.read_mask(PLAIN, (20, 20)), IMAGE, 1 - IMAGE)
    pictures = [panels((PLAIN, image))[2].images[0].get_array() for image in (IMAGE, other)]
    np.testing.assert_array_equal(*pictures)


def test_the_map_has_the_class_of_every_cell():
    assert attention.cell_map(PLAIN).tolist() == [[2, 0, 0], [0, 0, 1], [0, 0, 0]]
    where = panels()[1]
    over = where.images[1].get_array()
    for cell, colour in (((0, 0), attention.COLOURS[1]), ((1, 2), attention.COLOURS[0]), ((2, 1), attention.NONE)):
        assert tuple(over[cell][:3]) == pytest.approx(to_rgb(colour))
    assert where.images[1].get_extent() == [-0.5, 23.5, 23.5, -0.5]  # cells reach over the border of 20 pixels
    assert where.get_xlim() == (-0.5, 19.5)
    hatches = {patch.get_hatch() for patch in where.patches}
    assert len(hatches) == 2
    assert "2 of 9 cells of 8x8 pixels" in words(where)


def test_a_path_is_numbered_in_its_order_and_tells_the_probability_after_each_look():
    path = panels((PATH, IMAGE))[3]
    numbers = {text.get_text(): text.get_position() for text in path.texts}
    assert numbers == {"1": (19.5, 19.5), "2": (11.5, 3.5), "3": (3.5, 11.5)}
    lines = [line.get_xydata() for line in path.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(lines, [[[19.5, 19.5], [11.5, 3.5]], [[11.5, 3.5], [3.5, 11.5]]])
    assert "answer 5: 75.0 %, in the order of its looks" in words(path)
    assert "p(5) after  1: 0.25  2: 0.50  3: 0.75" in words(path)


def test_cells_of_one_fixation_have_its_number_and_the_path_goes_through_their_middle():
    pairs = [((0, 0), 1), ((0, 2), 1), ((2, 1), 2)]
    looks = tuple(look(n, cell, fixation=fixation) for n, (cell, fixation) in enumerate(pairs, 1))
    looks = tuple(msgspec.structs.replace(one, weight=0.5) for one in looks)
    path = panels((msgspec.structs.replace(PATH, fixations=2, looks=looks, probabilities=(0.5, 0.75)), IMAGE))[3]
    assert [text.get_text() for text in path.texts] == ["1", "1", "2"]
    (line,) = [line.get_xydata() for line in path.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(line, [[11.5, 3.5], [11.5, 19.5]])


def test_a_picture_says_where_more_than_the_looks_reaches_the_answer_and_where_weights_only_rank():
    grid = msgspec.structs.replace(PLAIN, form="conv", alone=False)
    axes = panels((grid, IMAGE))
    assert "the rest reaches it coarsely" in words(axes[2])
    assert "all that it read" in words(panels()[2])
    assert "weights" not in words(axes[3])
    assert "as the glance ranks them" in words(axes[3])


def test_looks_all_at_once_are_numbered_by_weight_and_not_joined():
    path = panels()[3]
    assert [text.get_text() for text in path.texts] == ["1", "2"]
    assert all(len(line.get_xdata()) == 1 for line in path.lines)
    assert "weights  1: 0.50  2: 0.25" in words(path)


def test_the_object_is_framed_where_the_data_know_it():
    frames = [patch for patch in panels()[0].patches if isinstance(patch, Rectangle)]
    assert [frame.get_bbox().bounds for frame in frames] == [(3.5, 3.5, 8, 8)]
    assert "label 3, its box dashed" in words(panels()[0])
    without = panels((msgspec.structs.replace(PLAIN, box=None), IMAGE))[0]
    assert not without.patches
    assert "image 7" in words(without)


def test_a_png_has_a_row_for_each_image_and_a_legend_of_its_colours(tmp_path):
    attention.draw_attention([(PLAIN, IMAGE)], tmp_path / "one.png", title="x.evo")
    attention.draw_attention([(PLAIN, IMAGE), (PATH, IMAGE)], tmp_path / "two.png")
    one, two = (imread(tmp_path / name) for name in ("one.png", "two.png"))
    assert two.shape[0] > 1.6 * one.shape[0]
    assert two.shape[1] == one.shape[1] > 2 * one.shape[0]
    unread = (np.abs(one[..., :3] - to_rgb(attention.UNREAD)) < 0.003).all(-1)
    assert unread.mean() > 0.02
    figure = attention.attention_figure([(PLAIN, IMAGE)])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["not looked at", "class 1", "class 2", "not read"]


def test_every_pixel_of_a_large_image_has_a_dot():
    large = np.zeros((1, 1000, 900), np.float32)
    figure = attention.attention_figure([(PLAIN, large)])
    assert figure.dpi * attention.PANEL >= 1000


def test_more_classes_than_colours_are_told_apart_by_the_hatch():
    many = tuple(look(n + 1, (n // 3, n % 3), n + 1) for n in range(8))
    shown = msgspec.structs.replace(PLAIN, looks=many, classes=tuple(f"class {k}" for k in range(1, 9)))
    patches = panels((shown, IMAGE))[1].patches
    assert len({patch.get_edgecolor()[:3] for patch in patches}) == len(attention.COLOURS)
    assert len({(patch.get_edgecolor()[:3], patch.get_hatch()) for patch in patches}) == 8
