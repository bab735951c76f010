"""Who stands out in a run: its Pareto front and its hall of fame."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from evonet.errors import StoreError
from evonet.evolution.front import front, hall_of_fame
from evonet.evolution.score import objectives
from evonet.evolution.settings import Objective
from evonet.report.tables import Row, config_of, row
from evonet.store import Run

USUAL: tuple[Objective, ...] = ("loss", "bytes")  # where the score is one number


def front_rows(run: Run, names: Sequence[Objective] = ()) -> tuple[tuple[Objective, ...], list[Row]]:
    """The objectives, and the individuals that no other is better than in all of them, best in the first one first.

    `names`: else those of a Pareto search, or `USUAL`. An individual counts by its newest scored evaluation, if that
    has all of them. Raises StoreError: nobody's has.
    """
    settings = config_of(run).score
    pareto = replace(settings, kind="pareto", objectives=tuple(names) or _usual(settings.kind, settings.objectives))
    scored = [(i, m) for i in run.individuals() if (m := i.latest) is not None]
    measured = [(i, m) for i, m in scored if all(getattr(m, name) is not None for name in pareto.objectives)]
    if scored and not measured:
        raise StoreError(
            f"{run.path}: no individual has all of {', '.join(pareto.objectives)}; a run measures corrupted_loss, "
            "corrupted_accuracy and milliseconds where its section [score] asks for them"
        )
    best = front(measured, lambda pair: objectives(pair[1], pareto))
    return pareto.objectives, [row(individual, settings) for individual, _ in best]


def hall_rows(run: Run, count: int) -> list[Row]:
    """The `count` best scores, every genome once."""
    settings = config_of(run).score
    rows = [row(individual, settings) for individual in run.individuals()]
    scored = [r for r in rows if r.score is not None]
    return hall_of_fame(scored, lambda r: r.score or 0.0, count, same=lambda r: r.genome)


def _usual(kind: str, own: tuple[Objective, ...]) -> tuple[Objective, ...]:
    return own if kind == "pareto" else USUAL
