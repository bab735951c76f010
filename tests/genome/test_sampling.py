import msgspec
import pytest

from evonet.genome import Genome, MotifGene, SheetGene
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
}


def founders(limits: Limits, n: int = 300) -> list[Genome]:
    return [sample(Stream("founders", i), limits) for i in range(n)]


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
    sheets = [s for g in founders(Limits()) for s in g.sheets]
    motifs = [m for s in sheets for m in s.motifs]
    for name in ("activation", "norm", "reduction"):
        assert {getattr(s, name) for s in sheets} >= set(Limits().allowed(SHEET_FIELDS[name])) - {"none"}
    assert {m.mixing for m in motifs} == set(Limits().mixings)
    assert {m.pattern for m in motifs} == set(Limits().patterns)
    assert {m.radius for m in motifs} == {0, 1, 2}


def test_breaches_count_fields_out_of_limits():
    genome = Genome(sheets=(SheetGene(channels=64, motifs=(MotifGene(taps=49, radius=3, reach=20),)),))
    assert breaches(genome, Limits()) == 2  # reach is idle without long taps
    assert breaches(genome, Limits(sheets=(2, 3))) == 3
    assert breaches(Genome(sheets=(SheetGene(motifs=(MotifGene(long_share=4, reach=20),)),)), Limits()) == 1


def test_allowed_is_what_is_computed_and_within():
    assert Limits(channels=(5, 11)).allowed(SHEET_FIELDS["channels"]) == (5, 6, 8, 10)
    assert Limits(mixings=("full", "grouped")).allowed(MOTIF_FIELDS["mixing"]) == ("full",)
    assert Limits(long=False).allowed(MOTIF_FIELDS["long_share"]) == (0,)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"sheets": (3, 2)}, r"sheets = \[3, 2\], expected \[least, most\]"),
        ({"sheets": (1, 16)}, r"sheets = \[1, 16\], expected at most 15"),
        ({"channels": (7, 7)}, r"channels = \[7, 7\], expected some of"),
        ({"norms": ()}, r"norms is empty"),
        ({"mixings": ("identity",)}, r"mixings hold nothing that learns"),
        ({"taps_max": 129}, r"<= 128.*taps_max"),
        ({"tap_max": 9}, r"unknown field `tap_max`"),
    ],
)
def test_limits_that_leave_nothing(fields, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(msgspec.to_builtins(fields), Limits)
