"""evaluate(job) -> outcome, the one function that crosses processes: expand, then train and compress, pack, measure."""

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from evonet import seeds
from evonet.compression.choice import Chooser, Codes
from evonet.compression.codes import grid_of
from evonet.compression.express import cut, express
from evonet.errors import GenomeError
from evonet.evaluation.inherit import Inherited, inherit
from evonet.evaluation.measure import measure
from evonet.evaluation.parents import pack_shadow, read_start
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.code import decode
from evonet.genome.genes import Genome
from evonet.genome.ids import with_ids
from evonet.job import Diverged, Job, Outcome, Rejected, Round, Scored
from evonet.network import Network, build
from evonet.package import Package, pack
from evonet.plan import Budget, Plan, expand
from evonet.training.batches import images_of
from evonet.training.data import DataSet
from evonet.training.quality import quality
from evonet.training.trainer import LN2, NonFinite, Trainer

FRAME = 9.0  # bytes of a package beside genome and codes, about: head, expression, check


class Evaluator:
    """Evaluates jobs on one data set; holds it in memory as uint8."""

    def __init__(self, settings: EvaluationSettings, data: DataSet) -> None:
        self.settings, self.input, self.classes = settings, data.input, data.classes
        limits = settings.budget
        self.budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)
        self.train = images_of(data, "train", settings.device)
        self.calibration = images_of(data, "calibration", settings.device)
        self.validation = images_of(data, "validation", settings.device)
        self.choice = images_of(data, "choice", settings.device)

    def __call__(self, job: Job) -> Outcome:
        started = time.perf_counter()
        genome = with_ids(decode(job.genome), job.ids)
        try:
            plan = expand(genome, input=self.input, classes=self.classes, budget=self.budget)
        except GenomeError as error:
            return Rejected(decision=job.decision, reason=str(error))
        if not plan.tensors:
            return Rejected(decision=job.decision, reason="the network has no weights, expected some to train")
        work = plan.costs.macs * job.steps * self.settings.training.batch
        if work > self.settings.budget.work:
            limit = self.settings.budget.work
            reason = f"{work:,} multiply-adds of forward work, expected at most {limit:,} ([budget] work)"
            return Rejected(decision=job.decision, reason=reason)
        try:
            return _Run(self, job, genome, plan).outcome(started)
        except NonFinite as error:
            return Diverged(decision=job.decision, step=error.step, reason=str(error))


class _Run:
    """One evaluation: rounds of (train, compress), then the package and its measures."""

    def __init__(self, evaluator: Evaluator, job: Job, genome: Genome, plan: Plan) -> None:
        self.e, self.job, self.genome, self.plan = evaluator, job, genome, plan
        self.finishing = job.rung < 0
        self.network: Network = build(plan, costs=evaluator.settings.costs).to(evaluator.settings.device)
        if self.finishing and evaluator.settings.training.compile:
            self.network.compile()
        self.settings = evaluator.settings.compression
        size = self.settings.finish_calibration if self.finishing else self.settings.calibration
        self.calibration = evaluator.calibration.sample(size)

    def outcome(self, started: float) -> Outcome:
        start = self._start()
        trainer = self._trainer(start)
        rounds, codes = self._rounds(trainer, start.steps)
        package = self._pack(codes)
        measures = measure(self.e, self.job, package, self.plan, codes)
        if not (math.isfinite(measures.loss) and math.isfinite(measures.accuracy)):
            return Diverged(
                decision=self.job.decision, step=self.job.steps, reason="the decoded network's logits are not finite"
            )
        return Scored(
            decision=self.job.decision,
            measures=measures,
            package=package,
            shadow=pack_shadow(trainer.weights),
            rounds=tuple(rounds),
            seconds=time.perf_counter() - started,
        )

    def _start(self) -> Inherited:
        parents = [
            read_start(
                start,
                input=self.e.input,
                classes=self.e.classes,
                budget=self.e.budget,
                shadow=self.settings.from_shadow,
            )
            for start in self.job.starts
        ]
        return inherit(self.plan, parents, seeds.key(self.job.seed, "init"))

    def _trainer(self, start: Inherited) -> Trainer:
        training = self.e.settings.training
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
            rate_price=self.settings.rate_term * self.settings.size_weight * LN2 / len(self.e.train),
        )

    def _rounds(self, trainer: Trainer, known: Sequence[int | None]) -> tuple[list[Round], Codes]:
        """Train and compress in turn; steps found in one round are trained through in the next."""
        rounds: list[Round] = []
        codes: Codes | None = None
        pieces = self._pieces()
        for index, steps in enumerate(pieces):
            grid = None
            steps_known = [s for s in known if s is not None]
            if self.settings.straight_through and len(steps_known) == len(known):
                grid = grid_of(self.plan, steps_known, self.settings.dead_zone)
            train_loss = trainer.run(steps, grid)
            sweeps = 0 if self.job.rung == 0 else self.settings.sweeps
            codes = self._chooser((index + 1) / len(pieces)).choose(trainer.weights, known, sweeps=sweeps)
            rounds.append(self._round(steps, train_loss, trainer.weights, codes))
            known = codes.steps
            if not self.settings.from_shadow:
                trainer.replace(codes.weights)
        if codes is None:
            raise AssertionError("an evaluation has at least one round")
        return rounds, codes

    def _pieces(self) -> list[int]:
        """Steps per round, adding up to the job's."""
        n = min(self.settings.finish_rounds if self.finishing else self.settings.rounds, max(1, self.job.steps))
        return [self.job.steps * (i + 1) // n - self.job.steps * i // n for i in range(n)]

    def _chooser(self, share: float) -> Chooser:
        """Of the round with which `share` of the rounds are over."""
        return Chooser(
            self.plan,
            self.settings.at(share),
            self._loss,
            overhead=len(self.job.genome) + FRAME,
            train_images=len(self.e.train),
        )

    def _loss(self, weights: Sequence[Tensor]) -> float:
        return quality(self.network, self.calibration, weights=[w.to(self.e.settings.device) for w in weights])[0]

    def _round(self, steps: int, train_loss: float, weights: Sequence[Tensor], codes: Codes) -> Round:
        return Round(
            steps=steps,
            train_loss=train_loss,
            float_loss=self._loss(weights),
            loss=codes.loss,
            bytes=round(codes.bits / 8 + len(self.job.genome) + FRAME),
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
