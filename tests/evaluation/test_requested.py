"""What evaluations measure on request: quality under corruptions, predicted and measured milliseconds."""

import msgspec
import pytest
import torch

from evonet.compression.settings import CompressionSettings
from evonet.evaluation import measure, walltime
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.code import encode
from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.job import EXTRAS, Diverged, Job, Scored
from evonet.network import decoded
from evonet.package import unpack
from evonet.plan.lowering import forward_milliseconds
from evonet.training.data import load_data
from evonet.training.quality import quality, robustness
from evonet.training.settings import TrainingSettings

DATA = load_data("digits")
GENOME = stamp(
    Genome(
        sheets=(SheetGene(channels=4), SheetGene(channels=8, motifs=(MotifGene(radius=0, taps=1),))),
        saccade=SaccadeGene(cell=4, downsampling=2, glance=4, budgets=(2, 0, 0, 0)),
    ),
    0,
)
PLAIN = EvaluationSettings(
    training=TrainingSettings(batch=32, lr=0.02), compression=CompressionSettings(size_weight=0.01)
)
NAMES = [name for names in EXTRAS.values() for name in names]


def outcome(settings=PLAIN, genome=GENOME):
    job = Job(
        decision=0, individual=0, rung=0, genome=encode(genome), ids=ids_of(genome), steps=60, seed=1, key="k"
    )  # fmt: skip
    return Evaluator(settings, DATA)(job)


def asking(*extras):
    return msgspec.structs.replace(PLAIN, measures=extras)


@pytest.fixture(scope="module")
def plain():
    torch.set_num_threads(1)
    return outcome()


@pytest.fixture(scope="module")
def full():
    return outcome(asking("corrupted", "milliseconds"))


def test_without_a_request_nothing_is_measured(plain):
    assert {getattr(plain.measures, name) for name in NAMES} == {None}
    assert (plain.single_ms, plain.batched_ms) == (None, None)


def test_a_request_changes_nothing_else(plain, full):
    asked = msgspec.structs.replace(full.measures, **dict.fromkeys(NAMES))
    times = {"seconds": plain.seconds, "single_ms": None, "batched_ms": None}
    assert msgspec.structs.replace(full, measures=asked, **times) == plain


def test_what_is_measured_is_what_is_kept(full):
    network = decoded(unpack(full.package))
    some = Evaluator(PLAIN, DATA).validation.sample(measure.CORRUPTED)
    assert (full.measures.corrupted_loss, full.measures.corrupted_accuracy) == robustness(network, some)
    assert full.measures.corrupted_loss != quality(network, some)[0]
    assert full.measures.milliseconds == forward_milliseconds(network.plan, PLAIN.costs) > 0
    assert full.single_ms > 0 < full.batched_ms


def test_each_alone():
    one, other = outcome(asking("corrupted")), outcome(asking("milliseconds"))
    assert (one.measures.milliseconds, one.single_ms, other.measures.corrupted_loss) == (None, None, None)
    assert one.measures.corrupted_accuracy is not None
    assert other.measures.milliseconds is not None is not other.single_ms


def test_logits_that_are_finite_on_clean_images_alone_are_no_score(monkeypatch):
    monkeypatch.setattr(measure, "robustness", lambda *_: (float("nan"), float("nan")))
    assert isinstance(outcome(asking("corrupted")), Diverged)
    assert isinstance(outcome(asking("milliseconds")), Scored)


def test_wall_times_take_one_thread_and_give_the_others_back(full):
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, x):
            seen.append((len(x), torch.get_num_threads()))
            return x

    torch.set_num_threads(2)
    try:
        images = Evaluator(PLAIN, DATA).validation
        single, batched = walltime.wall_times(Watched(), images)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert min(single, batched) > 0
    assert {threads for _, threads in seen} == {1}
    assert [n for n, _ in seen] == [1] * (walltime.PASSES + 1) + [walltime.BATCH] * (walltime.PASSES + 1)
