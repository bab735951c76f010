"""Score, selection, breeding, the loop.

Only what is light is re-exported, so that `evonet show` scores a run without DEAP: take `Search` from
`evonet.evolution.search` and `run` from `evonet.evolution.loop`.
"""

from evonet.evolution.score import choice_score, describe, score
from evonet.evolution.settings import ScoreSettings, SearchSettings

__all__ = ["ScoreSettings", "SearchSettings", "choice_score", "describe", "score"]
