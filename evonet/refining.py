"""Refinement: the finishing of a run as a command of its own, for any package, genome or individual.

Long rounds of (train, compress) with annealing, codes held more and more, and a last polish (`evaluation.rounds`). It
may be stopped after any round: what it needs to go on lies beside the output until that is written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from msgspec.structs import replace
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from evonet.composition import evaluation_settings
from evonet.compression.settings import CompressionSettings
from evonet.config import DataSettings, RunConfig
from evonet.errors import EvonetError, ExportError, Interrupted, PackageError
from evonet.evaluation.evaluate import Evaluation, Evaluator
from evonet.evaluation.rounds import Rounds
from evonet.evaluation.settings import VERSION
from evonet.files import write_whole
from evonet.genome.code import decode, encode
from evonet.genome.ids import ids_of, stamp
from evonet.genome.text import load
from evonet.job import Job, Round, Scored, Start
from evonet.measured import evaluate
from evonet.package import unpack
from evonet.store import open_run
from evonet.training.data import load_data
from evonet.training.trainer import NonFinite

#: What refinement does where no configuration says otherwise: the compression of configs/records/mnist-refine.toml. How
#: images may be moved and turned depends on what they show, so that is left to configurations.
DEFAULTS = RunConfig(
    compression=CompressionSettings(
        finish_rounds=22, freeze=0.14, polish=60, size_weight=0.3, ramp=0.5, over=64.0, finish_effort=0.15
    ),
)
Told = Callable[[int, int, Round], None]  # (rounds done, rounds in all, the last one)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Before and after; `before` is None where a genome began without weights."""

    before: Quality | None
    after: Quality
    rounds: int
    seen: int  # training examples


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a package without the test split, which only `evonet eval` reads."""

    bytes: int
    validation_accuracy: float  # in [0, 1]
    validation_loss: float  # bits per label
    choice_accuracy: float
    choice_loss: float


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where refinement starts: a genome, and the package of it, where there is one."""

    genome: bytes
    package: bytes = b""


def read_source(path: Path, individual: int | None = None) -> Source:
    """A package (.evo), a genome (.toml), or an individual of a run (a folder).

    Raises PackageError, GenomeError, StoreError or OSError where it cannot be read; ExportError without weights.
    """
    if path.is_dir():
        return _individual(path, individual)
    if path.suffix == ".toml":
        return Source(genome=encode(load(path)))
    data = path.read_bytes()
    try:
        return Source(genome=encode(unpack(data).genome), package=data)
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from None


def _individual(path: Path, individual: int | None) -> Source:
    if individual is None:
        raise ExportError(f"{path} is a run, expected which individual of it: name it with --id")
    with open_run(path) as run:
        package = run.package(individual)
        if package is None:
            raise ExportError(f"{path}: individual {individual} was never scored, expected one with weights")
        return Source(genome=encode(unpack(package).genome), package=package)


def refine(
    source: Source, config: RunConfig, out: Path, *, each: Told, stop: Callable[[], bool] = lambda: False
) -> Card:
    """Refine `source` as [training] and [compression] of `config` say, on its data; write the package to `out`.

    Raises:
        ExportError: there is something at `out`, or beside it the state of another refinement.
        Interrupted: `stop` said so after a round; the same call goes on.
        DataError, GenomeError: the data are missing, or the network is too large for [budget].
        EvonetError: the training diverged.
    """
    if out.exists():
        raise ExportError(f"{out} exists, expected a new file: name another, or move it away")
    data = load_data(config.data.spec, config.data.dir or None)
    evaluator = Evaluator(evaluation_settings(config), data)
    job = _job(source, config, len(evaluator.train))
    evaluation = evaluator.begin(job)
    saved = Saved(out.with_name(out.name + ".state"), _context(config, job, data.fingerprint))
    saved.restore(evaluation.rounds)

    def after(rounds: Rounds, last: Round) -> None:
        saved.save(rounds)
        each(rounds.progress.done, len(rounds.pieces), last)
        if stop():
            raise Interrupted(f"stopped; the same command goes on from {saved.path}")

    package = _outcome(evaluation, after).package
    write_whole(out, package)
    saved.path.unlink(missing_ok=True)
    return _card(source, package, config, job)


