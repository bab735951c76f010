"""Matched twins of genomes, and control forms of searches."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes

from evonet.config import RunConfig
from evonet.controls import _UNWIRED, cnn_twin, random_twin, search_control
from evonet.errors import GenomeError
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.code import decode, encode
from evonet.genome.limits import Limits, breaches
from evonet.genome.variation import OPERATORS, rates_of, vary
from evonet.plan import expand
from evonet.seeds import Stream

SHAPE = {"input": (1, 12, 12), "classes": 10}
WIDE = Genome(
    sheets=(
        SheetGene(motifs=(MotifGene(taps=16, long_share=6, reach=5, pattern="lattice"),), reduction="max"),
        SheetGene(channels=10, motifs=(MotifGene(mixing="separable", taps=12, radius=2, edits=((-3, 1), (0, 0))),)),
    )
)


def planned(genome):
    try:
        return expand(genome, **SHAPE)
    except GenomeError:
        return None


def shapes(plan):
    return [tensor.shape for tensor in plan.tensors], [sheet.shape for sheet in plan.sheets]


def taps(genome):
    return [stage.taps for stage in expand(genome, **SHAPE).stages]


def farthest(plan):
    return max((max(map(abs, tap)) for stage in plan.stages for tap in stage.taps), default=0)


def test_a_random_twin_has_the_same_weights_at_other_taps():
    twin = random_twin(WIDE, reach=5, draw=0, **SHAPE)
    ours, theirs = expand(WIDE, **SHAPE), expand(twin, **SHAPE)
    assert shapes(ours) == shapes(theirs)
    assert ours.costs.weights == theirs.costs.weights
    assert ours.costs.macs == theirs.costs.macs
    assert all(set(a) != set(b) for a, b in zip(taps(WIDE)[:2], taps(twin)[:2], strict=True))
    assert farthest(theirs) <= 5
    assert [s.channels for s in twin.sheets] == [s.channels for s in WIDE.sheets]


def test_random_twins_differ_by_draw_and_repeat():
    draws = [random_twin(WIDE, reach=5, draw=draw, **SHAPE) for draw in range(8)]
    assert len({encode(twin) for twin in draws}) == 8
    assert draws[3] == random_twin(WIDE, reach=5, draw=3, **SHAPE)


def test_a_random_twin_of_a_full_window_lies_within_the_reach_of_the_search():
    plain = Genome(sheets=(SheetGene(),))
    assert farthest(expand(random_twin(plain, reach=4, draw=1, **SHAPE), **SHAPE)) in (3, 4)
    # Never further than the source has places.
    assert farthest(expand(random_twin(plain, reach=31, draw=1, **SHAPE), **SHAPE)) <= 11


@settings(max_examples=40)
@given(genomes(), st.integers(0, 3))
def test_random_twins_of_any_genome_are_valid_and_of_its_form_or_refused(genome, draw):
    ours = planned(genome)
    assume(ours is not None)
    try:
        twin = random_twin(genome, reach=6, draw=draw, **SHAPE)
    except GenomeError:
        return
    assert shapes(expand(twin, **SHAPE)) == shapes(ours)
    assert decode(encode(twin)) == twin


def test_a_twin_whose_shape_would_follow_its_taps_is_refused():
    crops = Genome(sheets=(SheetGene(motifs=(MotifGene(boundary="valid"),)),))
    with pytest.raises(GenomeError, match=r"no random twin within reach 4: .*boundary is 'valid'"):
        random_twin(crops, reach=4, draw=0, **SHAPE)
    with pytest.raises(GenomeError, match=r"it would have 1[0-9][0-9] weights, expected 1[0-9][0-9]"):
        random_twin(Genome(sheets=(SheetGene(),)), reach=1, draw=0, **SHAPE)  # nine taps, eight places


def test_a_cnn_twin_has_as_many_taps_in_windows():
    twin = cnn_twin(WIDE, **SHAPE)
    ours, theirs = expand(WIDE, **SHAPE), expand(twin, **SHAPE)
    assert shapes(ours) == shapes(theirs)
    assert ours.costs.macs == theirs.costs.macs
    assert farthest(theirs) == 2
    for sheet in twin.sheets:
        assert all(m.long_share == 0 and m.pattern == "box" and not m.edits for m in sheet.motifs)
    assert cnn_twin(twin, **SHAPE) == twin


def test_a_cnn_twin_has_no_window_beyond_seven_by_seven():
    many = Genome(sheets=(SheetGene(motifs=(MotifGene(radius=5, taps=100),)),))
    twin = cnn_twin(many, **SHAPE)
    assert (twin.sheets[0].motifs[0].radius, twin.sheets[0].motifs[0].taps) == (3, 49)


@settings(max_examples=40)
@given(genomes())
def test_cnn_twins_of_any_genome_are_local_and_no_dearer_than_twice(genome):
    ours = planned(genome)
    assume(ours is not None)
    try:
        twin = cnn_twin(genome, **SHAPE)
    except GenomeError:
        return
    assert expand(twin, **SHAPE).costs.macs <= 2 * ours.costs.macs
    for sheet, planned_sheet in zip(twin.sheets, expand(twin, **SHAPE).sheets, strict=True):
        if sheet.reduction != "all":
            stages = [s for b in planned_sheet.incoming for s in b.stages]
            assert all(max(map(abs, tap)) <= 3 for s in stages if len(s.all_taps) > 1 for tap in s.taps)


# --- searches -------------------------------------------------------------------------------------------------------

CONFIG = RunConfig(genes=Limits(reach_max=7), search=SearchSettings(rates={"channels": 5.0, "taps": 4.0}, fresh=0.2))


def test_a_drift_search_differs_in_one_setting():
    drift = search_control(CONFIG, "drift")
    assert drift.search.drift
    assert replace(drift, search=replace(drift.search, drift=False)) == CONFIG


def descendants(config, genome, generations=25):
    stream = Stream("controls", 1)
    for _ in range(generations):
        genome, _ = vary(genome, stream, config.genes, config.search.rates)
        yield genome


def test_a_cnn_search_stays_local():
    config = search_control(CONFIG, "cnn")
    start = Genome(sheets=(SheetGene(),))
    assert breaches(start, config.genes) == 0
    for genome in descendants(config, start):
        for sheet in genome.sheets:
            assert all(m.long_share == 0 and m.radius <= 3 and not m.edits for m in sheet.motifs)


def test_a_frozen_search_moves_no_tap():
    config = search_control(CONFIG, "frozen")
    assert config.search.fresh == 0
    assert set(_UNWIRED) <= set(OPERATORS)
    rates = rates_of(config.search.rates)
    assert (rates["channels"], rates["taps"]) == (5.0, 0.0)
    wiring = [[(m.source, m.taps, m.radius, m.edits, m.seed, m.basis) for m in s.motifs] for s in WIDE.sheets]
    for genome in descendants(config, WIDE):
        found = [[(m.source, m.taps, m.radius, m.edits, m.seed, m.basis) for m in s.motifs] for s in genome.sheets]
        assert found == wiring


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("form", ["set", "conv"])
def test_twins_of_a_genome_that_looks_look_there_too(form, tie):
    """Motifs cut out of one kernel stay nested: the twin of the smaller has some of the taps of the larger's."""
    motifs = (MotifGene(), MotifGene(radius=2, taps=25))
    point = MotifGene(radius=0, taps=1)
    genome = Genome(
        sheets=(SheetGene(motifs=motifs), SheetGene(channels=6, motifs=(point,))),
        saccade=SaccadeGene(cell=4, downsampling=2, form=form, tie=tie, budgets=(2, 1, 0, 0)),
    )
    twins = [random_twin(genome, reach=4, draw=3, **SHAPE), cnn_twin(genome, **SHAPE)]
    for twin in twins:
        assert twin.saccade == genome.saccade
        assert shapes(expand(twin, **SHAPE)) == shapes(expand(genome, **SHAPE))
    small, large, last = taps(twins[0])[:3]
    assert (len(small), len(large), len(last)) == (9, 25, 1)
    assert set(small) <= set(large) or not tie
    assert taps(twins[1])[:3] == taps(genome)[:3]
