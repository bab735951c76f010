import pytest
from hypothesis import given, settings
from strategies import any_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.ids import anonymous, ids_of, stamp, with_ids

TWO = Genome(sheets=(SheetGene(motifs=(MotifGene(), MotifGene(source=0))), SheetGene()))


def test_order_is_sheet_motifs_and_the_readout_last():
    stamped = stamp(TWO, 7)
    assert ids_of(stamped) == tuple((7, i) for i in range(6))
    assert stamped.sheets[0].id == (7, 0)
    assert stamped.sheets[0].motifs[1].id == (7, 2)
    assert stamped.sheets[1].id == (7, 3)
    assert stamped.readout.id == (7, 5)


def test_stamp_names_new_genes_only():
    old = stamp(TWO, 7)
    mixed = Genome(sheets=(old.sheets[0], SheetGene()), readout=old.readout)
    assert ids_of(stamp(mixed, 8)) == ((7, 0), (7, 1), (7, 2), (8, 0), (8, 1), (7, 5))


@given(any_genomes())
@settings(deadline=None, max_examples=60)
def test_ids_come_back(genome):
    stamped = stamp(genome, 4)
    assert with_ids(anonymous(stamped), ids_of(stamped)) == stamped
    assert anonymous(stamped) == genome
    assert stamp(stamped, 5) == stamped


def test_messages():
    with pytest.raises(GenomeError, match=r"6 of 6 genes have no id: stamp the genome"):
        ids_of(TWO)
    with pytest.raises(GenomeError, match=r"2 gene ids for a genome of 6 genes"):
        with_ids(TWO, [(0, 0), (0, 1)])
