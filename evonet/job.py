"""What crosses the process boundary: jobs out, outcomes back. Ints, floats, strings, tuples and bytes only."""

from __future__ import annotations

from typing import Literal

import msgspec

from evonet.genome.genes import GeneId


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the boundary's records: frozen, sent as msgpack."""


class Start(Record, frozen=True, kw_only=True):
    """Trained weights to inherit from: one parent, or the individual itself when it is promoted."""

    genome: bytes  # canonical code
    ids: tuple[GeneId, ...]  # gene ids in the order of `genome.ids_of`
    package: bytes  # `.evo`, the decoded weights
    shadow: bytes  # float16 weights before rounding, little endian, in the order of the *full* plan's tensors


class Job(Record, frozen=True, kw_only=True):
    """One evaluation to do. The outcome depends on nothing else but the worker's settings and data."""

    decision: int
    individual: int
    rung: int  # 0, 1, ...; finishing is rung -1
    genome: bytes
    ids: tuple[GeneId, ...]
    starts: tuple[
        Start, ...
    ] = ()  # () random weights; the first gives all that survives, later ones give only genes it lacks
    steps: int
    seen: int = 0  # training examples used along the lineage before this job
    seed: int
    key: str  # hash of all the outcome depends on


class Round(Record, frozen=True, kw_only=True):
    """What one round of train-and-compress did."""

    steps: int
    train_loss: float  # bits per label, mean of the round's last quarter
    float_loss: float  # calibration, bits per label, before compression
    loss: float  # calibration, bits per label, decoded
    bytes: int


Extra = Literal["corrupted", "milliseconds"]
#: What is measured on request alone, and the fields of `Measures` that hold it. They stand last there, None where
#: nobody asked, so that records with and without them are the same format.
EXTRAS: dict[Extra, tuple[str, ...]] = {
    "corrupted": ("corrupted_loss", "corrupted_accuracy"),
    "milliseconds": ("milliseconds",),
}


class Measures(Record, frozen=True, kw_only=True):
    """What is known of a trained, packed network. All quality is of the network decoded from the package bytes."""

    bytes: int  # len(package)
    loss: float  # validation cross-entropy, bits per label, probabilities mixed with 1 % uniform
    accuracy: float  # validation, in [0, 1]
    choice_loss: float | None = None  # only from the top rung and from finishing
    choice_accuracy: float | None = None
    weights: int  # coded weights of the full plan, biases included
    nonzero: int  # of them, not zero after compression
    macs: int  # per image
    connections: int  # mask ones
    sheets: int
    taps: int  # live taps, all motifs
    long_share: float  # functional: share of |weight| at Chebyshev distance > 3, in [0, 1]
    seen: int
    train_images: int  # N of the score
    corrupted_loss: float | None = None  # as `loss`, some validation images under each training corruption
    corrupted_accuracy: float | None = None  # as `accuracy`, likewise
    milliseconds: float | None = None  # that the cost table predicts for a forward pass of one image


class Scored(Record, frozen=True, kw_only=True, tag="scored"):
    decision: int
    measures: Measures
    package: bytes
    shadow: bytes
    rounds: tuple[Round, ...]
    # Wall times in the worker: recorded, never decisive, part of no digest.
    seconds: float = 0.0
    single_ms: float | None = None  # a forward pass of one image, one thread; measured where `milliseconds` is
    batched_ms: float | None = None  # an image of a batch of 64, likewise


class Diverged(Record, frozen=True, kw_only=True, tag="diverged"):
    """A non-finite loss or weight."""

    decision: int
    step: int
    reason: str


class Rejected(Record, frozen=True, kw_only=True, tag="rejected"):
    """Refused before any training: too large, or not computable."""

    decision: int
    reason: str


class Lost(Record, frozen=True, kw_only=True, tag="lost"):
    """No answer: every try ended with a dead or a hung worker."""

    decision: int
    reason: str
    cause: str = ""
    attempts: int = 1


Outcome = Scored | Diverged | Rejected | Lost

encode = msgspec.msgpack.Encoder().encode
_outcomes: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
_jobs = msgspec.msgpack.Decoder(Job)


def decode_outcome(data: bytes) -> Outcome:
    return _outcomes.decode(data)


def decode_job(data: bytes) -> Job:
    return _jobs.decode(data)
