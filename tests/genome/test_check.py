import pytest
from hypothesis import given, settings
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import check, long_taps, valid


def one(sheet: dict | None = None, readout: dict | None = None, **motif: object) -> Genome:
    gene = SheetGene(**{"motifs": (MotifGene(**motif),), **(sheet or {})})
    return Genome(sheets=(gene,), readout=ReadoutGene(**(readout or {})))


@given(genomes())
@settings(deadline=None, max_examples=60)
def test_drawn_genomes_pass(genome):
    check(genome)


@pytest.mark.parametrize(
    "genome, message",
    [
        (
            one(taps=0),
            r"^sheets\[0\]\.motifs\[0\]\.taps = 0, expected 1\.\.128\. A motif without taps connects nothing",
        ),
        (one(taps=129), r"taps = 129, expected 1\.\.128\.$"),
        (one(taps=True), r"taps = True, expected 1\.\.128"),
        (one(taps=9.0), r"taps = 9\.0, expected"),
        (one({"channels": 7}), r"^sheets\[0\]\.channels = 7, expected one of 1, 2, 3, .* 48, 64\.$"),
        (one({"residual": 1}), r"residual = 1, expected one of false, true"),
        (one({"activation": "swish"}), r"activation = 'swish', expected one of none, relu"),
        (one(basis=(16, 0, 0, 1)), r"basis = \(16, 0, 0, 1\), expected 4 integers within -15\.\.15"),
        (one(basis=(1, 0, 1)), r"basis = \(1, 0, 1\), expected 4 integers"),
        (one(edits=((1, 1), (0, 0))), r"edits = .* sorted by \(dy, dx\): sort them"),
        (one(edits=((0, 0), (0, 0))), r"expected distinct offsets"),
        (one(edits=((0, 32),)), r"edits holds \(0, 32\), expected \(dy, dx\), each within -31\.\.31"),
        (one(edits=tuple((0, i) for i in range(9))), r"expected at most 8 offsets"),
        (one(readout={"grid": 9}), r"^readout\.grid = 9, expected 1\.\.8"),
        (Genome(sheets=()), r"^sheets has 0 entries, expected 1\.\.15"),
        (one({"motifs": ()}), r"^sheets\[0\]\.motifs has 0 entries, expected 1\.\.4"),
        (one({"motifs": (MotifGene(),) * 5}), r"motifs has 5 entries"),
    ],
)
def test_out_of_range(genome, message):
    with pytest.raises(GenomeError, match=message):
        check(genome)


@pytest.mark.parametrize(
    "genome, message",
    [
        (
            one({"reduction": "all"}),
            r"^sheets\[0\]\.reduction = 'all' is not computed yet by this version: use one of none, .*, mean\.$",
        ),
        (one({"join": "concat"}), r"join = 'concat' is not computed yet"),
        (one(source=2), r"motifs\[0\]\.source = 2 is not computed yet by this version: use one of 0, 1"),
        (one(mixing="grouped"), r"mixing = 'grouped' is not computed yet .* identity\.$"),
        (one(sharing="tile"), r"sharing = 'tile' is not computed yet"),
        (one(symmetry="even"), r"symmetry = 'even' is not computed yet"),
        (one(weights_from=1), r"weights_from = 1 is not computed yet"),
        (one(boundary="wrap"), r"boundary = 'wrap' is not computed yet"),
        (one(edits=((0, 0),)), r"edits is not computed yet by this version: leave it empty"),
        (one(readout={"kind": "hadamard"}), r"readout\.kind = 'hadamard' is not computed yet"),
        (Genome(sheets=(SheetGene(),), saccade=SaccadeGene()), r"^saccade is not computed yet"),
    ],
)
def test_not_computed_yet(genome, message):
    with pytest.raises(GenomeError, match=message):
        check(genome)


@pytest.mark.parametrize(
    "genome, message",
    [
        (one(source=0), r"motifs have sources \[0\]; .* use one motif with source 1"),
        (one({"motifs": (MotifGene(), MotifGene())}), r"have sources \[1, 1\]"),
        (one({"motifs": (MotifGene(), MotifGene(source=0), MotifGene(source=0))}), r"have sources \[1, 0, 0\]"),
        (one({"repeats": 2}), r"repeats = 2, but no motif has source 0: .* set repeats = 1"),
        (one(pattern="lattice", basis=(2, 4, 1, 2)), r"basis = \(2, 4, 1, 2\) spans a line or a point"),
        (one(taps=4, long_share=16, radius=3, reach=3), r"motifs\[0\] has no tap at all.*long_share = 16"),
        (one(taps=4, long_share=16, pattern="lattice", basis=(7, 0, 0, 7)), r"has no tap at all"),
        (one(readout={"kind": "direct", "grid": 2}), r"'direct' with grid = 2"),
        (one(readout={"kind": "direct", "pooling": "both"}), r"'direct' with .*pooling = 'both'"),
    ],
)
def test_fields_that_do_not_go_together(genome, message):
    with pytest.raises(GenomeError, match=message):
        check(genome)


@pytest.mark.parametrize(
    "motif",
    [
        {"taps": 4, "long_share": 16, "pattern": "lattice", "basis": (7, 0, 0, 7), "reach": 7},
        {"taps": 4, "long_share": 16, "pattern": "lattice", "basis": (15, 14, 14, 13), "reach": 2},  # determinant -1
        {"taps": 4, "long_share": 16, "pattern": "scatter", "radius": 1, "reach": 2},
        {"basis": (0, 0, 0, 0)},  # nothing reads it
    ],
)
def test_borderline_motifs_pass(motif):
    assert valid(one(**motif))


def test_long_taps_round_half_up():
    assert [long_taps(MotifGene(taps=t, long_share=s)) for t, s in ((9, 14), (9, 0), (8, 1), (7, 1), (5, 16))] == [
        8,
        0,
        1,
        0,
        5,
    ]
