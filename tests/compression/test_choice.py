"""The choice of codes: it minimises what it says, with the real size and the real loss."""

import numpy as np
import pytest
import torch

from evonet.compression.choice import FEWEST, LEAST, Chooser, Pick, looks_for
from evonet.compression.codes import CODES, Rounding, dequantise
from evonet.compression.codes.base import nearest_step
from evonet.compression.express import cut, express
from evonet.compression.settings import CompressionSettings
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.network import build, initialise
from evonet.package import Package, pack
from evonet.package.types import Quantised
from evonet.plan import expand

GENOME = Genome(sheets=(SheetGene(channels=6), SheetGene(channels=8, motifs=(MotifGene(mixing="separable"),))))
PLAN = expand(GENOME, input=(1, 8, 8), classes=10)
WEIGHTS = initialise(PLAN, 3)


def distortion(weights):
    """A stand-in for the calibration loss: distance from the float weights."""
    return 0.01 * float(sum((a - b).square().sum() for a, b in zip(weights, WEIGHTS, strict=True)))


def choose(trials=40, known=None, loss=distortion, turn=0, **changes):
    chooser = Chooser(PLAN, CompressionSettings(**changes), loss, overhead=20.0, train_images=1000)
    return chooser.choose(WEIGHTS, known or [None] * len(WEIGHTS), trials=trials, turn=turn)


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


def test_more_trials_only_improve_and_are_counted():
    costs, looks = [], []
    for trials in (FEWEST, 20, 60, 1000):
        calls = []

        def counted(weights, calls=calls):
            calls.append(1)
            return distortion(weights)

        costs.append(choose(trials=trials, loss=counted).cost)
        looks.append(len(calls))
    assert looks[:3] == [FEWEST, 20, 60]
    assert looks[3] < 1000  # where no move pays, it ends
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


@pytest.mark.parametrize("steps", [50, 75, 150, 5000])
def test_the_work_of_a_choice_is_the_wanted_share(steps):
    looks = looks_for(0.15, steps=steps, batch=64, calibration=1000)
    choosing, training = looks.trials * looks.images, 3 * steps * 64
    assert 0.13 < choosing / (choosing + training) <= 0.15
    assert looks.trials >= FEWEST


def test_a_choice_looks_at_no_fewer_images_than_tell_codes_apart():
    assert looks_for(0.15, steps=1, batch=8, calibration=1000) == (LEAST, FEWEST)
    assert looks_for(0.15, steps=1, batch=8, calibration=40) == (40, FEWEST)


def test_codes_that_score_better_are_found_tensor_by_tensor():
    """Where signs are all that counts, a grid pays for sizes, or loses the signs of what it rounds to zero."""

    def loss(weights):
        wrong = [(a.sign() != torch.where(b < 0, -1.0, 1.0)).sum() for a, b in zip(weights, WEIGHTS, strict=True)]
        return 10 * float(sum(wrong)) / sum(w.numel() for w in WEIGHTS)

    codes = choose(trials=2000, loss=loss, codes=("grid", "sign"))
    assert {pick.code for pick in codes.picks} == {"sign"}
    assert codes.cost < choose(trials=2000, loss=loss, codes=("grid",)).cost


def test_a_bound_is_kept_where_it_can_be():
    free = choose(size_weight=0.01)
    bound = choose(size_weight=0.01, bound=120, over=1000.0)
    assert free.bits / 8 + 20 > 120
    assert bound.bits / 8 + 20 <= 120


def test_few_trials_start_from_known_picks_and_move_all_of_them_together():
    known = [Pick("grid", nearest_step(0.11) + k % 3) for k in range(len(WEIGHTS))]
    moves = {a.step - b.step for a, b in zip(choose(trials=0, known=known).picks, known, strict=True)}
    assert len(moves) == 1


def test_codes_that_are_not_allowed_are_not_taken_over():
    codes = choose(trials=0, known=[Pick("sign", 30)] * len(WEIGHTS), codes=("grid",))
    assert {pick.code for pick in codes.picks} == {"grid"}


def test_a_loss_that_is_nan_never_wins():
    calls = []

    def broken(weights):
        calls.append(1)
        return float("nan") if len(calls) < 4 else distortion(weights)

    assert np.isfinite(choose(loss=broken).loss)


def test_dead_taps_are_cut_and_the_network_computes_the_same():
    tensors = [CODES["grid"](w.numpy(), nearest_step(0.1), Rounding(), None) for w in WEIGHTS]
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
