import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import ConfigError
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.check import check, valid
from evonet.genome.ids import anonymous, genes_of, ids_of, stamp
from evonet.genome.limits import Limits, breaches
from evonet.genome.sampling import sample
from evonet.genome.variation import OPERATORS, rates_of, vary
from evonet.seeds import Stream

LIMITS = Limits()
LONG = MotifGene(taps=12, long_share=6, pattern="lattice")
SAMPLE = stamp(
    Genome(
        sheets=(
            SheetGene(channels=8, motifs=(LONG,)),
            SheetGene(channels=12, repeats=2, motifs=(MotifGene(), MotifGene(source=0, mixing="depthwise"))),
        )
    ),
    1,
)


def only(*names: str) -> dict[str, float]:
    return {name: float(name in names) for name in OPERATORS}


def children(name: str, genome: Genome = SAMPLE, limits: Limits = LIMITS, n: int = 60) -> list[Genome]:
    """What operator `name` alone gives, valid or not."""
    drawn = (OPERATORS[name].apply(genome, Stream(name, i), limits) for i in range(n))
    return [child for child in drawn if child is not None]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_pure_and_gives_valid_children_with_kept_ids(name):
    before = ids_of(SAMPLE)
    found = children(name)
    assert found == children(name)
    good = [child for child in found if valid(child)]
    assert len(good) >= 20
    for child in good:
        assert breaches(child, LIMITS) == 0
        kept = [gene.id for gene in genes_of(child) if gene.id is not None]
        assert len(set(kept)) == len(kept)
        assert set(kept) <= set(before)
        assert name == "copy_motif" or anonymous(child) != anonymous(SAMPLE)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"insert_sheet", "delete_sheet", "duplicate_sheet"}))
def test_a_step_changes_one_gene(name):
    motif_changes = {"add_self_motif": 1, "remove_self_motif": 1}
    for child in children(name):
        assert [s.id for s in child.sheets] == [s.id for s in SAMPLE.sheets]
        by_id = {gene.id: gene for gene in genes_of(SAMPLE)}
        changed = [g for g in genes_of(child) if not isinstance(g, SheetGene) and by_id.get(g.id) != g]
        assert len(changed) <= motif_changes.get(name, 1)


@given(genomes(sheets_max=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=100)
def test_vary_is_valid_in_valid_out(genome, seed):
    before = stamp(genome, 0)
    child, name = vary(before, Stream(seed), LIMITS)
    check(child)
    assert anonymous(child) != genome
    assert breaches(child, LIMITS) <= breaches(genome, LIMITS)
    assert set(name.split("+")) <= set(OPERATORS)
    assert {g.id for g in genes_of(child)} <= {None, *ids_of(before)}
    assert vary(before, Stream(seed), LIMITS) == (child, name)


@pytest.mark.parametrize(
    "limits",
    [
        LIMITS,
        Limits(long=False),
        Limits(sheets=(2, 2), channels=(8, 12), taps_max=9, patterns=("scatter",), reach_max=3),
    ],
)
def test_a_long_walk_stays_within_limits_and_uses_every_operator_it_may(limits):
    genome, used = sample(Stream("walk"), limits), set()
    for i in range(400):
        genome, name = vary(stamp(genome, i), Stream("walk", i), limits)
        used |= set(name.split("+"))
        assert breaches(genome, limits) == 0
    idle = set()
    if not limits.long:
        idle = {"long_share", "reach", "pattern", "basis"}
    elif limits.sheets == (2, 2):
        idle = {"insert_sheet", "delete_sheet", "duplicate_sheet", "pattern", "basis"}
    assert used == set(OPERATORS) - idle


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


def test_duplication_gives_new_ids_and_does_not_halve_again():
    halved = stamp(Genome(sheets=(SheetGene(reduction="max"),)), 0)
    child = children("duplicate_sheet", halved)[0]
    assert child.sheets[0] == halved.sheets[0]
    assert child.sheets[1] == SheetGene()


def test_removing_the_self_motif_resets_repeats():
    child = children("remove_self_motif")[0]
    assert child.sheets[1].repeats == 1
    assert len(child.sheets[1].motifs) == 1


def test_steps_are_small():
    for child in children("channels"):
        moved = {(a.channels, b.channels) for a, b in zip(SAMPLE.sheets, child.sheets, strict=True)}
        assert moved <= {(8, 8), (12, 12), (8, 6), (8, 10), (12, 10), (12, 16)}
    taps = {child.sheets[0].motifs[0].taps for child in children("taps")}
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
