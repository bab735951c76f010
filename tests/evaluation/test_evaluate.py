"""evaluate(job) -> outcome, on the packaged digits: real training, real bytes, one thread."""

import msgspec
import pytest
import torch

from evonet.compression.settings import CompressionSettings
from evonet.errors import ConfigError
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.parents import pack_shadow, unpack_shadow
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.code import decode, encode
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.job import Diverged, Job, Rejected, Scored, Start
from evonet.network import decoded, initialise
from evonet.package import unpack
from evonet.package.format import BUDGET
from evonet.plan import expand
from evonet.training.batches import images_of
from evonet.training.data import load_data
from evonet.training.quality import quality
from evonet.training.settings import BudgetSettings, TrainingSettings

DATA = load_data("digits")
GENOME = stamp(
    Genome(
        sheets=(
            SheetGene(channels=6, reduction="stride"),
            SheetGene(channels=8, motifs=(MotifGene(mixing="separable"),)),
        ),
        readout=ReadoutGene(grid=2),
    ),
    0,
)
SETTINGS = EvaluationSettings(
    training=TrainingSettings(batch=32, lr=0.02), compression=CompressionSettings(size_weight=0.1)
)


def job(genome=GENOME, **changes):
    fields = {
        "decision": 5,
        "individual": 3,
        "rung": 0,
        "genome": encode(genome),
        "ids": ids_of(genome),
        "steps": 120,
        "seed": 11,
        "key": "k",
    }
    return Job(**(fields | changes))


def start(outcome, genome=GENOME):
    return Start(genome=encode(genome), ids=ids_of(genome), package=outcome.package, shadow=outcome.shadow)


@pytest.fixture(scope="module")
def evaluator():
    torch.set_num_threads(1)
    return Evaluator(SETTINGS, DATA)


@pytest.fixture(scope="module")
def scored(evaluator):
    return evaluator(job())


def same(a: Scored, b: Scored) -> bool:
    return msgspec.structs.replace(a, seconds=0.0) == msgspec.structs.replace(b, seconds=0.0)


def test_what_is_scored_is_what_is_kept(evaluator, scored):
    """Size and quality are of the very bytes: decoded again, they give the same numbers."""
    assert isinstance(scored, Scored)
    network = decoded(unpack(scored.package))
    loss, accuracy = quality(network, images_of(DATA, "validation"))
    assert (scored.measures.loss, scored.measures.accuracy) == (loss, accuracy)
    assert scored.measures.bytes == len(scored.package)
    assert scored.measures.accuracy > 0.6
    assert scored.measures.train_images == len(DATA.splits.train)
    assert scored.measures.seen == 120 * 32
    assert scored.measures.choice_loss is None


def test_the_same_job_gives_the_same_bits(evaluator, scored):
    assert same(evaluator(job()), scored)
    assert not same(evaluator(job(seed=12)), scored)


def test_rounds_add_up_and_tell_of_compression(scored):
    assert [r.steps for r in scored.rounds] == [60, 60]
    assert scored.rounds[-1].bytes == pytest.approx(scored.measures.bytes, abs=12)


def test_promotion_goes_on_from_its_own_weights(evaluator, scored):
    more = evaluator(job(rung=1, starts=(start(scored),), steps=240, seen=scored.measures.seen))
    assert more.measures.loss < scored.measures.loss
    assert more.measures.seen == (120 + 240) * 32
    assert more.measures.choice_loss is not None
    assert more.rounds[0].train_loss < scored.rounds[0].train_loss


def test_finishing_takes_its_own_rounds(evaluator, scored):
    settings = msgspec.structs.replace(SETTINGS, compression=CompressionSettings(finish_rounds=3))
    done = Evaluator(settings, DATA)(job(rung=-1, starts=(start(scored),), steps=60))
    assert len(done.rounds) == 3
    assert done.measures.choice_accuracy is not None


def test_an_heir_starts_where_its_parent_stood(evaluator, scored):
    """After one step at the foot of the warm-up an heir is close to its parent; without a start it is at chance."""
    heir = evaluator(job(starts=(start(scored),), steps=1, seed=99))
    stranger = evaluator(job(steps=1, seed=99))
    assert abs(heir.measures.loss - scored.measures.loss) < 0.15 < stranger.measures.loss - scored.measures.loss


@pytest.mark.parametrize("from_shadow", [True, False])
@pytest.mark.parametrize("straight_through", [True, False])
def test_every_setting_of_the_rounds_gives_a_network(scored, from_shadow, straight_through):
    compression = CompressionSettings(rounds=3, from_shadow=from_shadow, straight_through=straight_through)
    outcome = Evaluator(msgspec.structs.replace(SETTINGS, compression=compression), DATA)(job(steps=30))
    assert isinstance(outcome, Scored)
    if not from_shadow:
        again = Evaluator(msgspec.structs.replace(SETTINGS, compression=compression), DATA)
        assert same(again(job(steps=30)), outcome)


def test_too_large_is_rejected_before_training():
    budget = BudgetSettings(macs=100)
    outcome = Evaluator(msgspec.structs.replace(SETTINGS, budget=budget), DATA)(job())
    assert isinstance(outcome, Rejected)
    assert "macs reach" in outcome.reason
    work = BudgetSettings(work=10**6)
    outcome = Evaluator(msgspec.structs.replace(SETTINGS, budget=work), DATA)(job())
    assert isinstance(outcome, Rejected)
    assert "[budget] work" in outcome.reason


def test_a_network_without_weights_is_rejected(evaluator):
    sheet = SheetGene(channels=10, bias="none", motifs=(MotifGene(mixing="identity"),))
    outcome = evaluator(job(stamp(Genome(sheets=(sheet,), readout=ReadoutGene(kind="direct")), 0)))
    assert outcome == Rejected(decision=5, reason="the network has no weights, expected some to train")


def test_no_budget_allows_what_a_package_cannot_hold():
    largest = {"macs": BUDGET.macs, "weights": BUDGET.weights, "neurons": BUDGET.neurons}
    msgspec.convert(largest, BudgetSettings)
    for name, limit in largest.items():
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: limit + 1}, BudgetSettings)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_told(device):
    with pytest.raises(ConfigError, match=rf"^workers\.device = '{device}', expected .*"):
        Evaluator(msgspec.structs.replace(SETTINGS, device=device), DATA)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_through_the_rounding():
    settings = msgspec.structs.replace(SETTINGS, device="cuda")
    assert isinstance(Evaluator(settings, DATA)(job()), Scored)


@pytest.mark.filterwarnings("ignore")
def test_a_nan_is_an_outcome():
    training = TrainingSettings(optimizer="sgd", lr=10.0, momentum=1.0, clip=0.0, batch=32)
    wild = stamp(Genome(sheets=(SheetGene(channels=24, activation="none"),) * 4), 0)
    outcome = Evaluator(msgspec.structs.replace(SETTINGS, training=training), DATA)(job(wild))
    assert isinstance(outcome, Diverged)
    assert outcome.decision == 5


def test_shadows_round_trip():
    plan = expand(GENOME, input=(1, 8, 8), classes=10)
    weights = [w.half().float() for w in initialise(plan, 4)]
    for a, b in zip(unpack_shadow(pack_shadow(weights), plan), weights, strict=True):
        assert torch.equal(a, b)


def test_a_package_holds_the_genome_without_ids(scored):
    assert encode(unpack(scored.package).genome) == encode(GENOME)
    assert decode(encode(GENOME)).sheets[0].id is None
