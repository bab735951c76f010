"""Pictures of the wiring: they are drawn for every kind of stage, and show what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network import initialise
from evonet.plan import Expression, expand
from evonet.plan.masks import mask
from evonet.report import pictures

GENOME = Genome(
    sheets=(
        SheetGene(channels=4, reduction="stride", motifs=(MotifGene(taps=12, long_share=6, pattern="lattice"),)),
        SheetGene(channels=4, motifs=(MotifGene(mixing="separable", taps=3), MotifGene(source=0, mixing="identity"))),
    ),
    readout=ReadoutGene(),
)
PLAIN = Genome(sheets=(SheetGene(),))


def shown(path, colour: str) -> int:
    """How many pixels of the picture have exactly this colour."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int(((imread(path)[..., :3] * 255).round().astype(int) == rgb).all(-1).sum())


def test_one_row_per_stage_with_local_and_long_taps(tmp_path):
    plan = expand(GENOME, input=(1, 16, 16), classes=10)
    pictures.draw_expansion(plan, tmp_path / "a.png", title="two sheets")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    height, width, _ = imread(tmp_path / "a.png").shape
    assert len(plan.stages) == 4
    assert height > width  # four rows of three
    assert shown(tmp_path / "a.png", pictures.LOCAL) > 1000
    assert shown(tmp_path / "a.png", pictures.LONG) > 1000


def test_without_long_taps_their_colour_is_absent(tmp_path):
    plan = expand(PLAIN, input=(1, 8, 8), classes=10)
    pictures.draw_expansion(plan, tmp_path / "a.png")
    assert shown(tmp_path / "a.png", pictures.LONG) == 0


def test_weights_change_the_taps_and_what_is_switched_off_is_grey(tmp_path):
    plan = expand(PLAIN, input=(1, 8, 8), classes=10)
    live = Expression(taps=((False, *plan.expression.taps[0][1:]),), channels=plan.expression.channels)
    less = expand(PLAIN, input=(1, 8, 8), classes=10, expression=live)
    pictures.draw_expansion(plan, tmp_path / "a.png")
    pictures.draw_expansion(less, tmp_path / "b.png")
    pictures.draw_expansion(less, tmp_path / "c.png", weights=[w.numpy() for w in initialise(less, 1)])
    assert shown(tmp_path / "b.png", pictures.DEAD) > shown(tmp_path / "a.png", pictures.DEAD)
    assert shown(tmp_path / "c.png", pictures.LOCAL) < shown(tmp_path / "b.png", pictures.LOCAL)


RICH = Genome(
    sheets=(
        SheetGene(channels=4, motifs=(MotifGene(symmetry="orbit4", taps=3, boundary="valid"),)),
        SheetGene(
            channels=4,
            motifs=(
                MotifGene(symmetry="odd", boundary="wrap"),
                MotifGene(mixing="grouped", sharing="position"),
                MotifGene(mixing="depthwise", sharing="tile"),
                MotifGene(mixing="depthwise", sharing="tile", weights_from=1, radius=2),
            ),
        ),
        SheetGene(channels=6, reduction="all"),
    ),
    readout=ReadoutGene(kind="hadamard", pooling="both"),
)


@pytest.mark.parametrize("limit", [pictures.LARGEST, 100])
def test_every_kind_of_stage_is_drawn_with_and_without_weights(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(pictures, "LARGEST", limit)
    plan = expand(RICH, input=(1, 10, 9), classes=10)
    pictures.draw_expansion(plan, tmp_path / "a.png")
    pictures.draw_expansion(plan, tmp_path / "b.png", weights=[w.numpy() for w in initialise(plan, 1)])
    assert shown(tmp_path / "b.png", pictures.LOCAL) < shown(tmp_path / "a.png", pictures.LOCAL)


def test_one_channel_pair_is_the_first_block_of_the_mask():
    plan = expand(RICH, input=(2, 10, 9), classes=10)
    for stage in plan.stages:
        if stage.mixing != "grouped":
            block = mask(stage)[: stage.target[1] * stage.target[2], : stage.source[1] * stage.source[2]]
            np.testing.assert_array_equal(mask(pictures._one_pair(stage)), block)


def test_masks_too_large_are_drawn_in_part_or_not_at_all(tmp_path, monkeypatch):
    plan = expand(PLAIN, input=(1, 8, 8), classes=10)
    sizes = []

    def measured(stage):
        sizes.append((stage.target, stage.source))
        return np.ones((4, 4), bool)

    monkeypatch.setattr(pictures, "mask", measured)
    monkeypatch.setattr(pictures, "LARGEST", 64 * 64)
    pictures.draw_expansion(plan, tmp_path / "a.png")
    assert sizes == [((1, 8, 8), (1, 8, 8))]  # one channel pair
    monkeypatch.setattr(pictures, "LARGEST", 64 * 64 - 1)
    pictures.draw_expansion(plan, tmp_path / "b.png")
    assert len(sizes) == 1


@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 9))
def test_density_keeps_the_number_of_ones(rows, columns, seed):
    matrix = np.random.default_rng(seed).random((rows, columns)) < 0.1
    density = pictures._density(matrix)
    assert density.shape == (min(rows, pictures.PIXELS), min(columns, pictures.PIXELS))
    assert density.min() >= 0
    assert density.max() <= 1
    if rows % len(density) == 0 and columns % density.shape[1] == 0:
        assert density.mean() == pytest.approx(matrix.mean(), rel=1e-4)
