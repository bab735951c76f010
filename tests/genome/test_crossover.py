from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes

from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.check import check
from evonet.genome.crossover import cross
from evonet.genome.ids import genes_of, ids_of, stamp
from evonet.genome.limits import Limits
from evonet.genome.variation import vary
from evonet.seeds import Stream


def bare(gene):
    """The gene's own fields: a sheet without its motifs."""
    return replace(gene, motifs=()) if isinstance(gene, SheetGene) else gene


def with_structure(other, own):
    """The other parent's motif, on the place and with the source of this one's."""
    return replace(other, source=own.source) if isinstance(other, MotifGene) else other


@given(genomes(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_relatives_give_valid_children_made_of_their_genes(genome, seed):
    a = b = stamp(genome, 0)
    for i in range(4):
        a = stamp(vary(a, Stream(seed, "a", i), Limits())[0], 10 + i)
        b = stamp(vary(b, Stream(seed, "b", i), Limits())[0], 20 + i)
    child = cross(a, b, Stream(seed))
    check(child)
    assert ids_of(child) == ids_of(a)
    assert cross(a, b, Stream(seed)) == child
    other = {gene.id: bare(gene) for gene in genes_of(b)}
    for own, mixed in zip(genes_of(a), genes_of(child), strict=True):
        options = [bare(own), with_structure(other.get(own.id), own)]
        if isinstance(mixed, SheetGene) and mixed.repeats == 1:
            options += [replace(o, repeats=1) for o in options if isinstance(o, SheetGene)]
        assert bare(mixed) in options


def test_strangers_give_the_first():
    a, b = stamp(Genome(sheets=(SheetGene(),)), 0), stamp(Genome(sheets=(SheetGene(channels=12),)), 1)
    assert cross(a, b, Stream(0)) is a
    assert cross(Genome(sheets=a.sheets), Genome(sheets=b.sheets), Stream(0)).sheets == a.sheets


def test_fields_of_sheets_and_motifs_are_taken_apart():
    a = stamp(Genome(sheets=(SheetGene(),)), 0)
    sheet = replace(a.sheets[0], channels=12, motifs=(replace(a.sheets[0].motifs[0], taps=5),))
    b = replace(a, sheets=(sheet,), readout=replace(a.readout, grid=2))
    mixes = {cross(a, b, Stream(i)) for i in range(100)}
    seen = {(c.sheets[0].channels, c.sheets[0].motifs[0].taps, c.readout.grid) for c in mixes}
    assert seen == {(c, t, g) for c in (8, 12) for t in (9, 5) for g in (1, 2)}


def test_structure_is_of_the_first_even_where_the_other_repeats():
    a = stamp(Genome(sheets=(SheetGene(),), readout=ReadoutGene()), 0)
    own = MotifGene(source=0, id=(5, 0))
    b = replace(a, sheets=(replace(a.sheets[0], channels=12, repeats=3, motifs=(*a.sheets[0].motifs, own)),))
    children = [cross(a, b, Stream(i)) for i in range(20)]
    assert {(c.sheets[0].channels, c.sheets[0].repeats, len(c.sheets[0].motifs)) for c in children} == {
        (8, 1, 1),
        (12, 1, 1),
    }


def test_what_motifs_read_and_whose_weights_they_have_is_of_the_first():
    pair = (MotifGene(mixing="depthwise"), MotifGene(mixing="depthwise", weights_from=1))
    a = stamp(Genome(sheets=(SheetGene(), SheetGene(motifs=pair))), 0)
    moved = tuple(replace(m, source=2, taps=5, weights_from=0) for m in a.sheets[1].motifs)
    b = replace(a, sheets=(a.sheets[0], replace(a.sheets[1], motifs=moved)))
    for child in (cross(a, b, Stream(i)) for i in range(20)):
        assert [(m.source, m.weights_from) for m in child.sheets[1].motifs] == [(1, 0), (1, 1)]
        assert child.sheets[1].motifs[1].taps == 9
