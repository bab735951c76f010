"""Which stages are computed for an image, how often, and on how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from evonet.genome.looking import rounds
from evonet.plan.types import Plan, SaccadePlan, SheetPlan, Stage


class Applied(NamedTuple):
    """A stage as it is computed: `calls` times, each time on `each` sources of an image.

    `each` is 1 but for the eye, of which it is the cells of a fixation, and for the sheets of a set, of which it is the
    positions. The eye's stages are those of a block.
    """

    stage: Stage
    calls: int
    each: int
    part: Literal["glance", "eye", "other"]
    kind: int | None = None  # of the eye: 0 for class 1, ...

    @property
    def times(self) -> int:
        return self.calls * self.each


def applied(plan: Plan) -> list[Applied]:
    """Everything that is computed, sheet by sheet; the eye class by class. Classes without cells are not."""
    if plan.saccade is None:
        return [one for sheet in plan.sheets for one in _sheet(sheet)]
    at, first = plan.saccade, plan.saccade.depth
    found = [one for kind in range(at.classes) for one in _eye(at, kind)]
    behind = [(k, sheet) for k, sheet in enumerate(plan.sheets) if k >= first]
    return found + [one for k, sheet in behind for one in _sheet(sheet, *_often(plan, at, k))]


def _sheet(
    sheet: SheetPlan, calls: int = 1, each: int = 1, part: Literal["glance", "eye", "other"] = "other"
) -> Iterator[Applied]:
    for times, branches in ((1, sheet.incoming), (sheet.repeats, sheet.recurrent)):
        for branch in branches:
            for stage in branch.stages:
                yield Applied(stage, calls * times, each, part)


def _eye(at: SaccadePlan, kind: int) -> Iterator[Applied]:
    eye = at.eyes[kind]
    for sheet in eye.sheets if eye.count else ():
        for stage in sheet.incoming[0].stages:
            yield Applied(stage, rounds(at.fixations), eye.count, "eye", kind)


def _often(plan: Plan, at: SaccadePlan, index: int) -> tuple[int, int, Literal["glance", "eye", "other"]]:
    """Calls, sources and part of a sheet behind the eye."""
    if index in at.glance:
        return 1, 1, "glance"
    if index == at.query:
        return rounds(at.fixations) - 1, 1, "other"
    if index == at.cheap or at.form == "conv":
        return 1, 1, "other"
    if at.fixations and index == plan.readout.source:
        return at.fixations, 1, "other"  # of what is pooled
    return rounds(at.fixations), at.steps[-1] ** 2 * sum(at.budgets), "other"
