"""Decisions as jobs: which weights an evaluation starts from, for how many steps, and under which key."""

from evonet.errors import StoreError
from evonet.evolution.bands import Entry
from evonet.evolution.breeding import Birth
from evonet.evolution.decisions import Weights
from evonet.evolution.interventions import Inject
from evonet.evolution.keys import keyed
from evonet.genome.code import encode
from evonet.genome.genes import GeneId
from evonet.genome.ids import ids_of, stamp
from evonet.job import Job, Start


class Jobs:
    """Makes jobs; `seed` of the run and `context` go into their keys."""

    def __init__(self, weights: Weights, *, seed: int, context: str) -> None:
        self._weights = weights
        self.seed, self.context = seed, context

    def birth(
        self, birth: Birth, n: int, individual: int, *, steps: int, inherit: bool, guest: Inject | None = None
    ) -> Job:
        """The first evaluation of a new individual, in decision n. `guest`: the intervention that it came by."""
        heirs = birth.parents if inherit else ()
        genome = stamp(birth.genome, individual)
        ids = ids_of(genome)
        starts = tuple(map(self._start, heirs))
        if guest is not None and guest.package:
            starts = (injected_start(guest, ids),)
        job = Job(
            decision=n,
            individual=individual,
            rung=0,
            genome=encode(genome),
            ids=ids,
            starts=starts,
            steps=steps,
            seen=max((parent.seen for parent in heirs), default=0),  # of two lineages the longer one counts
            seed=0,
            key="",
        )
        return keyed(job, self.seed, self.context)

    def further(self, entry: Entry, n: int, *, rung: int, steps: int) -> Job:
        """More training of the same individual from its own weights. Raises StoreError where those are gone."""
        job = Job(
            decision=n,
            individual=entry.individual,
            rung=rung,
            genome=entry.genome,
            ids=entry.ids,
            starts=(self._start(entry),),
            steps=steps,
            seen=entry.seen,
            seed=0,
            key="",
        )
        return keyed(job, self.seed, self.context)

    def _start(self, entry: Entry) -> Start:
        start = self._weights(entry.individual, before=entry.decision + 1)
        if start is None:
            raise StoreError(
                f"decision {entry.decision}: scored, so its weights were expected in the run, and there are none. "
                "The run is damaged; start a new one."
            )
        return start


def injected_start(change: Inject, ids: tuple[GeneId, ...]) -> Start:
    """The weights of an injected package, its genes those of the individual that it becomes."""
    return Start(genome=change.genome, ids=ids, package=change.package, shadow=b"")
