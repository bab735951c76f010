"""Masks, slots and signs against their definition, and their memory."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from plan_examples import one_stage, plans

from evonet.genome.genes import MotifGene
from evonet.plan.costs import application_macs, connections
from evonet.plan.masks import mask, signs, slots

TURNS = {"orbit4": 4, "orbit8": 8}


@given(plans())
@settings(max_examples=60, deadline=None)
def test_costs_are_those_of_the_masks(plan):
    total = macs = 0
    stages = iter(plan.stages)
    for sheet in plan.sheets:
        for branch in (*sheet.incoming, *sheet.recurrent):
            times = sheet.repeats if branch in sheet.recurrent else 1
            for stage in (next(stages) for _ in branch.stages):
                ones = int(mask(stage).sum())
                assert ones == connections(stage)
                assert stage.mixing == "identity" or ones <= application_macs(stage)
                total, macs = total + times * ones, macs + times * application_macs(stage)
    if plan.readout.kind == "linear":
        total, macs = total + plan.readout.features * 10, macs + plan.readout.features * 10
    assert (plan.costs.connections, plan.costs.macs) == (total, macs)
    assert plan.costs.weights == sum(tensor.size for tensor in plan.tensors)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_slots_and_signs_lie_under_the_mask_and_name_every_weight(plan):
    for stage in plan.stages:
        wiring, table = mask(stage), slots(stage)
        np.testing.assert_array_equal(table >= 0, wiring)
        np.testing.assert_array_equal(signs(stage) != 0, wiring)
        if stage.weight is not None and not _beyond(stage):
            assert set(np.unique(table[wiring])) == set(range(plan.tensors[stage.weight].size))


def _beyond(stage):
    """Whether some weight may have no connection: in a tile whose border cuts a tap off, or where it is sampled."""
    return stage.tiles != (1, 1) or stage.tying is not None or stage.span != stage.target[1:] or stage.shift != (0, 0)


MOTIFS = {
    "plain": {},
    "few taps": {"taps": 5, "seed": 7},
    "wrap": {"boundary": "wrap", "radius": 2, "taps": 20, "seed": 3},
    "valid": {"boundary": "valid", "radius": 1},
    "long": {"taps": 9, "long_share": 8, "reach": 4, "pattern": "scatter", "seed": 5},
    "depthwise": {"mixing": "depthwise"},
    "grouped": {"mixing": "grouped"},
    "identity": {"mixing": "identity", "taps": 4},
    "edits": {"edits": ((0, 0), (2, 1))},
    "tile": {"sharing": "tile", "tile": 3},
    "position": {"sharing": "position", "taps": 5},
    "depthwise tile": {"sharing": "tile", "mixing": "depthwise"},
    "even": {"symmetry": "even", "taps": 7, "seed": 2},
    "odd": {"symmetry": "odd"},
    "odd depthwise tile": {"symmetry": "odd", "sharing": "tile", "mixing": "depthwise"},
    "orbit4": {"symmetry": "orbit4", "taps": 6, "seed": 4},
    "orbit8": {"symmetry": "orbit8", "taps": 6, "seed": 4},
    "orbit4 grouped tile": {"symmetry": "orbit4", "mixing": "grouped", "sharing": "tile", "seed": 1},
    "orbit8 depthwise": {"symmetry": "orbit8", "mixing": "depthwise", "taps": 3},
    "valid long": {"boundary": "valid", "taps": 6, "long_share": 8, "reach": 2, "seed": 9},
}


@pytest.mark.parametrize("name", MOTIFS)
@pytest.mark.parametrize("reduction", ["none", "stride", "all"])
def test_a_stage_follows_its_definition_neuron_by_neuron(name, reduction):
    """With the genes' words alone: floor(y * Hs / Ht) + dy, tiles of even size, kernels turned as arrays."""
    motif = MotifGene(**MOTIFS[name])
    stage = one_stage(motif, channels=10, reduction=reduction)
    wiring, table, sign = mask(stage), slots(stage), signs(stage)
    wanted = _joined(motif, stage, reduction)
    assert wanted
    assert {(int(t), int(s)) for t, s in np.argwhere(wiring)} == set(wanted)
    for (target, source), (slot, factor) in wanted.items():
        assert sign[target, source] == factor
        if motif.mixing != "identity":
            assert table[target, source] == slot


