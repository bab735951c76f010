"""Rounds of (train, compress): what finishing adds, and that they go on anywhere."""

from itertools import pairwise

import msgspec
import pytest
import torch

from evonet.compression.settings import CompressionSettings
from evonet.errors import Interrupted
from evonet.evaluation.evaluate import Evaluation, Evaluator
from evonet.evaluation.rounds import Rounds, pieces
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.code import encode
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.job import Job
from evonet.network import build, initialise
from evonet.package import STEPS, unpack
from evonet.plan import expand
from evonet.training.batches import images_of
from evonet.training.data import load_data
from evonet.training.quality import slopes
from evonet.training.rounding import straight_through
from evonet.training.settings import TrainingSettings

GENOME = stamp(
    Genome(sheets=(SheetGene(channels=6, reduction="max", motifs=(MotifGene(),)),), readout=ReadoutGene(grid=2)), 0
)
DATA = load_data("digits")


def begin(rung: int = -1, steps: int = 60, average: float = 0.0, **compression) -> Evaluation:
    settings = EvaluationSettings(
        training=TrainingSettings(average=average, shift=1),
        compression=CompressionSettings(
            **({"finish_rounds": 6, "calibration": 64, "finish_calibration": 64} | compression)
        ),
    )
    job = Job(
        decision=0,
        individual=0,
        rung=rung,
        genome=encode(GENOME),
        ids=ids_of(GENOME),
        starts=(),
        steps=steps,
        seed=1,
        key="",
    )
    return Evaluator(settings, DATA).begin(job)


def bits(evaluation: Evaluation) -> bytes:
    return evaluation.outcome(0.0).package


def test_pieces_add_up_and_none_is_empty():
    for steps, rounds in ((100, 7), (3, 8), (1, 1), (8, 8)):
        found = pieces(steps, rounds)
        assert sum(found) == steps
        assert len(found) == min(rounds, steps)
        assert min(found) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"freeze": 0.5, "polish": 20, "average": 0.9},
        {"from_shadow": False, "ramp": 1.0},
        {"steer": True, "bound": 150},
        {"settle": 0.5, "within": True, "bound": 150},
    ],
)
def test_rounds_that_were_stopped_end_in_the_same_bytes(changes):
    whole = bits(begin(**changes))
    for after in (1, 4):
        stopped, kept = begin(**changes), []

        def stop(rounds: Rounds, _, after=after, kept=kept):
            kept[:] = [rounds.state()]
            if rounds.progress.done == after:
                raise Interrupted("enough")

        with pytest.raises(Interrupted):
            stopped.rounds.run(stop)
        again = begin(**changes)
        again.rounds.restore(*kept[0])
        assert again.rounds.progress.done == after
        assert bits(again) == whole


def test_a_state_after_the_last_round_ends_in_the_same_bytes():
    whole = begin(freeze=0.5, polish=10)
    expected = bits(whole)
    again = begin(freeze=0.5, polish=10)
    again.rounds.restore(*whole.rounds.state())
    assert bits(again) == expected


def test_frozen_rounds_hold_ever_more_weights_at_their_codes_and_keep_the_steps():
    evaluation, held, picks = begin(freeze=0.5), [], []

    def look(rounds: Rounds, _):
        held.append(0.0 if rounds.trainer.held is None else float(rounds.trainer.held.float().mean()))
        picks.append(rounds.progress.picks)

    codes = evaluation.rounds.run(look)
    assert held == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75], abs=0.01)
    assert picks[2] == picks[3] == picks[5]
    trainer = evaluation.trainer
    decoded = torch.cat([w.flatten() for w in codes.weights])
    assert torch.equal(trainer.theta.detach()[trainer.held], decoded[trainer.held])


@pytest.mark.parametrize("first", [2, 4])
def test_settled_rounds_keep_the_steps_and_train_all_weights(first):
    evaluation, picks, weights = begin(steps=600, settle=first / 6), [], []

    def look(rounds: Rounds, _):
        picks.append(rounds.progress.picks)
        weights.append(rounds.trainer.theta.detach().clone())

    evaluation.rounds.run(look)
    kept = [after == before for before, after in pairwise(picks)]
    assert all(kept[first - 1 :])
    assert not any(kept[: first - 1])
    assert all((after != before).float().mean() > 0.9 for before, after in pairwise(weights))
    assert evaluation.trainer.held is None


def test_going_on_from_the_decoded_weights():
    evaluation, seen = begin(from_shadow=False), []
    evaluation.rounds.run(lambda rounds, _: seen.append([w.clone() for w in rounds.trainer.weights]))
    for weights in seen:
        steps = [float(STEPS[p.step]) for p in evaluation.rounds.progress.picks]
        assert all(len(torch.unique(w)) < 40 for w, _ in zip(weights, steps, strict=True))


