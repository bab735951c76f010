"""Genes come and go; what stays goes on reading what it read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.ids import stamp
from evonet.genome.limits import Limits
from evonet.genome.variation import OPERATORS
from evonet.genome.wiring import INPUT, loosened, placed, tightened, unread_sheets
from evonet.seeds import Stream

LIMITS = Limits(sheets=(1, 15), motifs_max=4, skip_max=15)


def reads(genome):
    """motif id -> id of the sheet that it reads; None: the images."""
    return {p.motif.id: None if p.source == INPUT else genome.sheets[p.source].id for p in placed(genome)}


def lends(genome):
    """motif id -> id of the motif whose weights it has; its own: itself."""
    order = placed(genome)
    return {p.motif.id: order[i - p.motif.weights_from].motif.id for i, p in enumerate(order)}


def firsts(genome):
    """sheet id -> what its first motif reads."""
    first = {}
    for p in placed(genome):
        first.setdefault(genome.sheets[p.sheet].id, None if p.source == INPUT else genome.sheets[p.source].id)
    return first


def apply(name, genome, seed):
    """The stamped genome and its child, whose new genes have ids of individual 1."""
    before = stamp(genome, 0)
    child = OPERATORS[name].apply(before, Stream(seed), LIMITS)
    return before, None if child is None else stamp(child, 1)


@given(genomes(sheets_max=4))
@settings(deadline=None, max_examples=50)
def test_loosened_and_tightened_is_the_same_genome(genome):
    assert tightened(genome, loosened(genome)) == genome


@pytest.mark.parametrize("name", ["insert_sheet", "duplicate_sheet"])
@given(genomes(sheets_max=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_a_new_sheet_comes_between_one_sheet_and_all_that_read_it(name, genome, seed):
    before, child = apply(name, genome, seed)
    assert child is not None
    (new,) = [k for k, sheet in enumerate(child.sheets) if sheet.id[0] == 1]
    old, own = child.sheets[new - 1].id, child.sheets[new].id
    now = reads(child)
    own_motifs = {p.motif.id for p in placed(child) if p.sheet == new - 1}
    for motif, source in reads(before).items():
        assert now[motif] == (own if source == old and motif not in own_motifs else source)
    assert firsts(child)[own] == old
    after = lends(child)
    assert all(after[motif] == lender for motif, lender in lends(before).items())


@given(genomes(sheets_max=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_readers_of_a_deleted_sheet_read_what_it_read_first(genome, seed):
    before, child = apply("delete_sheet", genome, seed)
    if child is None:
        assert len(genome.sheets) == 1
        return
    (gone,) = {s.id for s in before.sheets} - {s.id for s in child.sheets}
    was, lent, after = reads(before), lends(before), lends(child)
    for motif, source in reads(child).items():
        assert source == (firsts(before)[gone] if was[motif] == gone else was[motif])
    for motif, lender in after.items():
        expected = lent[motif]
        while expected not in after and lent[expected] != expected:
            expected = lent[expected]
        assert lender == (expected if expected in after else motif)


def test_a_borrower_whose_lender_goes_turns_to_the_lenders_lender():
    borrower = SheetGene(motifs=(MotifGene(weights_from=1),))
    genome = Genome(sheets=(SheetGene(), SheetGene(), borrower, borrower))
    children = {OPERATORS["delete_sheet"].apply(genome, Stream(i), LIMITS) for i in range(30)}
    loans = {tuple(p.motif.weights_from for p in placed(child)) for child in children}
    assert loans == {(0, 1, 1), (0, 0, 1)}  # the first sheet goes; any other, so that one borrower is left


@pytest.mark.parametrize("name", ["add_motif", "remove_motif", "add_self_motif", "remove_self_motif"])
@given(genomes(sheets_max=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_other_motifs_go_on_as_they_were(name, genome, seed):
    before, child = apply(name, genome, seed)
    if child is None:
        return
    was, lent, after = reads(before), lends(before), lends(child)
    for motif, source in reads(child).items():
        if motif[0] == 0:
            assert source == was[motif]
            assert after[motif] == lent[motif] or lent[motif] not in after


def test_order_channels_and_parts():
    pair = (MotifGene(source=0), MotifGene(source=2), MotifGene())
    genome = Genome(sheets=(SheetGene(channels=6), SheetGene(channels=5, join="concat", motifs=pair)))
    assert [(p.sheet, p.place, p.source, p.inputs, p.outputs) for p in placed(genome)] == [
        (0, 0, INPUT, None, 6),
        (1, 1, INPUT, None, 2),
        (1, 2, 0, 6, 3),
        (1, 0, 1, 5, 5),
    ]


def test_sheets_that_nothing_reads():
    skip = SheetGene(motifs=(MotifGene(source=2), MotifGene(source=0)))
    assert unread_sheets(Genome(sheets=(SheetGene(), SheetGene(), skip))) == {1}
    assert unread_sheets(Genome(sheets=(SheetGene(), skip, SheetGene(motifs=(MotifGene(source=2),))))) == {1}
    assert unread_sheets(Genome(sheets=(SheetGene(), SheetGene()))) == set()
