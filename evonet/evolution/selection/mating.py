"""Who breeds: `search.mating`.

tournament        of three, on the rank within the band of `seen`; the default
uniform           everybody alike, as MAP-Elites draws its parents
lexicase          the best in one objective after the other, in an order drawn for each parent: Spector 2012,
                  "Assessment of problem modality by differential performance of lexicase selection"
epsilon_lexicase  those within the median absolute deviation of the best instead of the best alone: La Cava, Spector &
                  Danai 2016, "Epsilon-lexicase selection for regression"
m:f               a plug-in (evonet.evolution.selection.plugins)

The cases of the lexicase family are the objectives of `score.kind = "pareto"`; age counts where `seen` is one. DEAP's
`selTournamentDCD` has no name here: a tournament by dominance and crowding is what `tournament` is in a Pareto search.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from evonet.evolution.bands import Entry, by_band
from evonet.evolution.selection.cards import Card, Place, borrowed_global_random, by_number, ranked, tools
from evonet.evolution.selection.plugins import mate
from evonet.evolution.selection.protocols import Mating
from evonet.plugins import is_plugin

TOURNAMENT = 3
Draw = Callable[[Sequence[Card | Place], int], list[Card | Place]]


def tournament(pool: Iterable[Entry], length: int, *, brief: int, seed: int) -> tuple[Entry, ...]:
    """Tournaments on the rank share within the band, so that bands breed in proportion to their members.

    The share is taken at mid-rank: who is alone in a band is neither best nor worst.
    """
    cards = [
        Place(entry, -(rank + 0.5) / len(group), -entry.individual)
        for group in by_band(pool, brief).values()
        for rank, entry in enumerate(ranked(group))
    ]
    return _drawn(partial(tools.selTournament, tournsize=TOURNAMENT), cards, length, seed)


def _by_objectives(draw: Draw, pool: Iterable[Entry], length: int, *, brief: int, seed: int) -> tuple[Entry, ...]:
    del brief
    return _drawn(draw, [Card(entry, *entry.objectives) for entry in by_number(pool)], length, seed)


def _drawn(draw: Draw, cards: Sequence[Card | Place], length: int, seed: int) -> tuple[Entry, ...]:
    if not cards:
        return ()
    with borrowed_global_random(seed):
        return tuple(card.entry for card in draw(cards, length))


_MATING: Mapping[str, Mating] = MappingProxyType(
    {
        "tournament": tournament,
        "uniform": partial(_by_objectives, tools.selRandom),
        "lexicase": partial(_by_objectives, tools.selLexicase),
        "epsilon_lexicase": partial(_by_objectives, tools.selAutomaticEpsilonLexicase),
    }
)


def mating(name: str) -> Mating:
    """The choice called `name`, which `evonet.evolution.checks` has passed. Raises ConfigError for a plug-in
    that cannot be imported.
    """
    return mate(name) if is_plugin(name) else _MATING[name]
