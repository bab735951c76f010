"""Survivors of aging evolution (Real et al. 2019, "Regularized evolution for image classifier architecture search")."""

from collections.abc import Sequence

from evonet.evolution.selection.plugins import Candidate
from evonet.seeds import Stream


def newest(candidates: tuple[Candidate, ...], count: int, stream: Stream) -> Sequence[Candidate]:
    """The youngest stay, whatever they are worth."""
    del stream
    return candidates[-count:]
