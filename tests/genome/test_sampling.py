import msgspec
import pytest

from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.check import check
from evonet.genome.code import digest
from evonet.genome.limits import breaches
from evonet.genome.sampling import Limits, sample
from evonet.genome.table import MOTIF_FIELDS, SHEET_FIELDS
from evonet.seeds import Stream

LIMITS = {
    "default": Limits(),
    "local": Limits(long=False),
    "one": Limits(sheets=(1, 1), channels=(5, 5), taps_max=1, radius_max=0, reach_max=1, repeats_max=1),
    "wide": Limits(sheets=(5, 15), channels=(32, 64), taps_max=128, radius_max=7, reach_max=31, repeats_max=8),
    "words": Limits(mixings=("depthwise",), patterns=("scatter",), activations=("none",), norms=("instance",)),
    "more words": Limits(
        sharings=("position",), boundaries=("valid",), joins=("concat",), readouts=("direct",), channels=(1, 3)
    ),
    "all words": Limits(
        sharings=("sheet", "tile", "position"), boundaries=("zero", "wrap", "valid"), reductions=("none", "all")
    ),
    "chain": Limits(motifs_max=1, skip_max=1, lend=False, symmetries=("none",), edits_max=0),
}


def founders(limits: Limits, n: int = 300) -> list[Genome]:
    return [sample(Stream("founders", i), limits) for i in range(n)]


def of(**motif: object) -> Genome:
    return Genome(sheets=(SheetGene(motifs=(MotifGene(**motif),)),))


def has_long(genome: Genome) -> bool:
    return any(motif.long_share for sheet in genome.sheets for motif in sheet.motifs)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_founders_are_valid_and_within_limits(limits):
    for genome in founders(limits):
        check(genome)
        assert breaches(genome, limits) == 0


def test_a_founder_is_named_by_its_stream():
    assert founders(Limits(), 20) == founders(Limits(), 20)
    assert len({digest(g) for g in founders(Limits())}) > 290


def test_about_a_quarter_has_long_taps_unless_forbidden():
    assert 0.17 < sum(map(has_long, founders(Limits()))) / 300 < 0.33
    assert not any(map(has_long, founders(Limits(long=False))))


def test_every_option_occurs():
    genomes = founders(Limits(), 1000)
    sheets = [s for g in genomes for s in g.sheets]
    motifs = [m for s in sheets for m in s.motifs]
    for name in ("activation", "norm", "reduction", "join"):
        assert {getattr(s, name) for s in sheets} >= set(Limits().allowed(SHEET_FIELDS[name])) - {"none"}
    for name in ("mixing", "pattern", "sharing", "symmetry", "boundary"):
        assert {getattr(m, name) for m in motifs} == set(Limits().allowed(MOTIF_FIELDS[name]))
    assert {m.radius for m in motifs} == {0, 1, 2}
    assert {m.source for m in motifs} == {0, 1, 2, 3}
    assert {g.readout.kind for g in genomes} == {"linear", "hadamard"}


def test_most_founders_are_chains_of_plain_motifs():
    """Small networks that work: what is rare in the prior stays rare."""
    genomes = founders(Limits(), 1000)
    plain = {"boundary": "zero", "sharing": "sheet", "symmetry": "none", "weights_from": 0, "edits": ()}
    odd = sum(
        any(getattr(m, name) != value for name, value in plain.items()) or m.source > 1 or m.mixing == "grouped"
        for g in genomes
        for s in g.sheets
        for m in s.motifs
    )
    assert odd / sum(len(s.motifs) for g in genomes for s in g.sheets) < 0.3
    assert (
        0.02
        < sum(len(s.motifs) > 1 + any(m.source == 0 for m in s.motifs) for g in genomes for s in g.sheets)
        / sum(len(g.sheets) for g in genomes)
        < 0.15
    )


def test_breaches_count_fields_out_of_limits():
    genome = Genome(sheets=(SheetGene(channels=64, motifs=(MotifGene(taps=49, radius=3, reach=20),)),))
    assert breaches(genome, Limits()) == 2  # reach is idle without long taps
    assert breaches(genome, Limits(sheets=(2, 3))) == 3
    assert breaches(of(long_share=4, reach=20), Limits()) == 1


@pytest.mark.parametrize(
    "genome, limits, count",
    [
        (of(mixing="grouped", groups=8), Limits(), 1),
        (of(groups=8), Limits(), 0),
        (of(sharing="tile", tile=8), Limits(), 1),
        (of(tile=8), Limits(), 0),
        (of(sharing="position"), Limits(), 1),
        (of(sharing="position", mixing="identity"), Limits(), 0),
        (of(symmetry="odd"), Limits(symmetries=("none",)), 1),
        (of(boundary="valid"), Limits(), 1),
        (of(edits=((0, 0), (0, 1))), Limits(edits_max=1), 1),
        (of(edits=((0, 2),)), Limits(long=False), 1),
        (of(edits=((0, 1),)), Limits(long=False), 0),
        (of(edits=((0, 12),)), Limits(), 1),
        (Genome(sheets=(SheetGene(motifs=(MotifGene(),) * 3),)), Limits(motifs_max=2), 1),
        (Genome(sheets=(SheetGene(join="concat", motifs=(MotifGene(),) * 2),)), Limits(joins=("add",)), 1),
        (Genome(sheets=(SheetGene(join="concat"),)), Limits(joins=("add",)), 0),
        (Genome(sheets=(SheetGene(), SheetGene(motifs=(MotifGene(source=2),)))), Limits(), 1),  # the first is unread
        (Genome(sheets=(SheetGene(),), readout=ReadoutGene(kind="direct")), Limits(readouts=("linear",)), 1),
    ],
)
def test_what_counts_as_a_breach(genome, limits, count):
    assert breaches(genome, limits) == count


def test_allowed_is_what_lies_within():
    assert Limits(channels=(5, 11)).allowed(SHEET_FIELDS["channels"]) == (5, 6, 8, 10)
    assert Limits(mixings=("grouped", "full")).allowed(MOTIF_FIELDS["mixing"]) == ("full", "grouped")
    assert Limits(long=False).allowed(MOTIF_FIELDS["long_share"]) == (0,)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"sheets": (3, 2)}, r"sheets = \[3, 2\], expected \[least, most\]"),
        ({"sheets": (1, 16)}, r"sheets = \[1, 16\], expected at most 15"),
        ({"channels": (7, 7)}, r"channels = \[7, 7\], expected some of"),
        ({"norms": ()}, r"norms is empty"),
        ({"boundaries": ()}, r"boundaries is empty"),
        ({"symmetries": ("even",)}, r"symmetries lack 'none', expected it among them"),
        ({"reductions": ("all",)}, r"reductions lack 'none'"),
        ({"motifs_max": 5}, r"<= 4.*motifs_max"),
        ({"mixings": ("identity",)}, r"mixings hold nothing that learns"),
        ({"taps_max": 129}, r"<= 128.*taps_max"),
        ({"tap_max": 9}, r"unknown field `tap_max`"),
    ],
)
def test_limits_that_leave_nothing(fields, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(msgspec.to_builtins(fields), Limits)