def test_polish_pays_by_its_own_ruler_and_moves_single_codes():
    plain, polished = (begin(steps=200, size_weight=0.1, polish=trials) for trials in (0, 60))
    before, after = plain.rounds.run(), polished.rounds.run()
    assert after.picks == before.picks
    moved = [abs(a.codes - b.codes) for a, b in zip(after.tensors, before.tensors, strict=True)]
    assert 0 < sum(int(m.sum()) for m in moved) <= 60
    assert max(int(m.max()) for m in moved) <= 4
    assert after.cost < before.cost + 1e-9  # `before` is of another ruler where there are more images; here of the same


def test_a_finished_file_is_within_its_bound_where_codes_were_held():
    free = begin(steps=200, size_weight=0.1, freeze=0.5)
    free.rounds.run()

    def finished(bound: int, polish: int) -> bytes:
        """At the steps that a search without a bound found."""
        evaluation = begin(steps=200, size_weight=0.1, freeze=0.5, polish=polish, bound=bound, over=64.0)
        rounds = evaluation.rounds
        rounds.progress.picks = free.rounds.progress.picks
        rounds._choose = lambda images, index, trials: rounds._fixed()
        return bits(evaluation)

    size = len(finished(0, 0))
    assert [len(finished(round(0.85 * size), polish)) <= round(0.85 * size) for polish in (0, 10)] == [True, True]


@pytest.mark.parametrize(("bound", "dearer"), [(10, True), (2000, False)])
def test_steering_makes_bits_dearer_while_files_are_too_large_and_cheaper_below(bound, dearer):
    evaluation, prices = begin(steer=True, bound=bound, over=1.0, size_weight=0.001), []
    start = evaluation.trainer.rate_price
    evaluation.rounds.run(lambda rounds, _: prices.append(rounds.trainer.rate_price))
    assert prices == sorted(prices, reverse=not dearer)
    assert (prices[-1] > 2 * start) == dearer
    assert (prices[-1] < start / 2) != dearer
    steady = begin(bound=bound, over=1.0, size_weight=0.001)
    steady.rounds.run()
    assert steady.trainer.rate_price == start


def test_a_ramp_prices_size_late():
    flat, ramped = begin(size_weight=3.0, steps=200), begin(size_weight=3.0, steps=200, ramp=2.0)
    for evaluation in (flat, ramped):
        evaluation.rounds.run()
    first = [evaluation.rounds.progress.trace[0].bytes for evaluation in (flat, ramped)]
    assert first[1] > 1.3 * first[0]
    settings = CompressionSettings(size_weight=2.0, bound=100, ramp=2.0)
    assert (settings.at(0.25).size_weight, settings.at(0.25).bound, settings.at(0.5)) == (0.5, 400, settings)


@pytest.mark.parametrize("code", ["half", "book", "ternary", "sign"])
def test_every_code_can_be_the_only_one(code):
    evaluation = begin(rung=0, codes=(code,))
    package = unpack(bits(evaluation))
    kinds = {type(t).__name__ for t in package.tensors}
    assert kinds <= {"half": {"Half"}, "book": {"Book", "Quantised"}}.get(code, {"Quantised"})
    if code in ("ternary", "sign"):
        assert max(int(abs(t.codes).max()) for t in package.tensors) == 1


def test_progress_survives_json():
    evaluation = begin()
    evaluation.rounds.run()
    progress, _ = evaluation.rounds.state()
    assert msgspec.json.decode(progress)["done"] == 6


@pytest.mark.parametrize("code", ["ternary", "sign"])
def test_signs_are_trained_at_the_scale_at_which_they_are_decoded(code):
    evaluation = begin(codes=(code,))
    codes = evaluation.rounds.run()
    grid = evaluation.rounds._grid()
    trained = straight_through(evaluation.trainer.theta.detach(), grid).abs()
    decoded = torch.unique(torch.cat([w.flatten() for w in codes.weights]).abs())
    off = (trained[:, None] - torch.cat([decoded, torch.zeros(1)])).abs().min(1).values
    assert float(off.max()) < 1e-5


def test_a_code_that_fits_no_tensor_keeps_the_steps_it_found():
    evaluation, steps = begin(codes=("dct",)), []
    evaluation.rounds.run(lambda rounds, _: steps.append([p.step for p in rounds.progress.picks]))
    chooser = evaluation.rounds._chooser(evaluation.rounds.settings, evaluation.rounds.calibration)
    assert [p.step for p in chooser.start(evaluation.trainer.weights, evaluation.rounds.progress.picks)] == steps[-1]


def test_a_sheet_that_nothing_reads_is_no_stumbling_block():
    lonely = Genome(sheets=(SheetGene(channels=3), SheetGene(channels=4, motifs=(MotifGene(source=2),))))
    plan = expand(lonely, input=(1, 8, 8), classes=10)
    images = images_of(DATA, "train").sample(100)
    first, _ = slopes(build(plan), images, initialise(plan, 0))
    assert not first[0].any()
    assert first[-1].any()
