"""The choice of a lowering: convolutions where a small grid holds the taps, gathers where none does."""

from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.plan import expand
from evonet.plan.lowering import ConvPart, GatherPart, choose


def lowering(motif):
    return choose(expand(Genome(sheets=(SheetGene(motifs=(motif,)),)), input=(1, 28, 28), classes=10).stages[0])


def test_a_window_is_one_dense_convolution():
    (part,) = lowering(MotifGene())
    assert isinstance(part, ConvPart)
    assert part.dense
    assert (part.kernel, part.dilation) == ((3, 3), (1, 1))


def test_a_lattice_ring_is_one_dilated_convolution():
    (part,) = lowering(MotifGene(radius=0, long_share=14, pattern="lattice", basis=(4, 0, 0, 4)))
    assert isinstance(part, ConvPart)
    assert (part.kernel, part.dilation) == ((3, 3), (4, 4))


def test_local_and_long_taps_are_lowered_apart():
    near, far = lowering(MotifGene(radius=1, taps=18, long_share=8, pattern="lattice", basis=(5, 0, 0, 5), reach=5))
    assert isinstance(near, ConvPart)
    assert near.dense
    assert isinstance(far, ConvPart)
    assert far.dilation == (5, 5)
    assert not far.dense


def test_far_scatter_is_gathered():
    parts = lowering(MotifGene(radius=0, taps=6, long_share=16, pattern="scatter", reach=13, seed=3))
    assert any(isinstance(p, GatherPart) for p in parts)
    assert sorted(i for p in parts for i in p.index) == list(range(6))
