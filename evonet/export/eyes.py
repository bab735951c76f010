"""The eye's sheets of every class: on blocks, as they are computed, or on whole images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from evonet.plan import Plan, SheetPlan, Stage
from evonet.plan.types import SaccadePlan

Eyes = Mapping[int, tuple[SheetPlan, ...]]  # of every class that has cells: 0 for class 1, ...


def eyes(plan: Plan) -> Eyes:
    """On blocks. A motif that several classes have is a stage of another name in each: it may be written otherwise."""
    taken: set[str] = set()
    found = {}
    for kind in kinds(plan):
        sheets = tuple(_renamed(sheet, kind, taken) for sheet in _saccade(plan).eyes[kind].sheets)
        taken |= {stage.name for stage in _stages(sheets)}
        found[kind] = sheets
    return found


def everywhere(plan: Plan) -> Eyes:
    """On whole images: each sheet with the motif of one class."""
    first = plan.sheets[: _saccade(plan).depth]
    return {kind: tuple(sheet.of_class(kind) for sheet in first) for kind in kinds(plan)}


def as_computed(plan: Plan, found: Eyes) -> tuple[Stage, ...]:
    """All stages: of the eye in every class, and of the sheets behind it."""
    later = plan.sheets[_saccade(plan).depth :]
    return tuple(_stages([sheet for eye in found.values() for sheet in eye] + list(later)))


def kinds(plan: Plan) -> list[int]:
    """The classes that may have cells."""
    return [kind for kind, eye in enumerate(_saccade(plan).eyes) if eye.count]


def _saccade(plan: Plan) -> SaccadePlan:
    if plan.saccade is None:
        raise ValueError("the plan has no saccade gene")
    return plan.saccade


def _renamed(sheet: SheetPlan, kind: int, taken: set[str]) -> SheetPlan:
    (branch,) = sheet.incoming
    stages = (replace(s, name=f"{s.name}.class{kind + 1}") if s.name in taken else s for s in branch.stages)
    return replace(sheet, incoming=(replace(branch, stages=tuple(stages)),))


def _stages(sheets: Iterable[SheetPlan]) -> Iterable[Stage]:
    return (stage for sheet in sheets for branch in (*sheet.incoming, *sheet.recurrent) for stage in branch.stages)
