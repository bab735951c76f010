"""One run, one folder: `run.db` written by the driver alone, read by anyone at any time."""

from evonet.store.digest import run_digest
from evonet.store.reader import Run, open_run
from evonet.store.rows import Ancestor, Attempt, Counts, Decision, DecisionKind, Event, Individual, State
from evonet.store.writer import RunWriter

__all__ = [
    "Ancestor",
    "Attempt",
    "Counts",
    "Decision",
    "DecisionKind",
    "Event",
    "Individual",
    "Run",
    "RunWriter",
    "State",
    "open_run",
    "run_digest",
]
