"""Expansion: shapes, joins, loans and costs in integers, and refusals before anything is allocated."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from plan_examples import INPUTS, one_motif, one_stage, plan_or_none
from strategies import any_genomes, genomes

from evonet.errors import GenomeError
from evonet.genome.code import decode, encode
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan import INPUT, Budget, Expression, expand
from evonet.plan.geometry import positions, stride

PLAIN = MotifGene()
SELF = MotifGene(source=0, mixing="depthwise")


def chain(*sheets, **readout):
    return Genome(sheets=sheets, readout=ReadoutGene(**readout))


def sheet(*motifs, **fields):
    return SheetGene(**{"channels": 4, "motifs": motifs or (PLAIN,), **fields})


def plan_of(*sheets, input=(1, 8, 8), classes=3, **options):
    return expand(chain(*sheets), input=input, classes=classes, **options)


@given(genomes(), INPUTS)
@settings(max_examples=60, deadline=None)
def test_expand_is_pure_and_its_own_expression_changes_nothing_but_kept(genome, shape):
    plan = plan_or_none(genome, shape)
    if plan is None:
        return
    assert plan == expand(genome, input=shape, classes=10)
    live = expand(genome, input=shape, classes=10, expression=plan.expression)
    assert live.tensors == tuple(replace(t, kept=tuple(tuple(range(n)) for n in t.shape)) for t in plan.tensors)
    assert replace(live, tensors=plan.tensors) == plan


@given(genomes(), INPUTS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_expression_switches_off_is_not_in_the_plan(genome, shape, random):
    plan = plan_or_none(genome, shape)
    if plan is None:
        return
    taps = []
    for stage in plan.stages:
        bits = tuple(random.random() < 0.6 for _ in stage.all_taps)
        if stage.lender is not None:
            bits = taps[stage.lender]
        taps.append(bits if any(bits) and stage.weight is not None else (True,) * len(bits))
    live = expand(
        genome, input=shape, classes=10, expression=Expression(taps=tuple(taps), channels=plan.expression.channels)
    )
    assert live.expression.taps == tuple(taps)
    assert [s.shape for s in live.sheets] == [s.shape for s in plan.sheets]
    for whole, stage in zip(plan.stages, live.stages, strict=True):
        assert set(stage.taps) <= set(whole.taps)
        assert stage.all_taps == whole.all_taps
        assert (stage.span, stage.shift) == (whole.span, whole.shift)  # a crop does not hang on expression
    for whole, tensor in zip(plan.tensors, live.tensors, strict=True):
        assert tensor.shape == tuple(map(len, tensor.kept))
        assert all(axis[-1] < n for axis, n in zip(tensor.kept, whole.shape, strict=True))


@pytest.mark.parametrize(
    "reduction, shape",
    [("stride", (4, 3, 3)), ("max", (4, 3, 3)), ("mean", (4, 3, 3)), ("none", (4, 7, 6)), ("all", (4, 1, 1))],
)
def test_reductions_halve_with_floor(reduction, shape):
    assert plan_of(sheet(reduction=reduction), input=(1, 7, 6)).sheets[0].shape == shape


def test_a_side_of_one_stays_one():
    plan = plan_of(sheet(reduction="max"), sheet(reduction="stride"), input=(1, 1, 16))
    assert [s.shape for s in plan.sheets] == [(4, 1, 8), (4, 1, 4)]
    assert plan.stages[0].taps == ((0, -1), (0, 0), (0, 1))
    assert stride(plan.stages[1]) == (1, 2)


def test_the_first_motif_makes_the_grid_and_others_are_read_onto_it():
    skip, far = MotifGene(source=2), MotifGene(source=3)
    pooled, small = sheet(reduction="max"), sheet(MotifGene(), skip, far)
    plan = plan_of(pooled, sheet(), small, sheet(PLAIN, skip), input=(1, 16, 16))
    assert plan.sheets[2].shape == (4, 8, 8)
    near, same, image = plan.sheets[2].incoming
    assert [b.source for b in (near, same, image)] == [1, 0, INPUT]
    assert [stride(b.stages[0]) for b in (near, same, image)] == [(1, 1), (1, 1), (2, 2)]
    wide = plan_of(pooled, sheet(skip, PLAIN), input=(1, 16, 16)).sheets[1]
    assert wide.shape == (4, 16, 16)
    assert stride(wide.incoming[1].stages[0]) is None  # a smaller source is spread out
    assert positions(wide.incoming[1].stages[0], 0).tolist() == [y // 2 for y in range(16)]


def test_valid_crops_to_where_the_whole_kernel_fits():
    stage = one_stage(MotifGene(boundary="valid", radius=2, taps=25), (1, 9, 8))
    assert stage.target == (4, 5, 4)
    assert positions(stage, 0).tolist() == [2, 3, 4, 5, 6]
    strided = one_stage(MotifGene(boundary="valid", radius=2, taps=25), (1, 9, 8), reduction="stride")
    assert positions(strided, 0).tolist() == [2, 4]


def test_taps_of_a_torus_lie_within_half_a_turn():
    stage = one_stage(MotifGene(boundary="wrap", radius=7, taps=128), (1, 6, 5))
    assert stage.taps == tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3))


def test_concat_cuts_the_channels_into_even_parts():
    plan = plan_of(sheet(PLAIN, MotifGene(taps=5), MotifGene(mixing="depthwise"), channels=8, join="concat"))
    assert [b.channels for b in plan.sheets[0].incoming] == [(0, 2), (2, 5), (5, 8)]
    assert [plan.tensors[s.weight].shape for s in plan.stages] == [(2, 1, 9), (3, 1, 5), (3, 9)]


def test_unequal_depthwise_channels_read_in_turn():
    plan = plan_of(sheet(MotifGene(mixing="depthwise"), channels=5), input=(2, 6, 6))
    assert plan.stages[0].reads == (0, 1, 0, 1, 0)


def test_a_residual_is_added_where_shapes_agree():
    plan = plan_of(sheet(residual=True), sheet(residual=True), sheet(residual=True, reduction="max"))
    assert [s.add_source for s in plan.sheets] == [None, 0, None]


def test_borrowed_weights_are_the_same_tensor_tap_by_tap():
    dilated = MotifGene(radius=0, long_share=14, pattern="lattice", weights_from=1)
    plan = plan_of(sheet(), sheet(), sheet(dilated))
    _, own, borrowed = plan.stages
    assert (borrowed.weight, borrowed.lender) == (own.weight, 1)
    assert borrowed.taps == tuple((2 * dy, 2 * dx) for dy, dx in own.taps)
    assert plan.costs.weights == plan_of(sheet(), sheet()).costs.weights + 4  # a bias of its own
    bits = (True, False) * 4 + (True,)
    on = plan.expression.channels
    live = plan_of(sheet(), sheet(), sheet(dilated), expression=Expression(taps=(bits,) * 3, channels=on))
    assert live.stages[2].taps == tuple((2 * dy, 2 * dx) for dy, dx in live.stages[1].taps)
    with pytest.raises(GenomeError, match=r"sheets\[2\]\.motifs\[0\]: expression differs from that of the motif whose"):
        plan_of(sheet(), sheet(), sheet(dilated), expression=Expression(taps=(bits, bits, (True,) * 9), channels=on))


def test_bias_rows_follow_the_applications():
    for bias, rows in (("channel", 1), ("repeat", 4)):
        plan = plan_of(sheet(PLAIN, SELF, bias=bias, repeats=3))
        assert plan.tensors[plan.sheets[0].bias].shape == (rows, 4)


def test_repeats_cost_macs_but_no_weights():
    once, often = (plan_of(sheet(PLAIN, SELF, repeats=n), input=(1, 6, 6)).costs for n in (1, 4))
    assert once.weights == often.weights
    assert often.macs - once.macs == 3 * 4 * 9 * 36


def test_taps_that_touch_nothing_are_no_weights():
    stage = one_stage(MotifGene(radius=2, taps=25), (1, 2, 2))
    assert stage.taps == tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def test_readouts_without_weights_want_features_enough():
    direct, hadamard = (chain(sheet(channels=8), kind=kind) for kind in ("direct", "hadamard"))
    for genome in (direct, hadamard):
        assert expand(genome, input=(1, 5, 5), classes=8).readout.weight is None
    with pytest.raises(GenomeError, match=r"readout.kind = 'direct' has 8 pooled features, expected one per class \(7"):
        expand(direct, input=(1, 5, 5), classes=7)
    assert expand(hadamard, input=(1, 5, 5), classes=7).readout.features == 8
    with pytest.raises(GenomeError, match=r"readout.kind = 'hadamard' has 8 pooled features, .* per class \(9\)"):
        expand(hadamard, input=(1, 5, 5), classes=9)


LONG = {"long_share": 8, "pattern": "scatter"}
HALVED = [sheet(reduction="max")] * 2  # to 2x2, where a torus has no offset but the centre
REFUSED = [
    (
        [sheet(MotifGene(reach=8, **LONG))],
        r"sheets\[0\]\.motifs\[0\]\.reach = 8, but .* longer than 7. Expected reach <",
    ),
    ([sheet(MotifGene(edits=((0, 8),)))], r"sheets\[0\]\.motifs\[0\]\.edits holds \(0, 8\), expected dy in -7\.\.7"),
    (
        [sheet(MotifGene(boundary="valid", radius=4, taps=81))],
        r"motifs\[0\]\.boundary = 'valid': taps of 9x9 leave nothing of a source of 8x8",
    ),
    ([sheet(), sheet(PLAIN, MotifGene(mixing="grouped", groups=8))], r"sheets\[1\]\.motifs\[1\]\.groups = 8"),
    (
        [*HALVED, sheet(MotifGene(symmetry="odd", boundary="wrap"))],
        r"sheets\[2\]\.motifs\[0\] has no tap: an odd kernel",
    ),
    (
        [sheet(reduction="all"), sheet(MotifGene(symmetry="orbit4"))],
        r"sheets\[1\]\.motifs\[0\]\.symmetry = 'orbit4' would turn taps out of a source of 1x1",
    ),
    ([sheet(), sheet(MotifGene(weights_from=1))], r"sheets\[1\]\.motifs\[0\]\.weights_from: .* \(4, 1, 9\), expected"),
    (
        [*HALVED, sheet(MotifGene(boundary="wrap", edits=((0, 0),)))],
        r"sheets\[2\]\.motifs\[0\] has no tap on its source",
    ),
    ([*HALVED, *HALVED], r"sheets\[3\]\.reduction = 'max' halves a sheet of 1x1 to nothing"),
]


@pytest.mark.parametrize("sheets, message", REFUSED)
def test_what_does_not_fit_the_input_is_refused_with_the_path_of_the_gene(sheets, message):
    with pytest.raises(GenomeError, match=message):
        plan_of(*sheets)


@pytest.mark.parametrize(
    "taps, message",
    [
        (((True,) * 8,), r"sheets\[0\]\.motifs\[0\]: expression has 8 bits with 8 on, expected 9 bits"),
        (((False,) * 9,), r"9 bits with 0 on, expected 9 bits with at least one on"),
        (((True,) * 9, (True,)), r"expression is of 2 stages and 1 sheets, expected 1 and 1"),
        ((), r"sheets\[0\]\.motifs\[0\]: expression has 0 bits with 0 on, expected 9"),
    ],
)
def test_tap_bits_that_do_not_fit_are_refused(taps, message):
    with pytest.raises(GenomeError, match=message):
        plan_of(sheet(), expression=Expression(taps=taps, channels=((True,) * 4,)))


def test_the_mean_has_no_weights_to_switch_off():
    bits = Expression(taps=((True,) * 8 + (False,),), channels=((True,) * 4,))
    with pytest.raises(GenomeError, match="mixing 'identity' has no weights, so no tap of it can be switched off"):
        plan_of(sheet(MotifGene(mixing="identity")), expression=bits)


@pytest.mark.parametrize("limit", ["weights", "macs", "neurons"])
def test_a_plan_over_budget_is_refused_at_the_gene_that_breaks_it(limit):
    costs = plan_of(sheet(channels=1), input=(1, 9, 9)).costs
    budget = msgspec.structs.replace(Budget(), **{limit: getattr(costs, limit) + 1})
    with pytest.raises(GenomeError, match=rf"sheets\[1\].*{limit} reach"):
        plan_of(sheet(channels=1), sheet(channels=64), input=(1, 9, 9), budget=budget)


HUGE = MotifGene(taps=128, radius=7, sharing="position")
ABSURD = [
    (one_motif(PLAIN), (1, 100_000, 100_000), "input = 1x100000x100000, expected"),
    (one_motif(PLAIN), (0, 8, 8), "input = 0x8x8, expected"),
    (one_motif(PLAIN, channels=64), (1, 4096, 4096), r"sheets\[0\]: neurons reach"),
    (one_motif(HUGE, reduction="all"), (1, 4096, 4096), r"sheets\[0\]\.motifs\[0\]: taps that cover .* 16,777,216"),
    (one_motif(HUGE, channels=1), (1, 4096, 4096), r"sheets\[0\]\.motifs\[0\]: weights reach 2,147,483,648"),
    (one_motif(HUGE, channels=1, reduction="max"), (256, 64, 64), r"sheets\[0\]\.motifs\[0\]: weights reach"),
]


@pytest.mark.parametrize("genome, input, message", ABSURD)
def test_absurd_shapes_are_refused_before_allocation(genome, input, message):
    genome = decode(encode(genome))
    bits = Expression(taps=((True,) * 128,), channels=((True,) * genome.sheets[0].channels,))
    for expression in (None, bits):
        tracemalloc.start()
        with pytest.raises(GenomeError, match=message):
            expand(genome, input=input, classes=10, expression=expression)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20


def test_a_source_too_large_to_be_covered_is_refused_before_its_taps_are_made():
    genome = one_motif(PLAIN, channels=64, reduction="all")
    tracemalloc.start()
    with pytest.raises(GenomeError, match=r"sheets\[0\]\.motifs\[0\]: weights reach 163,840,000"):
        expand(genome, input=(64, 200, 200), classes=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_classes_without_number_are_refused():
    with pytest.raises(GenomeError, match=r"classes = 0, expected 1\.\.65536"):
        plan_of(sheet(), classes=0)


@given(any_genomes(), st.sampled_from([(1, 1, 1), (3, 4096, 4096), (256, 64, 64), (1, 1, 4096), (2, 200, 300)]))
@settings(max_examples=60, deadline=None)
def test_any_genome_expands_or_is_refused_within_bounded_memory(genome, shape):
    tracemalloc.start()
    plan_or_none(genome, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26
