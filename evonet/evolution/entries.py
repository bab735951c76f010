"""Outcomes as the search remembers them; scores are derived, so they can be made anew from measures."""

from typing import Any

import msgspec

from evonet.evolution.bands import Entry
from evonet.evolution.score import choice_score, objectives, score
from evonet.evolution.settings import ScoreSettings
from evonet.job import Job, Measures


def entry_of(job: Job, measures: Measures, settings: ScoreSettings) -> Entry:
    """What came of `job`; the measures are finite."""
    return Entry(
        decision=job.decision,
        individual=job.individual,
        rung=job.rung,
        genome=job.genome,
        ids=job.ids,
        seen=measures.seen,
        long_share=measures.long_share,
        bytes=measures.bytes,
        **_derived(measures, settings),
    )


def scored_again(entry: Entry, measures: Measures, settings: ScoreSettings) -> Entry:
    """`entry`, which had these measures, under another score."""
    return msgspec.structs.replace(entry, **_derived(measures, settings))


def _derived(measures: Measures, settings: ScoreSettings) -> dict[str, Any]:
    value, choice = score(measures, settings), choice_score(measures, settings)
    wanted = objectives(measures, settings) if settings.kind == "pareto" else (value,)
    return {"score": value, "choice": choice, "objectives": wanted}
