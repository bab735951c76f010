import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes

from evonet.errors import ConfigError
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.check import check, check_ranges, valid
from evonet.genome.ids import anonymous, genes_of, ids_of, stamp
from evonet.genome.limits import Limits, breaches
from evonet.genome.sampling import sample
from evonet.genome.taps import select_taps
from evonet.genome.variation import OPERATORS, rates_of, vary
from evonet.genome.wiring import placed, unread_sheets
from evonet.seeds import Stream

LIMITS = Limits(sheets=(1, 5), motifs_max=4)
LONG = MotifGene(taps=12, long_share=6, pattern="lattice")
POINT = MotifGene(radius=0, taps=1)
FEW = MotifGene(source=2, taps=5)
SAMPLE = stamp(  # every operator applies
    Genome(
        sheets=(
            SheetGene(channels=8, activation="tanh", motifs=(LONG,)),
            SheetGene(
                channels=12,
                repeats=2,
                motifs=(MotifGene(), replace(POINT, source=2), MotifGene(source=0, mixing="depthwise")),
            ),
            SheetGene(channels=8, motifs=(MotifGene(symmetry="even"), MotifGene(source=2, sharing="tile"))),
            SheetGene(
                channels=8,
                motifs=(MotifGene(mixing="grouped"), FEW, replace(FEW, seed=3, weights_from=1), replace(FEW, seed=4)),
            ),
        )
    ),
    1,
)
LOOKS = {name for name, operator in OPERATORS.items() if operator.looks}
PLAIN = [name for name in OPERATORS if name not in LOOKS]
STRUCTURAL = {"insert_sheet", "delete_sheet", "duplicate_sheet"}


def only(*names: str) -> dict[str, float]:
    return {name: float(name in names) for name in OPERATORS}


def children(name: str, genome: Genome = SAMPLE, limits: Limits = LIMITS, n: int = 60) -> list[Genome]:
    """What operator `name` alone gives, valid or not."""
    drawn = (OPERATORS[name].apply(genome, Stream(name, i), limits) for i in range(n))
    return [child for child in drawn if child is not None]


@pytest.mark.parametrize("name", PLAIN)
def test_every_operator_is_pure_and_gives_valid_children_with_kept_ids(name):
    before = ids_of(SAMPLE)
    found = children(name)
    assert found == children(name)
    good = [child for child in found if valid(child) and not unread_sheets(child)]
    assert len(good) >= 15
    for child in good:
        assert breaches(child, LIMITS) == 0
        kept = [gene.id for gene in genes_of(child) if gene.id is not None]
        assert len(set(kept)) == len(kept)
        assert set(kept) <= set(before)
        assert name == "copy_motif" or anonymous(child) != anonymous(SAMPLE)


@pytest.mark.parametrize("name", sorted(set(PLAIN) - STRUCTURAL))
def test_a_step_changes_one_gene(name):
    """Beside how far back the weights of others lie."""

    def bare(gene):
        return replace(gene, weights_from=0) if isinstance(gene, MotifGene) and name not in ("tie", "untie") else gene

    for child in children(name):
        assert [s.id for s in child.sheets] == [s.id for s in SAMPLE.sheets]
        by_id = {gene.id: bare(gene) for gene in genes_of(SAMPLE)}
        changed = [g for g in genes_of(child) if not isinstance(g, SheetGene) and by_id.get(g.id) != bare(g)]
        assert len(changed) <= 1


@given(genomes(sheets_max=4), st.sampled_from(sorted(OPERATORS)), st.integers(0, 2**32))
@settings(deadline=None, max_examples=120)
def test_every_operator_stays_in_range_and_touches_nothing_else(genome, name, seed):
    """Valid as far as one gene can be; whether genes go together is asked by `vary`."""
    before = stamp(genome, 0)
    child = OPERATORS[name].apply(before, Stream(seed), LIMITS)
    assert before == stamp(genome, 0)
    if child is not None:
        check_ranges(child)
        assert {g.id for g in genes_of(child)} <= {None, *ids_of(before)}
        assert OPERATORS[name].apply(before, Stream(seed), LIMITS) == child


