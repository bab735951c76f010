"""Genes by name: edits lead from parent to child, and back."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes, saccade_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.edits import SACCADE, Edit, apply, between, genome_of, named, revert
from evonet.genome.ids import stamp
from evonet.genome.limits import Limits
from evonet.genome.variation import OPERATORS, vary
from evonet.seeds import Stream

LIMITS = Limits(sheets=(1, 5), motifs_max=4, saccades=("set", "conv"))
TWO = stamp(Genome(sheets=(SheetGene(channels=4, activation="tanh"), SheetGene(channels=6, activation="tanh"))), 0)
STRUCTURE = ("insert_sheet", "delete_sheet", "duplicate_sheet", "add_motif", "remove_motif", "add_self_motif", "tie")


@settings(max_examples=40)
@given(genomes(sheets_max=4) | saccade_genomes())
def test_a_genome_is_its_genes_by_name(genome):
    genome = stamp(genome, 3)
    assert genome_of(named(genome)) == genome


def test_a_genome_without_ids_has_no_names():
    with pytest.raises(GenomeError, match="have no id: stamp the genome"):
        named(Genome(sheets=(SheetGene(),)))


@settings(max_examples=40)
@given(genomes(sheets_max=4) | saccade_genomes(), st.integers(0, 999), st.booleans())
def test_edits_lead_to_the_child_and_back(genome, n, structural):
    parent = stamp(genome, 0)
    rates = {name: float(name in STRUCTURE) for name in OPERATORS} if structural else {}
    child = stamp(vary(parent, Stream("edits", n), LIMITS, rates)[0], 1)
    a, b = named(parent), named(child)
    edits, kinds = between(a, b), a.kinds | b.kinds
    assert genome_of(apply(a, edits, kinds)) == child
    assert genome_of(revert(b, edits, kinds)) == parent


def with_sheets(*names):
    """Sheets one after the other, each with the ids (name, 0) and (name, 1)."""
    plain = SheetGene(channels=4, motifs=(MotifGene(),))
    sheets = tuple(replace(plain, id=(n, 0), motifs=(replace(plain.motifs[0], id=(n, 1)),)) for n in names)
    return stamp(Genome(sheets=sheets), 0)


def test_a_sheet_that_goes_leaves_what_came_after_it_where_it_was():
    """Sheet 2 came between 1 and 9, then 3 between 2 and 9: without 2, 3 reads 1, and 9 still reads 3."""
    before, once, twice = with_sheets(1, 9), with_sheets(1, 2, 9), with_sheets(1, 2, 3, 9)
    first = between(named(before), named(once))
    assert {edit.action for edit in first} == {"added", "changed"}
    assert genome_of(revert(named(twice), first, named(twice).kinds)) == with_sheets(1, 3, 9)
    last = between(named(once), named(twice))
    assert genome_of(revert(named(twice), last, named(twice).kinds)) == once


def test_a_field_goes_back_even_where_it_has_changed_again():
    genes = named(TWO)
    gene = genes.order[0]
    genes.fields[gene]["channels"] = 12
    edit = Edit(gene=gene, action="changed", before={"channels": 3}, after={"channels": 8})
    assert genome_of(revert(genes, [edit], genes.kinds)).sheets[0].channels == 3


def test_what_is_left_without_meaning_is_refused():
    genes = named(TWO)
    motif = genes.order[1]
    edit = Edit(gene=motif, action="added", before={}, after=genes.fields[motif])
    with pytest.raises(GenomeError, match="a sheet without motifs"):
        genome_of(revert(genes, [edit], genes.kinds))
    broken = genes.copy()
    broken.fields[motif]["source"] = (9, 9)
    with pytest.raises(GenomeError, match="reads, a sheet that is not there"):
        genome_of(broken)
    behind = genes.copy()
    behind.fields[motif]["source"] = behind.order[2]
    with pytest.raises(GenomeError, match="a sheet behind its own"):
        genome_of(behind)


def test_a_copy_is_a_copy():
    genes = named(TWO)
    apply(genes, [Edit(gene=genes.order[0], action="changed", before={}, after={"channels": 12})], genes.kinds)
    assert genome_of(genes) == TWO


def test_an_edit_names_only_the_fields_that_differ():
    lone = stamp(Genome(sheets=(SheetGene(motifs=(MotifGene(), MotifGene(source=0)), repeats=2),)), 0)
    other = replace(lone, sheets=(replace(lone.sheets[0], repeats=3),))
    assert [e.after for e in between(named(lone), named(other))] == [{"repeats": 3}]


def looking(genome, depth, **fields):
    return replace(genome, saccade=SaccadeGene(depth=depth, form="conv", **fields))


def test_an_eye_ends_with_a_sheet_by_name():
    """A sheet that comes into the eye, and goes, leaves its last sheet where it was."""
    before, after = looking(with_sheets(1, 2), 2), looking(with_sheets(1, 9, 2), 3)
    edits = between(named(before), named(after))
    assert SACCADE not in {edit.gene for edit in edits}
    assert genome_of(revert(named(after), edits, named(after).kinds)) == before
    without = revert(named(after), [Edit(gene=(2, 0), action="added", before={}, after={})], named(after).kinds)
    assert genome_of(without).saccade.depth == 2


def test_the_saccade_gene_comes_goes_and_changes():
    plain = with_sheets(1, 2)
    versions = [plain, looking(plain, 1), looking(plain, 1, cell=4), plain]
    actions = []
    for a, b in pairwise(versions):
        (edit,) = between(named(a), named(b))
        actions.append((edit.gene, edit.action))
        kinds = named(a).kinds | named(b).kinds
        assert genome_of(apply(named(a), [edit], kinds)) == b
        assert genome_of(revert(named(b), [edit], kinds)) == a
    assert actions == [(SACCADE, action) for action in ("added", "changed", "removed")]
