"""How a new genome comes about: sampled anew, or varied from one parent or two. Pure in (run seed, decision,
mating list).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from evonet.evolution.bands import Entry
from evonet.evolution.credit import CLONE
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome
from evonet.genome.code import decode
from evonet.genome.crossover import cross
from evonet.genome.ids import with_ids
from evonet.genome.sampling import Limits, sample
from evonet.genome.variation import operator, vary
from evonet.seeds import Stream

Admit = Callable[[Genome], Genome | None]
TRIES = 20


class Birth(NamedTuple):
    """A genome whose new genes have no id yet."""

    kind: Literal["found", "seed", "breed"]
    genome: Genome
    parents: tuple[Entry, ...]
    operator: str


class Breeder:
    """Draws genomes that `admit` lets pass; it must be pure.

    `admit`: the nearest genome that expands within the budget, or None. Raises ConfigError for an operator that cannot
    be imported.
    """

    def __init__(self, settings: SearchSettings, limits: Limits, *, seed: int, admit: Admit) -> None:
        self._settings = settings
        self._limits = limits
        self._seed = seed
        self._admit = admit
        for name in settings.rates:
            operator(name)  # a plug-in that cannot be imported is an error now and not at the first birth

    def found(self, n: int) -> Birth:
        """A sampled genome. Should none of the tries be admitted, the last one goes on and its job is `Rejected`."""
        for attempt in range(TRIES):
            genome = sample(Stream(self._seed, "sample", n, attempt), self._limits)
            fitted = self._admit(genome)
            if fitted is not None:
                return Birth("found", fitted, (), "sample")
        return Birth("found", genome, (), "sample")

    def breed(self, n: int, mating: Sequence[Entry], rates: Mapping[str, float]) -> Birth:
        """A child of one or two parents from the mating list, or with the share `clones` its one parent again; with the
        share `fresh`, or after too many tries, a founder. `rates` as in `evonet.genome.variation.rates_of`.
        """
        draw = Stream(self._seed, "parents", n)
        if draw.chance(self._settings.fresh):
            return self.found(n)
        if Stream(self._seed, "clone", n).chance(self._settings.clones):
            parent = draw.choice(mating)
            return Birth("breed", _genome(parent), (parent,), CLONE)
        parents = self._parents(draw, mating)
        genome = _genome(parents[0])
        if len(parents) == 2:
            genome = cross(genome, _genome(parents[1]), Stream(self._seed, "cross", n))
        for attempt in range(TRIES):
            stream = Stream(self._seed, "vary", n, attempt)
            child, how = vary(genome, stream, self._limits, rates)
            fitted = self._admit(child)
            if fitted is not None:
                return Birth("breed", fitted, parents, "+".join(["cross"] * (len(parents) - 1) + [how]))
        return self.found(n)

    def _parents(self, draw: Stream, mating: Sequence[Entry]) -> tuple[Entry, ...]:
        first = draw.choice(mating)
        second = draw.choice(mating) if draw.chance(self._settings.crossover) else first
        return (first,) if first.individual == second.individual else (first, second)


def _genome(entry: Entry) -> Genome:
    return with_ids(decode(entry.genome), entry.ids)