def _joined(motif, stage, reduction):
    """{(target neuron, source neuron): (slot, sign)} of every connection."""
    (channels, height, width), (out, rows, columns) = stage.source, stage.target
    own, n = stage.all_taps, TURNS.get(motif.symmetry, 1)
    inputs = {"full": channels, "grouped": channels // motif.groups}.get(motif.mixing, 1)
    kernels = [_kernel(motif.symmetry, own, r, set(stage.taps)) for r in range(n)]
    crops = motif.boundary == "valid" and reduction != "all"
    every = {tap for kernel in kernels for tap in kernel}
    top, left = (-min(t[axis] for t in every) if crops else 0 for axis in (0, 1))
    tall, wide = (
        side - (max(t[axis] for t in every) - min(t[axis] for t in every) if crops else 0)
        for axis, side in enumerate((height, width))
    )
    cut = {"tile": min(motif.tile, rows), "position": rows}.get(motif.sharing, 1)
    cut_x = {"tile": min(motif.tile, columns), "position": columns}.get(motif.sharing, 1)
    joined = {}
    for o, y, x in product(range(out), range(rows), range(columns)):
        tile = y * cut // rows * cut_x + x * cut_x // columns
        for (dy, dx), (place, factor) in kernels[o % n].items():
            v, u = y * tall // rows + top + dy, x * wide // columns + left + dx
            if motif.boundary == "wrap" and reduction != "all":
                v, u = v % height, u % width
            if not (0 <= v < height and 0 <= u < width):
                continue
            for i in range(inputs):
                source = {"full": i, "grouped": o // (out // motif.groups) * inputs + i}.get(motif.mixing, o % channels)
                slot = ((tile * -(-out // n) + o // n) * inputs + i) * len(own) + place
                joined[(o * rows + y) * columns + x, (source * height + v) * width + u] = slot, factor
    return joined


def _kernel(symmetry, own, r, named):
    """{offset: (place of its weight, sign)} of kernel r, made as an array and turned by numpy."""
    if symmetry in TURNS:
        array = np.full((15, 15), -1)
        for place, (dy, dx) in enumerate(own):
            array[dy + 7, dx + 7] = place
        turned = np.rot90(array if r < 4 else array[:, ::-1], r % 4)
        return {(int(y) - 7, int(x) - 7): (int(turned[y, x]), 1) for y, x in np.argwhere(turned >= 0)}
    kernel = {tap: (place, 1) for place, tap in enumerate(own)}
    mirrored = {(-dy, -dx): (place, -1 if symmetry == "odd" else 1) for (dy, dx), (place, _) in kernel.items()}
    return kernel if symmetry == "none" else {tap: mirrored[tap] for tap in mirrored if tap in named} | kernel


def test_even_and_odd_kernels_store_the_first_of_a_pair():
    taps = tuple(product((-1, 0, 1), repeat=2))
    even, odd = (one_stage(MotifGene(symmetry=symmetry)) for symmetry in ("even", "odd"))
    assert (even.taps, even.all_taps) == (taps, taps[:5])
    assert (odd.taps, odd.all_taps) == (taps[:4] + taps[5:], taps[:4])


def test_there_are_never_more_tiles_than_positions():
    shapes = {side: one_stage(MotifGene(sharing="tile", tile=5), input=(1, side, 9)).tiles for side in (1, 3, 7)}
    assert shapes == {1: (1, 5), 3: (3, 5), 7: (5, 5)}


@pytest.mark.parametrize("matrix, size", [(mask, 1), (slots, 4), (signs, 1)])
@pytest.mark.parametrize(
    "motif, input, channels",
    [(MotifGene(taps=25, radius=2), (10, 28, 28), 8), (MotifGene(taps=100, radius=5), (1, 84, 84), 1)],
    ids=["channels", "positions"],
)
def test_a_matrix_of_fifty_million_entries_takes_little_more_than_its_own_bytes(matrix, size, motif, input, channels):
    stage = one_stage(motif, input=input, channels=channels)
    matrix(one_stage(MotifGene()))  # imports and small caches
    tracemalloc.start()
    made = matrix(stage)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 49_000_000 < made.size < 50_000_000
    assert peak <= 1.10 * made.size * size
