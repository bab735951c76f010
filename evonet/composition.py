"""What a configuration means to the layers below: data, evaluation settings, the search and what it decides by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from evonet.config import RunConfig, parse_config, seed_genomes
from evonet.errors import GenomeError, StoreError
from evonet.evaluation.settings import VERSION, EvaluationSettings
from evonet.evolution.interventions import scheduled
from evonet.genome import Genome
from evonet.store import Event, RunWriter
from evonet.training.settings import SaccadeSettings

# Torch and DEAP come in where they are used: a driver that finds the run locked has to say so at once.
if TYPE_CHECKING:
    from evonet.evolution.search import Search
    from evonet.evolution.terms import Terms
    from evonet.training.data import DataSet


def load(config: RunConfig) -> DataSet:
    from evonet.training.data import load_data

    return load_data(config.data.spec, config.data.dir or None)


def evaluation_settings(config: RunConfig) -> EvaluationSettings:
    return EvaluationSettings(
        training=config.training,
        compression=config.compression,
        budget=config.budget,
        costs=config.costs,
        top_rung=len(config.search.rungs) - 1,
        device=config.workers.device,
        saccades=msgspec.UNSET if config.saccades == SaccadeSettings() else config.saccades,
        measures=config.score.extras or msgspec.UNSET,
    )


def make_search(first: RunConfig, data: DataSet, writer: RunWriter, events: Sequence[Event] = ()) -> Search:
    """The search of a run at its decision 0, which knows of the interventions that its `events` hold."""
    from evonet.evolution.search import Search

    terms = terms_of(first, data)
    search = Search(
        terms.settings,
        terms.score,
        limits=terms.limits,
        seed=terms.seed,
        context=terms.context,
        brief_examples=terms.brief_examples,
        admit=terms.admit,
        weights=writer.start_of,
        genomes=seed_genomes(first),
        terms=lambda text: terms_of(parse_config(text, f"{writer.path}: stored configuration"), data),
        measured=writer.measured,
    )
    for event in events:
        change = scheduled(event.kind, event.decision, event.data)
        if change is not None:
            try:
                search.intervene(change.change, at=change.decision)
            except ValueError as e:
                raise StoreError(
                    f"{writer.path}: event {event.id}: {e}. The run is damaged: `evonet doctor RUN`."
                ) from e
    return search


def terms_of(config: RunConfig, data: DataSet) -> Terms:
    """What a search decides by under `config`."""
    from evonet.evolution.terms import Terms

    return Terms(
        settings=config.search,
        score=config.score,
        limits=config.genes,
        seed=config.run.seed,
        context=context_of(config, data),
        brief_examples=config.search.rungs[0] * config.training.batch,
        admit=admission(config, data),
    )


def context_of(config: RunConfig, data: DataSet) -> str:
    """All that an outcome depends on beside its job; the number of threads changes the order of sums, and so bits."""
    settings = msgspec.msgpack.encode(evaluation_settings(config))
    return f"{VERSION}:{data.fingerprint}:{hashlib.sha256(settings).hexdigest()}:{config.workers.threads}"


def sample_of(total: int) -> Callable[[int], bool]:
    """Which of `total` past decisions a resume works out again: all of some thousands, else some of everywhere.

    A decision takes a millisecond or two to vary and expand, so all of 100,000 would take minutes. Those at the end
    count most: they come of the pools that all outcomes before them made.
    """
    if total <= 1024:
        return lambda _: True
    stride = total // 128
    return lambda n: n < 64 or n >= total - 256 or n % stride == 0


def admission(config: RunConfig, data: DataSet) -> Callable[[Genome], Genome | None]:
    """A genome fitted to the data's shape, or None if it does not expand within what an evaluator accepts; pure."""
    from evonet.plan import Budget, expand, fit

    limits = config.budget
    budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)

    def admit(genome: Genome) -> Genome | None:
        try:
            fitted = fit(genome, input=data.input)
            expand(fitted, input=data.input, classes=data.classes, budget=budget)
        except GenomeError:
            return None
        return fitted

    return admit
