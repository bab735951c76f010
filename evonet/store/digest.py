"""The proof that two runs are the same."""

from __future__ import annotations

import hashlib

import msgspec

from evonet.job import EXTRAS, Measures, Scored
from evonet.store.reader import Run
from evonet.store.rows import KIND_OF, Decision


def run_digest(run: Run) -> str:
    """Hex SHA-256 over all recorded decisions in their order: what was decided, the genome, and what came of it.

    Not over timings, attempts, workers, cache hits, or what is still in flight: those differ between equal runs.
    """
    digest = hashlib.sha256()
    for decision in run.decisions(weights=True):
        if decision.outcome is not None:
            digest.update(_essence(decision))
    return digest.hexdigest()


def _essence(decision: Decision) -> bytes:
    # msgpack is prefix-free, so neighbouring fields and records cannot trade bytes.
    d, outcome = decision, decision.outcome
    measures = _told(outcome.measures) if isinstance(outcome, Scored) else None
    package = outcome.package if isinstance(outcome, Scored) else None
    decided = (d.decision, d.kind, d.individual, d.rung, d.steps, d.seen, d.seed)
    inherited = (d.genome, d.ids, d.parents, d.operator)
    return msgspec.msgpack.encode((*decided, *inherited, KIND_OF[type(outcome)], measures, package))


def _told(measures: Measures) -> tuple[object, ...]:
    """What is measured of every network, then by name what was asked for: without that, as before it could be."""
    told = msgspec.structs.asdict(measures)
    extras = [(name, told.pop(name)) for names in EXTRAS.values() for name in names]
    return (*told.values(), *((name, value) for name, value in extras if value is not None))