@given(genomes(sheets_max=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_vary_is_valid_in_valid_out(genome, seed):
    before = stamp(genome, 0)
    child, name = vary(before, Stream(seed), LIMITS)
    check(child)
    assert anonymous(child) != genome
    assert breaches(child, LIMITS) <= breaches(genome, LIMITS)
    assert set(name.split("+")) <= set(OPERATORS)
    assert {g.id for g in genes_of(child)} <= {None, *ids_of(before)}
    assert vary(before, Stream(seed), LIMITS) == (child, name)


NARROW = Limits(
    sheets=(2, 2),
    channels=(8, 12),
    motifs_max=1,
    taps_max=9,
    reach_max=3,
    edits_max=0,
    lend=False,
    mixings=("full",),
    patterns=("scatter",),
    sharings=("sheet",),
    symmetries=("none",),
    boundaries=("zero",),
    readouts=("linear",),
)
LONG_ONLY = {"long_share", "reach", "pattern", "basis", "redraw_basis"}
BASIS = {"pattern", "basis", "redraw_basis"}
EDITS = {"toggle_tap", "shift_tap"}
MOTIFS = {"add_motif", "remove_motif", "repeats", "join", "source"}
MOTIFS |= {"add_self_motif", "add_rough_self_motif", "remove_self_motif"}
WEIGHTS = {"mixing", "fill_mixing", "groups", "sharing", "tile", "part_tiles", "symmetry", "free_kernel", "boundary"}
LOANS = {"share_motif", "tie", "untie"}


LOCAL = replace(SAMPLE, sheets=(replace(SAMPLE.sheets[0], motifs=(MotifGene(),)), *SAMPLE.sheets[1:]))


@pytest.mark.parametrize(
    "limits, start, idle",
    [
        (LIMITS, SAMPLE, set()),
        (Limits(sheets=(1, 5), motifs_max=4, long=False), stamp(LOCAL, 1), LONG_ONLY),
        (NARROW, sample(Stream("walk"), NARROW), STRUCTURAL | BASIS | EDITS | MOTIFS | WEIGHTS | LOANS | {"readout"}),
    ],
    ids=["default", "local", "narrow"],
)
def test_long_walks_stay_within_limits_and_use_every_operator_they_may(limits, start, idle):
    genome, used = start, set()
    for i in range(400):
        genome, name = vary(stamp(genome, 2 + i), Stream("walk", i), limits, dict.fromkeys(OPERATORS, 1.0))
        used |= set(name.split("+"))
        assert breaches(genome, limits) == 0
        genome = start if i % 20 == 19 else genome
    assert used == set(PLAIN) - idle


def test_a_genome_outside_the_limits_comes_no_further_out():
    wide = Genome(sheets=(SheetGene(channels=64, motifs=(MotifGene(radius=5, taps=121),)),))
    tight = Limits(channels=(4, 8), taps_max=9, radius_max=1)
    counts = [breaches(wide, tight)]
    for i in range(200):
        wide, _ = vary(wide, Stream("in", i), tight)
        counts.append(breaches(wide, tight))
    assert counts[0] == 3
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0


def test_insertion_is_shaped_to_keep_the_function():
    for child in children("insert_sheet"):
        (k,) = [k for k, sheet in enumerate(child.sheets) if sheet.id is None]
        new, source = child.sheets[k], child.sheets[k - 1]
        assert k > 0
        assert new.residual
        assert (new.channels, new.reduction, new.norm) == (source.channels, "none", "none")
        assert new.activation in ("tanh", "gelu", "leaky_relu")
        assert new.motifs[0].mixing != "identity"
        assert new.motifs[0].id is None


def test_a_new_motif_is_added_behind_the_others():
    for child in children("add_motif"):
        (sheet,) = [sheet for sheet in child.sheets if sheet.motifs[-1].id is None]
        assert sheet.join == "add"
        assert sheet.motifs[-1].source > 0
        assert sheet.motifs[-1].mixing != "identity"
    joined = Genome(sheets=(SheetGene(join="concat", motifs=(MotifGene(), MotifGene())),))
    assert not children("add_motif", joined)


def test_duplication_gives_new_ids_and_does_not_halve_again():
    halved = stamp(Genome(sheets=(SheetGene(reduction="max"),)), 0)
    child = children("duplicate_sheet", halved)[0]
    assert child.sheets[0] == halved.sheets[0]
    assert child.sheets[1] == SheetGene()


def test_removing_the_self_motif_resets_repeats():
    child = children("remove_self_motif")[0]
    assert child.sheets[1].repeats == 1
    assert len(child.sheets[1].motifs) == 2


def test_a_shift_moves_one_tap_by_one():
    for child in children("shift_tap", Genome(sheets=(SheetGene(motifs=(LONG,)),)), n=30):
        before, after = set(select_taps(LONG)), set(select_taps(child.sheets[0].motifs[0]))
        ((y0, x0),), ((y1, x1),) = before - after, after - before
        assert max(abs(y1 - y0), abs(x1 - x0)) == 1


def test_a_toggle_changes_one_tap():
    for child in children("toggle_tap", Genome(sheets=(SheetGene(motifs=(LONG,)),)), n=30):
        assert len(set(select_taps(LONG)) ^ set(select_taps(child.sheets[0].motifs[0]))) == 1


@given(genomes(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_growing_taps_only_adds(genome, seed):
    child = OPERATORS["grow_taps"].apply(genome, Stream(seed), LIMITS)
    for old, new in zip(genome.sheets, child.sheets if child else genome.sheets, strict=True):
        for a, b in zip(old.motifs, new.motifs, strict=True):
            assert set(select_taps(a)) <= set(select_taps(b))


def test_growing_takes_no_tap_that_an_edit_added():
    few = MotifGene(taps=3)
    (following,) = set(select_taps(replace(few, taps=4))) - set(select_taps(few))
    edited = Genome(sheets=(SheetGene(motifs=(replace(few, edits=(following,)),)),))
    assert not children("grow_taps", edited)
    assert children("grow_taps", Genome(sheets=(SheetGene(motifs=(few,)),)))


def test_only_sheets_whose_channels_stand_for_themselves_are_widened():
    assert {child.sheets[0].channels for child in children("widen")} == {10}
    for changes in ({"norm": "rms"}, {"residual": True}):
        fixed = Genome(sheets=(SheetGene(**changes), SheetGene(norm="rms")))
        assert not children("widen", fixed)
    reader = Genome(sheets=(SheetGene(), SheetGene(norm="rms", motifs=(MotifGene(mixing="depthwise"),))))
    assert not children("widen", reader)
    direct = Genome(sheets=(SheetGene(),), readout=ReadoutGene(kind="direct"))
    assert not children("widen", direct)


def test_weights_are_shared_between_motifs_of_one_form_alone():
    last = SAMPLE.sheets[3].motifs[3]
    for child in children("tie"):
        assert 1 <= child.sheets[3].motifs[3].weights_from <= 2
        assert replace(child.sheets[3].motifs[3], weights_from=0) == last
    pairs = [
        (placed(child)[i - p.motif.weights_from], p)
        for child in children("share_motif")
        for i, p in enumerate(placed(child))
        if p.motif.weights_from
    ]
    assert pairs
    assert all((a.motif.taps, a.outputs) == (b.motif.taps, b.outputs) for a, b in pairs)


def test_steps_are_small():
    for child in children("channels"):
        moved = {(a.channels, b.channels) for a, b in zip(SAMPLE.sheets, child.sheets, strict=True)}
        assert moved <= {(8, 8), (12, 12), (8, 6), (8, 10), (12, 10), (12, 16)}
    taps = {child.sheets[0].motifs[0].taps for child in children("taps", n=200)}
    assert taps == {10, 11, 12, 13, 14}


def test_rates():
    plain = Genome(sheets=(SheetGene(),))
    assert {vary(plain, Stream(i), LIMITS, only("channels"))[1] for i in range(20)} <= {"channels", "channels+channels"}
    assert vary(plain, Stream(0), LIMITS, dict.fromkeys(OPERATORS, 0.0)) == (plain, "clone")
    assert rates_of({"taps": 9.0})["taps"] == 9.0
    assert rates_of({"taps": 9.0})["mixing"] == OPERATORS["mixing"].rate


def test_the_fallback_always_applies():
    plain = Genome(sheets=(SheetGene(),))
    child, name = vary(plain, Stream(0), LIMITS, only("remove_self_motif"))
    assert set(name.split("+")) == {"reseed"}
    assert child.sheets[0].motifs[0].seed != 0


def test_a_copy_onto_itself_is_no_child():
    plain = Genome(sheets=(SheetGene(),))
    for i in range(10):
        child, name = vary(plain, Stream(i), LIMITS, only("copy_motif"))
        assert child != plain
        assert set(name.split("+")) == {"reseed"}


def test_the_first_long_taps_come_within_limits():
    """The default reach lies outside these limits, but was idle until now."""
    plain, tight = Genome(sheets=(SheetGene(),)), Limits(reach_max=3, patterns=("scatter",))
    child, name = vary(plain, Stream(0), tight, only("long_share"))
    motif = child.sheets[0].motifs[0]
    assert set(name.split("+")) == {"long_share"}
    assert (motif.reach, motif.pattern) == (3, "scatter")


def test_about_a_third_of_the_children_is_changed_twice():
    doubles = sum("+" in vary(SAMPLE, Stream("twice", i), LIMITS)[1] for i in range(400))
    assert 0.22 < doubles / 400 < 0.38


def test_messages():
    with pytest.raises(ConfigError, match=r"rates has no operator 'tapz'; did you mean 'taps'\? Operators: channels, "):
        rates_of({"tapz": 1.0})
    with pytest.raises(ConfigError, match=r"rates\.taps = -1, expected a finite number >= 0"):
        rates_of({"taps": -1})
    with pytest.raises(ConfigError, match=r"rates\.taps = nan"):
        rates_of({"taps": float("nan")})
