"""One set of weights for images of other sizes."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import saccade_genomes

import evonet
from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.network import build, decoded, initialise
from evonet.package import Package, Quantised, pack
from evonet.plan import expand, resized

PLAIN = Genome(sheets=(SheetGene(channels=4, reduction="max"), SheetGene(channels=6)))
SET = Genome(
    sheets=(
        SheetGene(channels=4, reduction="max", motifs=(MotifGene(), MotifGene(radius=2, taps=25))),
        SheetGene(channels=8, motifs=(MotifGene(radius=0, taps=1),)),
    ),
    readout=ReadoutGene(pooling="both"),
    saccade=SaccadeGene(budgets=(2, 1, 0, 0), coordinates="none"),
)


def package_of(genome: Genome, shape=(1, 12, 12)) -> Package:
    plan = expand(genome, input=shape, classes=10)
    random = np.random.default_rng(5)
    tensors = tuple(Quantised(30, random.integers(-9, 10, t.shape).astype(np.int16)) for t in plan.tensors)
    return Package(genome=genome, input=shape, classes=10, expression=plan.expression, tensors=tensors)


@given(saccade_genomes(routes=("budget", "threshold")), st.integers(20, 40), st.integers(20, 40))
@settings(max_examples=40, deadline=None)
def test_a_network_that_looks_has_the_same_tensors_on_every_size(genome, height, width):
    genome = replace(genome, readout=replace(genome.readout, grid=1))
    try:
        plan = expand(genome, input=(1, 24, 24), classes=10)
        other = resized(genome, plan.expression, input=plan.input, to=(1, height, width), classes=10)
    except GenomeError:
        assume(False)  # scattered taps further apart than a reduced sheet
    assert [t.shape for t in other.tensors] == [t.shape for t in plan.tensors]
    assert other == expand(genome, input=(1, height, width), classes=10, expression=plan.expression)


def test_an_image_in_black_gives_the_answer_that_it_gave_where_the_same_cells_are_looked_at():
    package = package_of(SET, (1, 24, 24))
    small, large = decoded(package), decoded(package, input=(1, 64, 48))
    x = torch.rand(4, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    canvas = torch.zeros(4, 1, 64, 48)
    canvas[:, :, 32:56, 16:40] = x
    with torch.no_grad():
        logits, looked = small.look(x)
        moved = dataclasses.replace(looked, cell=looked.cell + torch.tensor([4, 2]))
        torch.testing.assert_close(large.answer(canvas, moved), logits)
        assert not torch.equal(large.answer(canvas, looked), logits)


def test_a_convolution_and_a_mean_are_of_any_size(tmp_path):
    (tmp_path / "plain.evo").write_bytes(pack(package_of(PLAIN)))
    network = evonet.load(tmp_path / "plain.evo", input=(1, 30, 21))
    assert network.plan.input == (1, 30, 21)
    twin = evonet.load(tmp_path / "plain.evo")
    assert all(torch.equal(a, b) for a, b in zip(network.weights, twin.weights, strict=True))
    assert network(torch.zeros(2, 1, 30, 21)).shape == (2, 10)


def test_what_compression_switched_off_stays_off():
    whole = expand(PLAIN, input=(1, 12, 12), classes=10)
    taps = tuple((False, *bits[1:]) for bits in whole.expression.taps)
    expression = replace(whole.expression, taps=taps, channels=((True, False, True, True), (True,) * 6))
    plan = resized(PLAIN, expression, input=(1, 12, 12), to=(1, 40, 40), classes=10)
    assert plan.expression == expression
    assert [len(stage.own_taps) for stage in plan.stages] == [8, 8]
    assert build(plan)(torch.zeros(1, 1, 40, 40), initialise(plan, 0)).shape == (1, 10)


@pytest.mark.parametrize(
    ("genome", "to", "message"),
    [
        (
            Genome(sheets=(SheetGene(), SheetGene(reduction="all"))),
            (1, 16, 16),
            r"^sheet1\.motif0\.taps has 144 taps on images of 1x12x12 and 256 on 1x16x16, expected the same on both",
        ),
        (
            Genome(sheets=(SheetGene(motifs=(MotifGene(sharing="position"),)),)),
            (1, 16, 16),
            r"^sheet0\.motif0\.taps has shape \(144, 8, 1, 9\) on images of 1x12x12 and \(256, 8, 1, 9\) on 1x16x16",
        ),
        (PLAIN, (3, 12, 12), r"^sheet0\.motif0\.taps has shape \(4, 1, 9\) on images of 1x12x12 and \(4, 3, 9\)"),
        (
            Genome(sheets=(SheetGene(),), readout=ReadoutGene(grid=8)),
            (1, 6, 12),
            r"^readout\.weight has shape \(10, 512\) on images of 1x12x12 and \(10, 384\) on 1x6x12.*train a network",
        ),
        (SET, (1, 12, 7), r"^saccade\.cell = 8 on images of 12x7, expected at most their sides: use smaller cells"),
        (SET, (1, 8, 16), r"^saccade\.budgets = \(2, 1, 0, 0\), together 3 cells, but a grid of 1x2 has 2: lower them"),
    ],
    ids=["all", "position", "channels", "readout", "cell", "budgets"],
)
def test_what_would_change_is_named(genome, to, message):
    with pytest.raises(GenomeError, match=message):
        resized(genome, None, input=(1, 12, 12), to=to, classes=10)


def test_as_many_taps_in_other_places_are_others():
    scatter = MotifGene(taps=30, long_share=14, reach=11, pattern="scatter", seed=3)
    genome = Genome(sheets=(SheetGene(motifs=(scatter,)),))
    with pytest.raises(GenomeError, match=r"has 30 taps on images of 1x12x6 and 30 others on 1x40x40"):
        resized(genome, None, input=(1, 12, 6), to=(1, 40, 40), classes=10)
