"""Whether sections [search] and [score] fit each other, as far as their types cannot say. Imports no DEAP.

Operators, which need numpy, come in where they are checked: whoever looks at a run checks nothing.
"""

from collections.abc import Sequence

from evonet import plugins
from evonet.errors import ConfigError
from evonet.evolution.settings import MATING, SURVIVAL, ScoreSettings, SearchSettings

_MANY = {"survival": ("nsga2", "nsga3", "spea2"), "mating": ("lexicase", "epsilon_lexicase")}
_LEAST = 4  # individuals of an island


def check_search(search: SearchSettings, score: ScoreSettings) -> None:
    """Raises ConfigError for what no search can be made of. Imports no plug-in, so that any run can be looked at."""
    from evonet.genome.variation import rates_of

    if search.population > search.individuals:
        raise ConfigError(
            f"search.population = {search.population}, expected at most search.individuals = "
            f"{search.individuals}. Raise individuals or lower population."
        )
    _check_name("survival", search.survival, SURVIVAL, score)
    _check_name("mating", search.mating, MATING, score)
    _check_islands(search)
    try:
        rates_of(search.rates)
    except ConfigError as e:
        raise ConfigError(f"search.{e}") from None


def import_plugins(search: SearchSettings) -> None:
    """Raises ConfigError for a plug-in that cannot be imported: before a run has a folder, let alone a generation."""
    from evonet.genome.variation import operator

    for key in ("survival", "mating"):
        name = getattr(search, key)
        if plugins.is_plugin(name):
            plugins.load(name, f"search.{key}")
    for name in search.rates:
        operator(name)


def _check_name(key: str, name: str, known: Sequence[str], score: ScoreSettings) -> None:
    if plugins.is_plugin(name):
        return
    if name not in known:
        raise ConfigError(
            f'search.{key} = "{name}", expected one of {", ".join(known)}, or a plug-in "module:function"; '
            f"{plugins.near(name, known)}See docs/deap.md."
        )
    if name in _MANY[key] and (score.kind != "pareto" or len(score.objectives) < 2):
        came = f'score.kind = "{score.kind}"' if score.kind != "pareto" else f"score.objectives = {score.objectives}"
        raise ConfigError(
            f'search.{key} = "{name}" with {came}, expected score.kind = "pareto" with two objectives or more, which '
            f'are what {name} compares. Set them, or search.{key} = "{known[0]}".'
        )


def _check_islands(search: SearchSettings) -> None:
    size = search.population // search.islands
    if search.islands > 1 and size < _LEAST:
        raise ConfigError(
            f"search.islands = {search.islands} with search.population = {search.population}, expected at least "
            f"{_LEAST} individuals an island. Raise population or lower islands."
        )
    if search.islands > 1 and search.migrate_every and search.migrants >= size:
        raise ConfigError(
            f"search.migrants = {search.migrants}, expected fewer than the {size} individuals of an island: more "
            "would make all islands one. Lower migrants, or set migrate_every = 0."
        )
