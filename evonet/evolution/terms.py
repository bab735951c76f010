"""All that a search decides by, beside its past. A `Configure` puts other terms in place of these."""

from typing import NamedTuple

from evonet.evolution.breeding import Admit
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome.limits import Limits


class Terms(NamedTuple):
    """As the arguments of `Search` of the same names."""

    settings: SearchSettings
    score: ScoreSettings
    limits: Limits
    seed: int
    context: str
    brief_examples: int
    admit: Admit
