"""Self-adaptive operator rates: operators whose children gain more are drawn more often.

Probability matching (Thierens 2005, "An adaptive pursuit strategy for allocating operator probabilities", section 2)
with the configured rates as the prior. A child's gain is its score minus its best parent's. A longer training raises
all of them, so the reward is not the gain but whether it lies above the median of recent gains.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from evonet.evolution.bands import Entry
from evonet.genome.variation import rates_of

_LEAST = 0.25  # of its configured rate an operator keeps, however little it gains; at most it has 2 - _LEAST
_NEUTRAL = 0.5  # the quality of an operator before it has been tried, and of one as good as the others
_MEMORY = 64  # gains that the median is of


class Credits:
    """Operator rates as a fold over blocks of decisions. Only `Search` decides when a block may enter.

    `adapt`: how far one outcome moves its operator's quality, 0..1; 0 leaves the rates as they are.
    """

    def __init__(self, rates: Mapping[str, float], *, adapt: float) -> None:
        self._prior = rates_of(rates)
        self._adapt = adapt
        self._quality = dict.fromkeys(self._prior, _NEUTRAL)
        self._born: dict[int, tuple[str, float]] = {}  # by decision: operators, the best parent's score
        self._gains: deque[float] = deque(maxlen=_MEMORY)

    def born(self, decision: int, operator: str, parents: Sequence[Entry]) -> None:
        """Remember how the child of `decision` came about."""
        self._born[decision] = operator, max(parent.score for parent in parents)

    def fold(self, block: Iterable[int], scored: Sequence[Entry]) -> None:
        """Take in the next block of decisions; a child that was not scored gained less than any other."""
        scores = {entry.decision: entry.score for entry in scored}
        news = []
        for operator, before, decision in [(*self._born.pop(n), n) for n in block if n in self._born]:
            news.append((operator, scores[decision] - before if decision in scores else float("-inf")))
        middle = median([*self._gains, *(gain for _, gain in news)]) if news else 0.0
        for operator, gain in news:
            self._reward([name for name in operator.split("+") if name in self._quality], float(gain > middle))
        self._gains.extend(gain for _, gain in news)

    @property
    def rates(self) -> dict[str, float]:
        """Every operator's rate, as `evonet.genome.variation.vary` takes them."""
        return {n: rate * (_LEAST + 2 * (1 - _LEAST) * self._quality[n]) for n, rate in self._prior.items()}

    def _reward(self, operators: Sequence[str], reward: float) -> None:
        for name in operators:
            self._quality[name] += self._adapt * (reward - self._quality[name])
