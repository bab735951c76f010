"""The best of a long run without reading all of it: SQLite orders by the score, written as SQL.

`evonet.evolution.score` is what a score means; a test holds the two together.
"""

from __future__ import annotations

from evonet.evolution.score import BEYOND
from evonet.evolution.settings import ScoreSettings


def score_sql(settings: ScoreSettings, *, loss: str = "loss", accuracy: str = "accuracy") -> str:
    """The score of a row of table evaluation, on validation or, with the other columns, on the choice split.

    Nothing but column names and numbers from validated settings.
    """
    if share := settings.corrupted:
        loss, accuracy = (
            f"({1 - share!r} * {clean} + {share!r} * corrupted_{name})"
            for clean, name in ((loss, "loss"), (accuracy, "accuracy"))
        )
    match settings.kind:
        case "length":
            return f"-({settings.size_weight!r} * 8 * bytes + train_images * {loss})"
        case "weighted":
            return f"100 * {accuracy} - {settings.size_price!r} * bytes / 100"
        case "bound":
            over = f"-({BEYOND} + bytes / {float(settings.bound)!r})"
            return f"CASE WHEN bytes > {settings.bound} THEN {over} ELSE -min({loss}, {BEYOND}) END"
        case "pareto":
            return f"-{loss}"


def order_sql(settings: ScoreSettings) -> str:
    """Finished individuals by their choice score, then the others by their score, the earlier individual first."""
    done = "(rung = -1 AND choice_loss IS NOT NULL AND choice_accuracy IS NOT NULL)"
    choice = score_sql(settings, loss="choice_loss", accuracy="choice_accuracy")
    return f"{done} DESC, CASE WHEN {done} THEN {choice} ELSE {score_sql(settings)} END DESC, individual"
