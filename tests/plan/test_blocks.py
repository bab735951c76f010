"""Which tensors are pictures."""

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan import expand
from evonet.plan.blocks import blocks


def found(*motifs: MotifGene, grid: int = 1) -> dict[str, tuple[int, int] | None]:
    genome = Genome(sheets=(SheetGene(motifs=motifs),), readout=ReadoutGene(grid=grid))
    plan = expand(genome, input=(1, 16, 16), classes=8)
    return dict(zip((t.name for t in plan.tensors), blocks(plan), strict=True))


def test_full_windows_of_five_and_more_are_blocks():
    assert found(MotifGene(radius=2, taps=25))["sheet0.motif0.taps"] == (5, 5)
    assert found(MotifGene(radius=3, taps=49, mixing="separable"))["sheet0.motif0.taps"] == (7, 7)


def test_small_windows_and_windows_with_holes_are_none():
    assert set(found(MotifGene()).values()) == {None}
    assert found(MotifGene(radius=2, taps=24))["sheet0.motif0.taps"] is None
    assert found(MotifGene(radius=2, taps=25, edits=((0, 1),)))["sheet0.motif0.taps"] is None
    dilated = MotifGene(radius=0, taps=25, long_share=15, reach=4, pattern="lattice")
    assert found(dilated)["sheet0.motif0.taps"] is None


def test_a_readout_of_cells_is_a_block_for_every_channel():
    assert found(MotifGene(), grid=4)["readout.weight"] == (4, 4)
    assert found(MotifGene(), grid=2)["readout.weight"] is None
