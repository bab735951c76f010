import pytest
from hypothesis import given, settings
from msgspec.structs import replace
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


SECOND = SheetGene(channels=12, motifs=(MotifGene(mixing="grouped", groups=8),))


def lent(lender: dict, borrower: dict, sheet: dict | None = None) -> Genome:
    """Two sheets; the second one's motif has the weights of the first one's."""
    first = SheetGene(motifs=(MotifGene(**lender),))
    second = SheetGene(**{"motifs": (MotifGene(weights_from=1, **borrower),), **(sheet or {})})
    return Genome(sheets=(first, second))


@pytest.mark.parametrize(
    "genome, message",
    [
        (
            Genome(sheets=(SheetGene(),), saccade=SaccadeGene(depth=2)),
            r"^saccade\.depth = 2, expected 1\.\.1, the number of sheets\.$",
        ),
        (one(source=0), r"^sheets\[0\]\.motifs have sources \[0\]: expected one at least that reads another sheet"),
        (one(source=2), r"^sheets\[0\]\.motifs\[0\]\.source = 2 lies before the input: expected 0\.\.1, where 1 is"),
        (
            one({"motifs": (MotifGene(), MotifGene(source=15))}),
            r"^sheets\[0\]\.motifs\[1\]\.source = 15 lies before the input",
        ),
        (one({"repeats": 2}), r"repeats = 2, but no motif has source 0: .* set repeats = 1"),
        (
            one({"channels": 2, "join": "concat", "motifs": (MotifGene(),) * 3}),
            r"^sheets\[0\]\.channels = 2, expected at least 3: each of the motifs joined side by side fills one",
        ),
        (
            one({"motifs": (MotifGene(), MotifGene(source=0, boundary="valid"))}),
            r"^sheets\[0\]\.motifs\[1\]\.boundary = 'valid' with source 0 would shrink its own sheet",
        ),
        (one(pattern="lattice", basis=(2, 4, 1, 2)), r"basis = \(2, 4, 1, 2\) spans a line or a point"),
        (one(taps=4, long_share=16, radius=3, reach=3), r"motifs\[0\] has no tap at all.*long_share = 16"),
        (one(taps=4, long_share=16, pattern="lattice", basis=(7, 0, 0, 7)), r"has no tap at all"),
        (
            one(taps=1, edits=((0, 0),)),
            r"^sheets\[0\]\.motifs\[0\]\.edits = \(\(0, 0\),\) removes its only tap: remove the edit, or use more",
        ),
        (one(radius=0, edits=((0, 0),)), r"edits = \(\(0, 0\),\) removes its only tap"),
        (one(taps=1, symmetry="odd"), r"^sheets\[0\]\.motifs\[0\]\.symmetry = 'odd' with the centre as its only tap"),
        (one(radius=0, symmetry="odd"), r"symmetry = 'odd' with the centre as its only tap"),
        (
            one({"channels": 6}, mixing="grouped", groups=4),
            r"^sheets\[0\]\.motifs\[0\]\.groups = 4 with the image's source and 6 target channels: expected a divisor",
        ),
        (
            Genome(sheets=(SheetGene(channels=10), SECOND)),
            r"^sheets\[1\]\.motifs\[0\]\.groups = 8 with 10 source and 12 target channels",
        ),
        (
            Genome(sheets=(SheetGene(), SheetGene(join="concat", motifs=SECOND.motifs * 2))),
            r"groups = 8 with 8 source and 4 target channels",
        ),
        (
            one(weights_from=1),
            r"^sheets\[0\]\.motifs\[0\]\.weights_from = 1, but 0 motifs come before it: expected 0\.\.0\.$",
        ),
        (
            lent({"mixing": "depthwise"}, {}),
            r"^sheets\[1\]\.motifs\[0\]\.weights_from = 1 is .*\.motifs\[0\] with mixing 'depthwise', expected 'full'",
        ),
        (
            lent({"mixing": "identity"}, {"mixing": "identity"}),
            r"expected 'identity' as here, and one that has weights",
        ),
        (
            lent({}, {}, {"channels": 12}),
            r"with weights for the image's to 8 channels, expected 8 to 12 as here: give both the same",
        ),
        (lent({"symmetry": "orbit4"}, {}), r"with weights for the image's to 2 channels, expected 8 to 8 as here"),
        (one(readout={"kind": "direct", "grid": 2}), r"'direct' with grid = 2"),
        (one(readout={"kind": "direct", "pooling": "both"}), r"'direct' with .*pooling = 'both'"),
    ],
)
def test_fields_that_do_not_go_together(genome, message):
    with pytest.raises(GenomeError, match=message):
        check(genome)


def test_a_self_motif_lends_and_borrows_after_the_others_of_its_sheet():
    own, plain = MotifGene(source=0, mixing="depthwise"), MotifGene(mixing="depthwise")
    assert valid(one({"motifs": (replace(own, weights_from=1), plain)}))
    with pytest.raises(GenomeError, match=r"motifs\[1\]\.weights_from = 1, but 0 motifs come before it"):
        check(one({"motifs": (own, replace(plain, weights_from=1))}))


@pytest.mark.parametrize(
    "motif",
    [
        {"taps": 4, "long_share": 16, "pattern": "lattice", "basis": (7, 0, 0, 7), "reach": 7},
        {"taps": 4, "long_share": 16, "pattern": "lattice", "basis": (15, 14, 14, 13), "reach": 2},  # determinant -1
        {"taps": 4, "long_share": 16, "pattern": "scatter", "radius": 1, "reach": 2},
        {"basis": (0, 0, 0, 0)},  # nothing reads it
        {"taps": 4, "long_share": 16, "radius": 3, "reach": 3, "edits": ((9, 9),)},  # the edit is a tap
        {"taps": 1, "edits": ((0, 0), (0, 1))},
        {"taps": 1, "symmetry": "odd", "edits": ((0, 1),)},
        {"taps": 1, "symmetry": "odd", "mixing": "identity"},  # has no weights to be odd
        {"mixing": "grouped", "groups": 4},
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
