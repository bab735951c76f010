"""Selection by a function of the user's: `search.survival` or `search.mating` = "module:function".

    def stay(candidates: tuple[Candidate, ...], count: int, stream: Stream) -> Sequence[Candidate]
    def breed(candidates: tuple[Candidate, ...], length: int, stream: Stream) -> Sequence[Candidate]

Candidates come in order of individuals, each individual once. Who stays: 1 to `count` of the candidates, each once.
Who breeds: `length` of them, repeats allowed; parents are drawn from that list evenly. Both must be pure: draws come
from `stream` (evonet.seeds), which is another one for every block, and nothing is kept between calls.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from evonet import plugins
from evonet.errors import ConfigError
from evonet.evolution.bands import Entry, band
from evonet.evolution.selection.protocols import Mating, Survival
from evonet.seeds import Stream

SURVIVAL = "search.survival"
MATING = "search.mating"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What a plug-in sees of an individual: its newest scored evaluation, all numbers finite."""

    individual: int
    rung: int
    seen: int  # training examples of the lineage
    band: int  # floor(log2(seen / examples of the first rung)), at least 0
    score: float  # greater is better
    objectives: tuple[float, ...]  # each greater is better; the score alone but for score.kind = "pareto"
    long_share: float  # functional, in [0, 1]
    genome: bytes  # canonical code; `evonet.genome.code.decode` makes it a Genome
    bytes: int  # of the package


def survive(name: str) -> Survival:
    """Raises ConfigError if it cannot be imported."""
    plugins.load(name, SURVIVAL)
    return partial(_survive, name)


def mate(name: str) -> Mating:
    """Raises ConfigError if it cannot be imported."""
    plugins.load(name, MATING)
    return partial(_mate, name)


def _survive(name: str, entries: Iterable[Entry], count: int, *, brief: int, seed: int) -> tuple[Entry, ...]:
    given = {entry.individual: entry for entry in entries}
    if not given:
        return ()
    chosen = _asked(name, SURVIVAL, given, count, brief, seed)
    if not 1 <= len(chosen) <= count or len(set(chosen)) < len(chosen):
        raise ConfigError(
            f'{SURVIVAL} = "{name}" gave {len(chosen)} candidates, {len(set(chosen))} of them different; expected '
            f"1 to {count}, each once. Mend the plug-in and resume."
        )
    return tuple(given[i] for i in chosen)


def _mate(name: str, pool: Iterable[Entry], length: int, *, brief: int, seed: int) -> tuple[Entry, ...]:
    given = {entry.individual: entry for entry in pool}
    if not given:
        return ()
    chosen = _asked(name, MATING, given, length, brief, seed)
    if len(chosen) != length:
        raise ConfigError(
            f'{MATING} = "{name}" gave {len(chosen)} candidates, expected {length}, repeats allowed. '
            "Mend the plug-in and resume."
        )
    return tuple(given[i] for i in chosen)


def _asked(name: str, key: str, given: dict[int, Entry], count: int, brief: int, seed: int) -> list[int]:
    """The individuals that the plug-in answers with, each of them one that it was given."""
    candidates = tuple(_candidate(given[i], brief) for i in sorted(given))
    answer = plugins.call(name, key, candidates, count, Stream("plug-in", seed))
    if not isinstance(answer, Sequence) or not all(isinstance(c, Candidate) for c in answer):
        raise ConfigError(
            f'{key} = "{name}" gave {type(answer).__name__} {str(answer)[:60]}, expected a list of the candidates '
            "that it was given. Mend the plug-in and resume."
        )
    strange = [c.individual for c in answer if c.individual not in given]
    if strange:
        raise ConfigError(
            f'{key} = "{name}" gave individual {strange[0]}, which was not among its {len(given)} candidates. '
            "Mend the plug-in and resume."
        )
    return [c.individual for c in answer]


def _candidate(entry: Entry, brief: int) -> Candidate:
    return Candidate(
        individual=entry.individual,
        rung=entry.rung,
        seen=entry.seen,
        band=band(entry.seen, brief),
        score=entry.score,
        objectives=entry.objectives,
        long_share=entry.long_share,
        bytes=entry.bytes,
        genome=entry.genome,
    )
