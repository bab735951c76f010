"""What a search is asked to do, and what it is asked to like: sections [search] and [score] of a run configuration."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from evonet.job import EXTRAS, Extra

Share = Annotated[float, Meta(ge=0, le=1)]
SURVIVAL = ("bands", "elites", "nsga2", "nsga3", "spea2")
MATING = ("tournament", "uniform", "lexicase", "epsilon_lexicase")
Objective = Literal[
    "loss",
    "accuracy",
    "bytes",
    "macs",
    "weights",
    "nonzero",
    "connections",
    "sheets",
    "taps",
    "seen",
    "corrupted_loss",
    "corrupted_accuracy",
    "milliseconds",
]


class ScoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [score]. Scores are derived from recorded measures, so a run can be scored again under other settings."""

    kind: Literal["length", "weighted", "bound", "pareto"] = "length"
    size_weight: Annotated[float, Meta(ge=0)] = 1.0  # `length`: 1 is the minimum description length
    bound: Annotated[int, Meta(ge=1)] = 1024  # `bound`: bytes that a file may have
    size_price: Annotated[float, Meta(ge=0)] = 1.0  # `weighted`: points of accuracy per 100 bytes
    objectives: Annotated[tuple[Objective, ...], Meta(min_length=1)] = ("loss", "bytes")  # `pareto`
    corrupted: Share = 0.0  # share of loss and accuracy that is measured under the training corruptions
    record: tuple[Extra, ...] = ()  # what is measured for the record, beside what the score needs

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What evaluations have to measure beside the usual, sorted."""
        seen = set(self.objectives) if self.kind == "pareto" else set()
        needed = {extra for extra, names in EXTRAS.items() if seen & set(names)}
        return tuple(sorted({*needed, *self.record, *(("corrupted",) if self.corrupted else ())}))


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [search]."""

    population: Annotated[int, Meta(ge=1)] = 32
    window: Annotated[int, Meta(ge=0)] = 0  # decision n sees outcomes <= n - window; 0 = 3/4 of the population
    individuals: Annotated[int, Meta(ge=1)] = 256  # stop after that many births; promotions are not counted
    patience: Annotated[int, Meta(ge=0)] = 0  # stop after that many blocks without a better best; 0 = never
    target: float | None = None  # stop at this score
    fresh: Share = 0.10  # share of later births that are sampled anew
    crossover: Share = 0.2  # share of births with two parents
    rungs: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1)] = (150, 450)  # steps of each rung
    promote: Share = 0.25  # the best share of a rung may be promoted
    promote_every: Annotated[int, Meta(ge=2)] = 4  # one decision in so many considers a promotion
    finish_share: Annotated[float, Meta(ge=0, le=0.95)] = 0.5  # share of all steps that goes to finishing
    finish_best: Annotated[int, Meta(ge=0)] = 2  # individuals that are finished
    genomes: tuple[str, ...] = ()  # seed genomes: the first decisions found them
    survival: str = "bands"  # who stays: one of SURVIVAL, or a plug-in "module:function" (evolution/selection)
    mating: str = "tournament"  # who breeds: one of MATING, or a plug-in "module:function" (evolution/selection)
    islands: Annotated[int, Meta(ge=1)] = 1  # pools that share the population; each folds blocks of its own
    migrate_every: Annotated[int, Meta(ge=0)] = 4  # blocks of every island between two migrations; 0 = never
    migrants: Annotated[int, Meta(ge=1)] = 1  # the best of each island that are copied to the next, in a ring
    rates: dict[str, Annotated[float, Meta(ge=0)]] = {}  # of operators, over the defaults; or of "module:function"
    clones: Share = 0.0  # share of births that copy a parent unchanged: what operators are measured against
    adapt: Share = 0.0  # how fast rates follow what operators gain (evolution/credit.py); 0 = fixed; no gain shown yet
    inherit: bool = True  # children start from their parents' weights
    drift: bool = False  # the control: within every block, scores are shuffled before anybody sees them

    @property
    def block(self) -> int:
        """Decisions whose outcomes enter a pool together."""
        return max(1, self.population // self.islands // 4)

    @property
    def lag(self) -> int:
        """The window in force, at least 1: a decision cannot see its own outcome."""
        return self.window or max(1, 3 * self.population // 4)

    @property
    def founders(self) -> int:
        """Decisions before the first one that may look at a pool; from there on every island has one."""
        return max(self.population, self.lag + self.islands * self.block)

    def island(self, n: int) -> int:
        """The island that decision n belongs to, a function of n alone: blocks take turns."""
        return n // self.block % self.islands
