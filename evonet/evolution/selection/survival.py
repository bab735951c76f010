"""Who stays: `search.survival`.

bands   the best of every band of `seen` in turn; the default
elites  the best of every cell of the atlas, band by band (MAP-Elites; evonet.evolution.cells)
nsga2   Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II"
nsga3   Deb & Jain 2014, "An evolutionary many-objective optimization algorithm using reference-point-based
        nondominated sorting approach, part I"
spea2   Zitzler, Laumanns & Thiele 2001, "SPEA2: improving the strength Pareto evolutionary algorithm"
m:f     a plug-in (evonet.evolution.selection.plugins)

The three of the literature look at all entries as one, since a front, a reference direction or a density means little
within a band of five. There an old lineage competes with a young one unless `seen` is among the objectives, which is
how DESIGN section 8 has age count in a Pareto search. `bands` with several objectives is NSGA-II within each band.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from itertools import islice, zip_longest
from math import comb
from types import MappingProxyType
from typing import Any

from evonet.evolution.bands import Entry, by_band
from evonet.evolution.cells import atlas
from evonet.evolution.selection.cards import Card, borrowed_global_random, by_number, ranked, scaled, tools
from evonet.evolution.selection.plugins import survive
from evonet.evolution.selection.protocols import Survival
from evonet.plugins import is_plugin


def bands(entries: Iterable[Entry], count: int, *, brief: int, seed: int = 0) -> tuple[Entry, ...]:
    """The `count` entries of best rank within their band.

    Bands take turns: all firsts, then all seconds, and so on; at equal rank the older band goes first, since more was
    invested in it. A band smaller than its turn leaves its places to the others.
    """
    del seed
    oldest_first = sorted(by_band(entries, brief).items(), reverse=True)
    turns = zip_longest(*(ranked(group) for _, group in oldest_first))
    return tuple(islice((entry for turn in turns for entry in turn if entry is not None), count))


def elites(entries: Iterable[Entry], count: int, *, brief: int, seed: int = 0) -> tuple[Entry, ...]:
    """Of every cell of the atlas the best of each band; where those are more than `count`, by `bands`.

    Nobody stays beside the elites, so the pool may be smaller than `count`.
    """
    best = [entry for group in by_band(entries, brief).values() for entry in atlas(group).values()]
    return bands(best, count, brief=brief, seed=seed)


def nsga2(entries: Iterable[Entry], count: int, *, brief: int, seed: int = 0) -> tuple[Entry, ...]:
    """Front by front, of the one that has to be cut the least crowded."""
    del brief, seed
    found = by_number(entries)
    return tuple(ranked(found)[:count]) if found else ()


def _nsga3(cards: list[Card], count: int) -> list[Card]:
    chosen: list[Card] = tools.selNSGA3(cards, count, _directions(len(cards[0].fitness.values), count), nd="standard")
    return chosen


def _spea2(cards: list[Card], count: int) -> list[Card]:
    chosen: list[Card] = tools.selSPEA2(cards, count)
    return chosen


def _whole(
    choose: Callable[[list[Card], int], list[Card]], entries: Iterable[Entry], count: int, *, brief: int, seed: int
) -> tuple[Entry, ...]:
    """What `choose` takes of all entries; all of them, unasked, where there are no more than `count`."""
    del brief
    found = by_number(entries)
    if len(found) <= count:
        return tuple(found)
    with borrowed_global_random(seed):
        return tuple(by_number(card.entry for card in choose(scaled(found), count)))


@cache
def _directions(objectives: int, count: int) -> Any:
    """Reference points evenly over the simplex: as many divisions as give no more of them than `count` (Deb & Jain
    2014, IV-B), one at least.
    """
    divisions = 1
    while objectives > 1 and comb(objectives + divisions, divisions + 1) <= count:
        divisions += 1
    return tools.uniform_reference_points(objectives, p=divisions)


_SURVIVAL: Mapping[str, Survival] = MappingProxyType(
    {
        "bands": bands,
        "elites": elites,
        "nsga2": nsga2,
        "nsga3": partial(_whole, _nsga3),
        "spea2": partial(_whole, _spea2),
    }
)


def survival(name: str) -> Survival:
    """The choice called `name`, which `evonet.evolution.checks` has passed. Raises ConfigError for a plug-in
    that cannot be imported.
    """
    return survive(name) if is_plugin(name) else _SURVIVAL[name]
