"""Self-adaptive operator rates: operators whose children gain more are drawn more often.

Probability matching (Thierens 2005, "An adaptive pursuit strategy for allocating operator probabilities", section 2)
with the configured rates as the prior. A child's gain is its score minus its best parent's. A longer training raises
all of them, so the reward is not the gain but whether it lies above what the training alone would have given: the
median gain of unmutated clones of parents from the same rung (`search.clones`), as far as such are remembered, and the
median of all recent gains otherwise.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from evonet.evolution.bands import Entry
from evonet.genome.variation import rates_of

CLONE = "clone"  # the operator of a child that is its parent again
_LEAST = 0.25  # of its configured rate an operator keeps, however little it gains; at most it has 2 - _LEAST
_NEUTRAL = 0.5  # the quality of an operator before it has been tried, and of one as good as the others
_MEMORY = 64  # gains that a median is of


class Born:
    """How a child came about."""

    __slots__ = ("before", "operator", "rung")

    def __init__(self, operator: str, parents: Sequence[Entry]) -> None:
        best = max(parents, key=lambda parent: parent.score)
        self.operator, self.before, self.rung = operator, best.score, best.rung


class Credits:
    """Operator rates as a fold over blocks of decisions. Only `Search` decides when a block may enter.

    `adapt`: how far one outcome moves its operator's quality, 0..1; 0 leaves the rates as they are.
    """

    def __init__(self, rates: Mapping[str, float], *, adapt: float) -> None:
        self._prior = rates_of(rates)
        self._adapt = adapt
        self._quality = dict.fromkeys(self._prior, _NEUTRAL)
        self._born: dict[int, Born] = {}  # by decision
        self._gains: deque[float] = deque(maxlen=_MEMORY)  # of mutants
        self._clones: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=_MEMORY))  # by parent's rung

    def born(self, decision: int, operator: str, parents: Sequence[Entry]) -> None:
        """Remember how the child of `decision` came about."""
        self._born[decision] = Born(operator, parents)

    def fold(self, block: Iterable[int], scored: Sequence[Entry]) -> None:
        """Take in the next block of decisions; a child that was not scored gained less than any other."""
        scores = {entry.decision: entry.score for entry in scored}
        children = [(self._born.pop(n), scores.get(n)) for n in block if n in self._born]
        gains = [(birth, float("-inf") if now is None else now - birth.before) for birth, now in children]
        for birth, gain in gains:
            if birth.operator == CLONE:
                self._clones[birth.rung].append(gain)
        mutants = [(birth, gain) for birth, gain in gains if birth.operator != CLONE]
        middle = median([*self._gains, *(gain for _, gain in mutants)]) if mutants else 0.0
        for birth, gain in mutants:
            clones = self._clones.get(birth.rung)
            self._reward(birth.operator, float(gain > (median(clones) if clones else middle)))
        self._gains.extend(gain for _, gain in mutants)

    @property
    def rates(self) -> dict[str, float]:
        """Every operator's rate, as `evonet.genome.variation.vary` takes them."""
        return {n: rate * (_LEAST + 2 * (1 - _LEAST) * self._quality[n]) for n, rate in self._prior.items()}

    def _reward(self, operators: str, reward: float) -> None:
        for name in operators.split("+"):
            if name in self._quality:  # "cross" has no rate
                self._quality[name] += self._adapt * (reward - self._quality[name])
