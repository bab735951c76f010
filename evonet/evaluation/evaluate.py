"""evaluate(job) -> outcome, the one function that crosses processes: expand, then train and compress, pack, measure."""

import math
import time
from collections.abc import Callable

import torch

from evonet import seeds
from evonet.compression.choice import Codes
from evonet.compression.express import cut, express
from evonet.errors import ConfigError, GenomeError
from evonet.evaluation.inherit import Inherited, inherit
from evonet.evaluation.measure import measure
from evonet.evaluation.parents import pack_shadow, read_start
from evonet.evaluation.rounds import Rounds
from evonet.evaluation.settings import EvaluationSettings
from evonet.evaluation.walltime import wall_times
from evonet.genome.code import decode
from evonet.genome.genes import Genome
from evonet.genome.ids import with_ids
from evonet.job import Diverged, Job, Outcome, Rejected, Round, Scored
from evonet.network import Network, build, decoded
from evonet.package import Package, pack, unpack
from evonet.plan import Budget, Plan, expand
from evonet.training.batches import images_of
from evonet.training.data import DataSet
from evonet.training.trainer import LN2, NonFinite, Trainer

FRAME = 9  # bytes of a package beside genome and codes, about: head, expression, check


class Evaluator:
    """Evaluates jobs on one data set; holds it in memory as uint8."""

    def __init__(self, settings: EvaluationSettings, data: DataSet) -> None:
        """Raises ConfigError: torch finds no such device on this machine."""
        _check_device(settings.device)
        self.settings, self.input, self.classes = settings, data.input, data.classes
        limits = settings.budget
        self.budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)
        self.train = images_of(data, "train", settings.device)
        self.calibration = images_of(data, "calibration", settings.device)
        self.validation = images_of(data, "validation", settings.device)
        self.choice = images_of(data, "choice", settings.device)

    def __call__(self, job: Job) -> Outcome:
        started = time.perf_counter()
        try:
            evaluation = self.begin(job)
        except GenomeError as error:
            return Rejected(decision=job.decision, reason=str(error))
        try:
            return evaluation.outcome(started)
        except NonFinite as error:
            return Diverged(decision=job.decision, step=error.step, reason=str(error))

    def begin(self, job: Job) -> "Evaluation":
        """The evaluation of `job` before its first step. Raises GenomeError: too large, or nothing to train."""
        genome = with_ids(decode(job.genome), job.ids)
        plan = expand(genome, input=self.input, classes=self.classes, budget=self.budget)
        if not plan.tensors:
            raise GenomeError("the network has no weights, expected some to train")
        work = plan.costs.macs * job.steps * self.settings.training.batch
        if work > self.settings.budget.work:
            limit = self.settings.budget.work
            raise GenomeError(f"{work:,} multiply-adds of forward work, expected at most {limit:,} ([budget] work)")
        return Evaluation(self, job, genome, plan)


class Evaluation:
    """One evaluation: rounds of (train, compress), then the package and its measures."""

    def __init__(self, evaluator: Evaluator, job: Job, genome: Genome, plan: Plan) -> None:
        self.e, self.job, self.genome, self.plan = evaluator, job, genome, plan
        self.finishing = job.rung < 0
        self.network: Network = build(plan, costs=evaluator.settings.costs).to(evaluator.settings.device)
        if self.finishing and evaluator.settings.training.compile:
            self.network.compile()
        start = self._start()
        self.trainer = self._trainer(start)
        self.rounds = self._rounds(start)

    def outcome(self, started: float, each: Callable[[Rounds, Round], None] | None = None) -> Outcome:
        """The rounds that are left, with `each` called after every one, and what comes of them. Raises NonFinite."""
        codes = self.rounds.run(each)
        package = self._pack(codes)
        measures = measure(self.e, self.job, package, self.plan, codes)
        if not all(map(math.isfinite, (measures.loss, measures.accuracy, measures.corrupted_loss or 0.0))):
            return Diverged(
                decision=self.job.decision, step=self.job.steps, reason="the decoded network's logits are not finite"
            )
        return Scored(
            decision=self.job.decision,
            measures=measures,
            package=package,
            shadow=pack_shadow(self.trainer.weights),
            rounds=tuple(self.rounds.progress.trace),
            seconds=time.perf_counter() - started,
            **self._times(package),
        )

    def _times(self, package: bytes) -> dict[str, float]:
        """Measured where a prediction was asked for, to be held against it."""
        if "milliseconds" not in self.e.settings.extras:
            return {}
        times = wall_times(decoded(unpack(package), costs=self.e.settings.costs), self.e.validation)
        return {"single_ms": times.single, "batched_ms": times.batched}

    def _start(self) -> Inherited:
        parents = [
            read_start(
                start,
                input=self.e.input,
                classes=self.e.classes,
                budget=self.e.budget,
                shadow=self.e.settings.compression.from_shadow,
            )
            for start in self.job.starts
        ]
        return inherit(self.plan, parents, seeds.key(self.job.seed, "init"))

    def _trainer(self, start: Inherited) -> Trainer:
        training, compression = self.e.settings.training, self.e.settings.compression
        rates = None
        if self.job.starts and not self.finishing and training.inherited_rate < 1:
            rates = [torch.where(old, training.inherited_rate, 1.0) for old in start.old]
        return Trainer(
            self.network,
            start.weights,
            self.e.train,
            training,
            steps=self.job.steps,
            seed=self.job.seed,
            rates=rates,
            rate_price=compression.rate_term * compression.size_weight * LN2 / len(self.e.train),
            looking=self.e.settings.looking,
            within=compression.within is True,
        )

    def _rounds(self, start: Inherited) -> Rounds:
        settings = self.e.settings.compression
        calibration = settings.finish_calibration if self.finishing else settings.calibration
        return Rounds(
            self.network,
            self.trainer,
            settings,
            train=self.e.train,
            calibration=self.e.calibration.sample(calibration),
            overhead=len(self.job.genome) + FRAME,
            size=lambda codes: len(self._pack(codes)),
            finishing=self.finishing,
            known=start.picks,
        )

    def _pack(self, codes: Codes) -> bytes:
        expression = express(self.plan, codes.tensors)
        live = expand(
            self.genome, input=self.e.input, classes=self.e.classes, expression=expression, budget=self.e.budget
        )
        return pack(
            Package(
                genome=decode(self.job.genome),
                input=self.e.input,
                classes=self.e.classes,
                expression=expression,
                tensors=tuple(cut(live, codes.tensors)),
            )
        )


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:  # the second: a torch that was built without CUDA
        why = str(error).partition("\n")[0][:120]
        raise ConfigError(
            f"workers.device = {name!r}, expected one that torch finds on this machine, such as cpu or cuda ({why}). "
            "Set another, or look at what `evonet doctor` finds."
        ) from None
