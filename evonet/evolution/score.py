"""Scores: measures -> one number, greater is better, always finite.

`length`    -(size_weight x 8 x bytes + N x bits per label), N = training images: with weight 1 the description length
            of the labels and of the network that explains them, in bits (Rissanen 1978), and no weight to tune
`weighted`  100 x accuracy - size_price x bytes / 100, in points
`bound`     -loss for a file within the bound, otherwise below every file that fits, ordered by bytes
`pareto`    -loss, for display; selection uses `objectives`

With `corrupted` = c, loss stands for (1 - c) x loss + c x corrupted loss, and accuracy likewise.
"""

import math

import msgspec

from evonet.evolution.settings import ScoreSettings
from evonet.job import Diverged, Measures, Outcome, Record, Scored

WORST = -1e300  # the score of non-finite measures; they never enter a pool
BEYOND = 32.0  # more bits per label than any loss: 1 % uniform bounds it near log2(100 x classes), 23 at most
_MORE_IS_BETTER = frozenset({"accuracy", "corrupted_accuracy"})


def is_finite(record: Record) -> bool:
    """Whether every number in `record` is one. A NaN wins each comparison inside DEAP, so this is the gate."""
    values = msgspec.structs.astuple(record)
    if math.isfinite(sum(filter(None, values))):  # NaN and infinity show in the sum: one look at nearly every record
        return True
    return all(math.isfinite(v) for v in values if v is not None)


def sound(outcome: Outcome) -> Outcome:
    """`outcome`, or `Diverged` in place of a `Scored` with a number that is none."""
    if not isinstance(outcome, Scored) or all(map(is_finite, (outcome.measures, *outcome.rounds))):
        return outcome
    steps = sum(r.steps for r in outcome.rounds)
    return Diverged(decision=outcome.decision, step=steps, reason="scored with a non-finite measure")


def score(measures: Measures, settings: ScoreSettings) -> float:
    """The score on the validation split; `WORST` for non-finite measures."""
    return _score(measures, settings) if is_finite(measures) else WORST


def _score(measures: Measures, settings: ScoreSettings) -> float:
    """Of finite measures."""
    loss, accuracy = _quality(measures, settings.corrupted)
    match settings.kind:
        case "length":
            return -(settings.size_weight * 8 * measures.bytes + measures.train_images * loss)
        case "weighted":
            return 100 * accuracy - settings.size_price * measures.bytes / 100
        case "bound" if measures.bytes > settings.bound:
            return -(BEYOND + measures.bytes / settings.bound)
        case "bound":
            return -min(loss, BEYOND)
        case "pareto":
            return -loss


def _quality(measures: Measures, share: float) -> tuple[float, float]:
    """Loss and accuracy, `share` of them under corruptions. Raises ValueError where those were not measured."""
    if not share:
        return measures.loss, measures.accuracy
    parts = ((measures.loss, "corrupted_loss"), (measures.accuracy, "corrupted_accuracy"))
    loss, accuracy = ((1 - share) * clean + share * _measured(measures, name) for clean, name in parts)
    return loss, accuracy


def _measured(measures: Measures, name: str) -> float:
    value: float | None = getattr(measures, name)
    if value is None:  # settings that ask for it have it measured, and a fork that would lack it is refused
        raise ValueError(f"{name} was not measured, expected a number: a score can only see what evaluations measured")
    return float(value)


def choice_score(measures: Measures, settings: ScoreSettings) -> float | None:
    """The score on the choice split, or None where it was not measured (below the top rung).

    What is corrupted are validation images here, too.
    """
    loss, accuracy = measures.choice_loss, measures.choice_accuracy
    if loss is None or accuracy is None:
        return None
    if not is_finite(measures):
        return WORST
    return _score(msgspec.structs.replace(measures, loss=loss, accuracy=accuracy), settings)


def objectives(measures: Measures, settings: ScoreSettings) -> tuple[float, ...]:
    """What selection compares, each greater is better: the one score, or for `pareto` every objective with its sign.

    Raises ValueError: an objective was not measured.
    """
    if settings.kind != "pareto":
        return (score(measures, settings),)
    return tuple(_measured(measures, name) * (1 if name in _MORE_IS_BETTER else -1) for name in settings.objectives)


def describe(measures: Measures, settings: ScoreSettings) -> str:
    """The score in words and units."""
    value = score(measures, settings)
    match settings.kind:
        case "length":
            bits = -value / max(1, measures.train_images)
            return f"{-value / 8:,.0f} bytes for network and labels, {bits:.3f} bits per label"
        case "weighted":
            return f"{value:.2f} points"
        case "bound" if measures.bytes > settings.bound:
            return f"{measures.bytes - settings.bound:,} bytes over the bound of {settings.bound:,}"
        case "bound":
            return f"{-value:.3f} bits per label in {measures.bytes:,} of {settings.bound:,} bytes"
        case "pareto":
            return ", ".join(f"{name} {getattr(measures, name):g}" for name in settings.objectives)