class Saved:
    """What a refinement needs to go on, beside its output: tensors as safetensors, the rest as its metadata."""

    def __init__(self, path: Path, context: str) -> None:
        self.path, self.context = path, context

    def save(self, rounds: Rounds) -> None:
        progress, tensors = rounds.state()
        write_whole(self.path, save(tensors, {"context": self.context, "progress": progress.decode()}))

    def restore(self, rounds: Rounds) -> None:
        """Go on from the file, if there is one."""
        if not self.path.exists():
            return
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        except SafetensorError as error:
            raise PackageError(f"{self.path}: damaged ({error}): remove it to begin again") from None
        if metadata.get("context") != self.context:
            raise ExportError(
                f"{self.path} is of another refinement (other source, settings, data or evonet): remove it to begin "
                "again, or name another output"
            )
        rounds.restore(metadata["progress"].encode(), tensors)


def _job(source: Source, config: RunConfig, train_images: int) -> Job:
    """A finishing evaluation; one round is one epoch."""
    ids = ids_of(stamp(decode(source.genome), 0))
    starts: tuple[Start, ...] = ()
    if source.package:
        starts = (Start(genome=source.genome, ids=ids, package=source.package, shadow=b""),)
    steps = config.compression.finish_rounds * max(1, train_images // config.training.batch)
    return Job(
        decision=0,
        individual=0,
        rung=-1,
        genome=source.genome,
        ids=ids,
        starts=starts,
        steps=steps,
        seed=config.run.seed,
        key="",
    )


def _outcome(evaluation: Evaluation, after: Callable[[Rounds, Round], None]) -> Scored:
    try:
        outcome = evaluation.outcome(time.perf_counter(), after)
    except NonFinite as error:
        raise EvonetError(f"refinement diverged: {error}. Lower training.lr, or take another seed.") from None
    if not isinstance(outcome, Scored):
        raise EvonetError(f"refinement came to nothing: {outcome.reason}")
    return outcome


def _context(config: RunConfig, job: Job, fingerprint: str) -> str:
    """Without the device: what was begun on a GPU goes on elsewhere."""
    settings = replace(evaluation_settings(config), device="")
    parts = (VERSION, fingerprint, torch.get_num_threads(), settings, job)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _card(source: Source, package: bytes, config: RunConfig, job: Job) -> Card:
    return Card(
        before=_quality(source.package, config.data) if source.package else None,
        after=_quality(package, config.data),
        rounds=config.compression.finish_rounds,
        seen=job.steps * config.training.batch,
    )


def _quality(package: bytes, data: DataSettings) -> Quality:
    folder = Path(data.dir) if data.dir else None
    validation, choice = (
        evaluate(package, spec=data.spec, data_dir=folder, split=split, where="package")
        for split in ("validation", "choice")
    )
    return Quality(
        bytes=len(package),
        validation_accuracy=validation.accuracy,
        validation_loss=validation.loss,
        choice_accuracy=choice.accuracy,
        choice_loss=choice.loss,
    )


def settings_of(
    config: RunConfig,
    *,
    spec: str | None,
    epochs: int | None,
    size: int | None,
    seed: int | None,
    device: str | None = None,
) -> RunConfig:
    """`config` with what the command line says."""
    if spec is not None:
        config = replace(config, data=replace(config.data, spec=spec))
    if epochs is not None:
        config = replace(config, compression=replace(config.compression, finish_rounds=epochs))
    if size is not None:
        score = replace(config.score, bound=size)
        config = replace(config, compression=replace(config.compression, bound=size), score=score)
    if seed is not None:
        config = replace(config, run=replace(config.run, seed=seed))
    if device is not None:
        config = replace(config, workers=replace(config.workers, device=device))
    return config
