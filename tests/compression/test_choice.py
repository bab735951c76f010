"""The choice of codes: it minimises what it says, with the real size and the real loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evonet.compression.choice import Chooser
from evonet.compression.codes import dequantise, nearest_step, quantise
from evonet.compression.express import cut, express
from evonet.compression.settings import CompressionSettings
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.network import build, initialise
from evonet.package import STEPS, Package, pack
from evonet.package.types import Quantised
from evonet.plan import expand

GENOME = Genome(sheets=(SheetGene(channels=6), SheetGene(channels=8, motifs=(MotifGene(mixing="separable"),))))
PLAN = expand(GENOME, input=(1, 8, 8), classes=10)
WEIGHTS = initialise(PLAN, 3)


def distortion(weights):
    """A stand-in for the calibration loss: distance from the float weights."""
    return 0.01 * float(sum((a - b).square().sum() for a, b in zip(weights, WEIGHTS, strict=True)))


def choose(sweeps=0, known=None, loss=distortion, **changes):
    options = CompressionSettings(**changes)
    chooser = Chooser(PLAN, options, loss, overhead=20.0, train_images=1000)
    return chooser.choose(WEIGHTS, known or [None] * len(WEIGHTS), sweeps=sweeps)


def packed(codes):
    expression = express(PLAN, codes.tensors)
    live = expand(GENOME, input=(1, 8, 8), classes=10, expression=expression)
    tensors = tuple(cut(live, codes.tensors))
    return pack(Package(genome=GENOME, input=(1, 8, 8), classes=10, expression=expression, tensors=tensors))


def test_dearer_bytes_give_smaller_files_of_less_quality():
    found = [choose(size_weight=w) for w in (0.01, 1.0, 30.0)]
    sizes = [len(packed(c)) for c in found]
    assert sizes[0] > sizes[1] > sizes[2]
    assert found[0].loss < found[1].loss < found[2].loss


def test_the_estimated_size_is_the_file():
    codes = choose()
    expected = len(packed(codes))
    assert codes.bits / 8 + 20 == pytest.approx(expected, abs=20)
    assert expected - codes.bits / 8 < 30


def test_sweeps_only_improve():
    assert choose(sweeps=2).cost < choose(sweeps=0).cost


def test_a_bound_is_kept_where_it_can_be():
    free = choose(size_weight=0.01)
    bound = choose(size_weight=0.01, bound=120, over=1000.0)
    assert free.bits / 8 + 20 > 120
    assert bound.bits / 8 + 20 <= 120


def test_the_search_starts_from_known_steps_and_moves_all_of_them_together():
    steps = [nearest_step(0.11) + k % 3 for k in range(len(WEIGHTS))]
    moves = {a - b for a, b in zip(choose(known=steps).steps, steps, strict=True)}
    assert len(moves) == 1


def test_a_loss_that_is_nan_never_wins():
    calls = []

    def broken(weights):
        calls.append(1)
        return float("nan") if len(calls) < 4 else distortion(weights)

    assert np.isfinite(choose(loss=broken).loss)


@given(st.integers(0, 63), st.integers(1, 40), st.integers(0, 2**31))
@settings(deadline=None)
def test_codes_decode_to_the_nearest_weights(step, n, seed):
    weight = torch.randn(n, generator=torch.Generator().manual_seed(seed)) * float(STEPS[step]) * 5
    quantised = quantise(weight, step, 0.0)
    assert (dequantise(quantised) - weight).abs().max() <= float(STEPS[step]) * 0.5001
    assert np.array_equal(quantise(dequantise(quantised), step, 0.0).codes, quantised.codes)


def test_dead_taps_are_cut_and_the_network_computes_the_same():
    tensors = [quantise(w, nearest_step(0.1), 0.0) for w in WEIGHTS]
    for index, dead in ((0, [0, 4]), (2, list(range(8)))):
        codes = tensors[index].codes.copy()
        codes[..., dead] = 0
        tensors[index] = Quantised(step=tensors[index].step, codes=codes)
    live = expand(GENOME, input=(1, 8, 8), classes=10, expression=express(PLAN, tensors))
    kept = cut(live, tensors)
    assert [len(s.taps) for s in live.stages] == [7, 1, 1]
    x = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        a = build(PLAN)(x, [dequantise(q) for q in tensors])
        b = build(live)(x, [dequantise(q) for q in kept])
    torch.testing.assert_close(a, b)
