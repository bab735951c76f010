"""Whatever changes a search from outside, as records: a run is replayed from its decisions and these, and nothing else.

Each takes effect right before a decision, whose number is written down with it before that decision is taken. So the
decisions are a pure function of (configuration, seed, n, outcomes of decisions <= n - window, interventions <= n).
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from evonet.errors import StoreError
from evonet.job import Record


class Configure(Record, frozen=True, kw_only=True, tag="configure"):
    """Other terms from here on; what was measured stays, and is scored again where the score changed."""

    config: str  # the whole configuration, as TOML


class Inject(Record, frozen=True, kw_only=True, tag="inject"):
    """A genome from outside, which the next birth founds."""

    genome: bytes  # canonical code
    package: bytes = b""  # `.evo` of this genome, whose weights it starts from; b"": random weights


class Cull(Record, frozen=True, kw_only=True, tag="cull"):
    """Individuals that leave the pool and cannot come back: no children, no promotion, no finishing."""

    individuals: tuple[int, ...]


Intervention = Configure | Inject | Cull
KINDS = ("configure", "inject", "cull")  # of the events that hold them


class Pause(Record, frozen=True, kw_only=True, tag="pause"):
    """Issue nothing more, wait for what is in flight, stop: at once, or when a generation begins."""

    generation: int | None = None


class Note(Record, frozen=True, kw_only=True, tag="note"):
    """A remark on an individual; changes nothing."""

    individual: int
    text: str


class Refused(msgspec.Struct, frozen=True):
    """A request that is none."""

    reason: str


Request = Inject | Cull | Pause | Note


class Scheduled(NamedTuple):
    """An intervention and the decision right before which it takes effect."""

    decision: int
    change: Intervention


class Written(msgspec.Struct, frozen=True):
    """Data of the event that an intervention is kept in."""

    change: Intervention
    request: str = ""  # the request it came by, taken once


def scheduled(kind: str, decision: int | None, data: object) -> Scheduled | None:
    """The intervention that an event holds, None for an event of another kind. Raises StoreError for a damaged one."""
    if kind not in KINDS:
        return None
    try:
        written = msgspec.convert(data, Written)
    except msgspec.ValidationError as e:
        raise StoreError(f"event {kind} at decision {decision}: {e}. The run is damaged: `evonet doctor RUN`.") from e
    if decision is None:
        raise StoreError(f"event {kind}: expected the decision it takes effect at. The run is damaged.")
    return Scheduled(decision, written.change)


def describe(change: Intervention) -> str:
    """In words, for the log of events."""
    match change:
        case Configure():
            return "other settings from here on"
        case Inject(genome=genome, package=package):
            return f"genome of {len(genome)} bytes" + (f", weights of a package of {len(package)}" if package else "")
        case Cull(individuals=individuals):
            return "out of the pool: " + listed(individuals)


def listed(individuals: Iterable[int]) -> str:
    return ", ".join(f"#{i}" for i in individuals)
