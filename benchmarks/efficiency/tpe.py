"""Optuna's TPE and its pruner over the same genes: one worker process of the rival arm of `search.py`.

    python benchmarks/efficiency/tpe.py CONFIG.toml JOURNAL SECONDS SEED OUT.jsonl [--data-dir DIR]

Every trial is one genome out of what founders may be, trained rung by rung from its own last weights as a promotion
is, and pruned between rungs by Optuna's successive halving (asynchronous, reduction factor 4: the share that evonet
promotes). Objective: the score of the configuration. Workers share the study through a journal file.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from evonet.composition import evaluation_settings
from evonet.config import RunConfig, load_config
from evonet.errors import GenomeError
from evonet.evaluation.evaluate import Evaluator
from evonet.evolution.score import score
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.genome.limits import Limits
from evonet.genome.table import LADDER
from evonet.job import Job, Scored, Start
from evonet.plan import Budget, expand, fit
from evonet.training.data import DataSet, load_data

BASES = ((2, 0, 0, 2), (3, 0, 0, 3), (4, 0, 0, 4), (2, 2, 2, -2), (1, 2, 2, -1), (3, 1, 1, -3))
WORST = -1e9  # of what does not expand, or diverges: TPE learns to keep away


def genome_of(trial: optuna.Trial, limits: Limits) -> Genome:
    """What founders are drawn from, as independent choices (`evonet.genome.sampling`)."""
    count = trial.suggest_int("sheets", *limits.sheets)
    sheets = tuple(sheet_of(trial, limits, k) for k in range(count))
    readout = ReadoutGene(
        pooling=trial.suggest_categorical("pooling", ["mean", "max", "both"]), grid=trial.suggest_int("grid", 1, 3)
    )
    return Genome(sheets=sheets, readout=readout)


def sheet_of(trial: optuna.Trial, limits: Limits, k: int) -> SheetGene:
    steps = [c for c in LADDER if limits.channels[0] <= c <= limits.channels[1]]
    tied = trial.suggest_categorical(f"{k}.tied", [False, True])
    motifs = [motif_of(trial, limits, f"{k}.incoming", source=1, first=k == 0)]
    if tied:
        motifs.append(motif_of(trial, limits, f"{k}.own", source=0, first=False))
    return SheetGene(
        channels=steps[trial.suggest_int(f"{k}.channels", 0, len(steps) - 1)],
        reduction=trial.suggest_categorical(f"{k}.reduction", list(limits.reductions)),
        activation=trial.suggest_categorical(f"{k}.activation", list(limits.activations)),
        norm=trial.suggest_categorical(f"{k}.norm", list(limits.norms)),
        residual=trial.suggest_categorical(f"{k}.residual", [False, True]),
        repeats=trial.suggest_int(f"{k}.repeats", 2, limits.repeats_max) if tied else 1,
        motifs=tuple(motifs),
    )


def motif_of(trial: optuna.Trial, limits: Limits, name: str, *, source: int, first: bool) -> MotifGene:
    radius = trial.suggest_int(f"{name}.radius", 0, 2)
    mixings = ["separable", "depthwise"] if source == 0 else ["full"] if first else ["full", "separable", "depthwise"]
    motif = MotifGene(
        source=source,
        radius=radius,
        taps=min((2 * radius + 1) ** 2, limits.taps_max),
        mixing=trial.suggest_categorical(f"{name}.mixing", mixings),
    )
    if radius == 0 or trial.suggest_categorical(f"{name}.long", [False, True]) is False:
        return motif
    basis = BASES[trial.suggest_int(f"{name}.basis", 0, len(BASES) - 1)]
    return MotifGene(
        source=source,
        radius=radius,
        taps=motif.taps,
        mixing=motif.mixing,
        long_share=trial.suggest_int(f"{name}.long_share", 2, 10),
        reach=trial.suggest_int(f"{name}.reach", 3, limits.reach_max),
        pattern=trial.suggest_categorical(f"{name}.pattern", ["lattice", "scatter"]),
        basis=basis,
    )


class Trials:
    """Trains a trial rung by rung and writes down every scored one."""

    def __init__(self, config: RunConfig, data: DataSet, seed: int, out: Path) -> None:
        self.config, self.seed, self.out = config, seed, out
        self.input, self.classes = data.input, data.classes
        self.evaluator = Evaluator(evaluation_settings(config), data)

    def __call__(self, trial: optuna.Trial) -> float:
        genome = self.admitted(genome_of(trial, self.config.genes))
        if genome is None:
            return WORST
        genome, start, seen, value = stamp(genome, trial.number), (), 0, WORST
        for rung, steps in enumerate(self.config.search.rungs):
            job = self.job(genome, trial.number, rung, steps, start, seen)
            outcome = self.evaluator(job)
            if not isinstance(outcome, Scored):
                return WORST
            value, seen = score(outcome.measures, self.config.score), outcome.measures.seen
            self.write(trial.number, rung, outcome)
            start = (Start(genome=job.genome, ids=job.ids, package=outcome.package, shadow=outcome.shadow),)
            trial.report(value, rung)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    def admitted(self, genome: Genome) -> Genome | None:
        b = self.config.budget
        try:
            genome = fit(genome, input=self.input)
            expand(
                genome,
                input=self.input,
                classes=self.classes,
                budget=Budget(macs=b.macs, weights=b.weights, neurons=b.neurons),
            )
        except GenomeError:
            return None
        return genome

    def job(self, genome: Genome, number: int, rung: int, steps: int, starts: tuple[Start, ...], seen: int) -> Job:
        return Job(
            decision=number,
            individual=number,
            rung=rung,
            genome=encode(genome),
            ids=ids_of(genome),
            starts=starts,
            steps=steps,
            seen=seen,
            seed=self.seed * 1_000_003 + 7 * number + rung,
            key="",
        )

    def write(self, number: int, rung: int, outcome: Scored) -> None:
        m = outcome.measures
        line: dict[str, Any] = {
            "id": number,
            "rung": rung,
            "bytes": m.bytes,
            "score": score(m, self.config.score),
            "accuracy": m.accuracy,
            "choice_loss": m.choice_loss,
            "package": outcome.package.hex(),
        }
        with self.out.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--set", action="append", default=[])
    a = parser.parse_args()
    ends = time.monotonic() + a.seconds
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = load_config(a.config, a.set)
    study = optuna.create_study(
        study_name="tpe",
        storage=JournalStorage(JournalFileBackend(str(a.journal))),
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=a.seed, multivariate=True, group=True, constant_liar=True),
        pruner=optuna.pruners.SuccessiveHalvingPruner(reduction_factor=4),
    )
    trials = Trials(config, load_data(config.data.spec, a.data_dir), a.seed, a.out)
    study.optimize(trials, timeout=ends - time.monotonic(), catch=())


if __name__ == "__main__":
    main()
