"""Genes as text."""

import pytest

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.ids import stamp
from evonet.genome.taps import select_taps
from evonet.report.drawing import describe_motif, diff, draw_genome, draw_motif, draw_taps


def genome(**sheet: object) -> Genome:
    return stamp(Genome(sheets=(SheetGene(**sheet),)), 3)  # type: ignore[arg-type]


def test_a_window_is_a_square_with_its_centre():
    assert draw_motif(MotifGene()) == ["# # #", "# O #", "# # #"]


def test_long_taps_and_a_missing_centre_have_their_own_marks():
    dilated = MotifGene(taps=9, radius=0, long_share=14, pattern="lattice")
    assert draw_motif(dilated) == ["* . * . *", ". . . . .", "* . O . *", ". . . . .", "* . * . *"]
    only_long = MotifGene(taps=8, radius=0, long_share=16, pattern="lattice")
    assert draw_motif(only_long)[2] == "* . + . *"


def test_every_tap_is_drawn_once():
    motif = MotifGene(taps=30, radius=2, long_share=6, pattern="scatter", reach=9, seed=5)
    marks = "".join(draw_motif(motif))
    assert sum(marks.count(m) for m in "O#*") == len(select_taps(motif)) == 30


def test_a_genome_reads_from_the_input_to_the_classes():
    lines = draw_genome(
        genome(
            channels=12,
            reduction="max",
            residual=True,
            repeats=3,
            motifs=(MotifGene(), MotifGene(source=0, mixing="depthwise")),
        )
    )
    assert lines[0] == (
        "sheet 0 [3:0]: 12 channels, relu, halved by max, residual, applied 3 times with the same weights"
    )
    assert "  motif [3:1] from the input: full, 9 taps" in lines
    assert "  motif [3:2] from the sheet itself: depthwise, 9 taps" in lines
    assert lines[-1] == "readout [3:3]: mean over 1x1 cells, linear"


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"mixing": "grouped", "groups": 4}, "in 4 groups, 9 taps"),
        ({"mixing": "identity", "taps": 1}, "identity (the mean of its taps), 1 tap"),
        ({"sharing": "tile", "tile": 3}, "full, 9 taps, own weights in each of 3x3 tiles"),
        ({"sharing": "position"}, "full, 9 taps, own weights at each position"),
        ({"symmetry": "odd"}, "full, 8 taps, odd (opposite taps share a weight with opposite signs)"),
        ({"weights_from": 2}, "full, 9 taps, weights of the motif 2 places back"),
        ({"boundary": "wrap"}, "full, 9 taps, wrapped around"),
        ({"edits": ((-1, -1), (0, 4))}, "full, 9 taps, 1 of them long (box, reach 6), edited at (-1,-1) (0,4)"),
    ],
)
def test_rare_fields_are_said_in_words(fields, words):
    assert describe_motif(MotifGene(**fields)) == words


def test_offsets_of_a_sequence_are_one_line():
    assert draw_taps([(0, -1), (0, 0), (0, 3)], 1) == [". . # O . . *"]


def test_diff_is_empty_for_the_same_genes_and_names_each_change():
    a = genome(channels=8)
    assert diff(a, a) == []
    b = stamp(Genome(sheets=(a.sheets[0], SheetGene(channels=4)), readout=a.readout), 7)
    assert diff(a, b) == ["+ sheet 1 (gene 7:0): 4 channels, relu", "+ sheet 1 motif 0 (gene 7:1): full, 9 taps"]
    assert [line[0] for line in diff(b, a)] == ["-", "-"]


def test_diff_names_fields_and_taps_of_homologous_genes():
    a = Genome(sheets=(SheetGene(channels=8, motifs=(MotifGene(),)),))
    b = Genome(sheets=(SheetGene(channels=10, motifs=(MotifGene(taps=8),)),), readout=ReadoutGene(grid=2))
    changes = diff(a, b)
    assert "  sheet 0: channels 8 -> 10" in changes
    assert "  sheet 0 motif 0: taps 9 -> 8" in changes
    assert any(line.startswith("  sheet 0 motif 0: taps lost (") for line in changes)
    assert "  readout: grid 1 -> 2" in changes


def test_an_odd_kernel_has_no_centre():
    assert draw_motif(MotifGene(symmetry="odd")) == ["# # #", "# + #", "# # #"]
    assert describe_motif(MotifGene(symmetry="odd")).startswith("full, 8 taps, odd")
    assert draw_motif(MotifGene(symmetry="odd", mixing="identity"))[1] == "# O #"


def test_one_id_on_genes_of_two_kinds_is_two_genes():
    """Nothing that evonet writes has that; a run from elsewhere may."""
    a = Genome(sheets=(SheetGene(id=(0, 0), motifs=(MotifGene(id=(0, 1)),)),))
    b = Genome(sheets=(SheetGene(id=(0, 1), motifs=(MotifGene(id=(0, 0)),)),))
    assert [line[0] for line in diff(a, b)] == ["-", "-", "+", "+"]
