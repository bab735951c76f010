"""Fitted genomes ask for nothing beyond their sources, and others stay as they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from plan_examples import INPUTS, one_motif, plan_or_none
from strategies import genomes, saccade_genomes

from evonet.errors import GenomeError
from evonet.genome.check import check
from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.plan import expand, fit


def fitted_or_none(genome, shape):
    try:
        return fit(genome, input=shape)
    except GenomeError:
        return None


def refusal(genome, shape):
    try:
        expand(genome, input=shape, classes=10)
    except GenomeError as error:
        return str(error)
    return ""


def fitted(motif, shape=(1, 8, 8), **sheet):
    return fit(one_motif(motif, **sheet), input=shape).sheets[0].motifs[0]


@given(genomes(reach=31), INPUTS)
@settings(max_examples=100, deadline=None)
def test_a_fitted_genome_is_valid_its_own_fit_and_refused_for_no_reach(genome, shape):
    near = fitted_or_none(genome, shape)
    if near is None:
        return
    check(near)
    assert fit(near, input=shape) == near
    assert not any(word in refusal(near, shape) for word in (".reach", ".edits"))


@given(genomes(), INPUTS)
@settings(max_examples=100, deadline=None)
def test_what_expands_is_left_alone(genome, shape):
    if plan_or_none(genome, shape) is not None:
        assert fit(genome, input=shape) == genome


@given(genomes(reach=31), INPUTS)
@settings(max_examples=60, deadline=None)
def test_only_reach_long_share_and_edits_change(genome, shape):
    near = fitted_or_none(genome, shape)
    if near is None:
        return
    plain = {"reach": 1, "long_share": 0, "edits": ()}
    same = [
        replace(g, sheets=tuple(replace(s, motifs=tuple(replace(m, **plain) for m in s.motifs)) for s in g.sheets))
        for g in (genome, near)
    ]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    "fields, longest",
    [({}, 7), ({"boundary": "wrap"}, 3), ({"boundary": "valid", "taps": 20}, 4), ({"id": (3, 4)}, 7)],
)
def test_reach_is_lowered_to_the_longest_offset_there_is(fields, longest):
    motif = MotifGene(**{"long_share": 8, "reach": 20, "pattern": "scatter", **fields})
    near = fitted(motif)
    assert near == replace(motif, reach=near.reach)
    assert near.reach == longest if motif.boundary != "valid" else 1 < near.reach <= longest


def test_no_long_share_is_left_where_there_is_no_long_tap():
    motif = MotifGene(radius=3, taps=30, long_share=8, reach=9)
    assert fitted(motif, (1, 4, 4)) == replace(motif, long_share=0)
    rows = MotifGene(radius=0, long_share=16, reach=4, pattern="lattice", basis=(2, 0, 2, 9), taps=3)
    assert fitted(rows, (1, 1, 32)) == replace(rows, long_share=0)


def test_edits_beyond_the_source_are_dropped():
    motif = MotifGene(edits=((-9, 0), (0, 7), (1, 8)))
    assert fitted(motif).edits == ((0, 7),)
    assert fitted(motif, reduction="all").edits == ((0, 7),)
    assert fitted(MotifGene(edits=((-7, 0), (-6, 0))), reduction="stride").edits == ((-6, 0),)


def test_a_self_motif_is_fitted_to_its_halved_sheet():
    long = MotifGene(source=0, long_share=8, reach=9)
    genome = Genome(sheets=(SheetGene(reduction="max", motifs=(long, replace(long, source=1))),))
    assert [m.reach for m in fit(genome, input=(1, 8, 8)).sheets[0].motifs] == [3, 7]


@given(st.sampled_from(["zero", "wrap"]), st.integers(2, 12), st.integers(2, 31))
def test_the_fitted_reach_is_the_largest_that_expands(boundary, side, reach):
    motif = MotifGene(radius=0, taps=9, long_share=8, reach=reach, boundary=boundary)
    near = fitted(motif, (1, side, side))
    if near.long_share and near.reach < reach:
        higher = one_motif(replace(near, reach=near.reach + 1))
        with pytest.raises(GenomeError, match=r"sheets\[0\]\.motifs\[0\]\.reach"):
            expand(higher, input=(1, side, side), classes=3)


@pytest.mark.parametrize(
    "motif, message",
    [
        (MotifGene(radius=0, taps=1, edits=((0, 0), (0, 9))), r"edits = \(\(0, 0\),\) removes its only tap"),
        (MotifGene(radius=0, taps=2, long_share=16, reach=2, symmetry="odd"), r"symmetry = 'odd' with the centre"),
    ],
)
def test_a_motif_of_which_nothing_is_left_is_refused(motif, message):
    with pytest.raises(GenomeError, match=message):
        fit(one_motif(replace(motif, boundary="wrap")), input=(1, 2, 2))


def test_a_shape_that_reduces_to_nothing_is_refused():
    genome = Genome(sheets=(SheetGene(reduction="max"),) * 4)
    with pytest.raises(GenomeError, match=r"sheets\[2\]\.reduction = 'max' halves a sheet of 1x1 to nothing"):
        fit(genome, input=(1, 4, 4))


@given(saccade_genomes(), st.tuples(st.integers(1, 2), st.integers(4, 20), st.integers(4, 20)))
@settings(max_examples=50, deadline=None)
def test_a_fitted_gene_looks_at_no_more_than_there_is(genome, shape):
    found = fitted_or_none(genome, shape)
    if found is not None:
        assert fit(found, input=shape) == found
        assert "saccade.budgets" not in refusal(found, shape)
        assert "saccade.cell" not in refusal(found, shape) or min(shape[1:]) < 4 * 2 ** len(genome.sheets)


@pytest.mark.parametrize(
    "side, before, after",
    [
        (64, {}, {}),
        (12, {}, {"budgets": (2, 1, 0, 0)}),
        (8, {}, {"budgets": (1, 0, 0, 0)}),  # one cell
        (20, {"budgets": (12, 4, 0, 0)}, {"budgets": (5, 4, 0, 0)}),
        (20, {"fixations": 4, "halting": 2}, {"budgets": (1, 1, 0, 0), "fixations": 4}),
        (8, {"fixations": 4, "halting": 2}, {"budgets": (1, 0, 0, 0), "fixations": 1}),
        (10, {"cell": 32, "downsampling": 16}, {"cell": 8, "downsampling": 8}),
    ],
)
def test_budgets_and_cells_are_lowered_to_the_image(side, before, after):
    gene = replace(SaccadeGene(budgets=(2, 1, 0, 0)), **before)
    genome = Genome(sheets=(SheetGene(motifs=(MotifGene(), MotifGene(radius=2, taps=25))),), saccade=gene)
    assert fit(genome, input=(1, side, side)).saccade == replace(gene, **after)
