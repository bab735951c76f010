"""Which tensors are pictures: their last axis goes through the places of a rectangle, row by row."""

from evonet.plan.types import Plan, Stage

Block = tuple[int, int]
SMOOTH = 5  # a kernel's longer side at least: below, there is nothing for a transform to find
CELLS = 3  # a readout's
LARGEST = 15  # a side at most, in the package format


def blocks(plan: Plan) -> tuple[Block | None, ...]:
    """(rows, columns) for every tensor of the plan that is one, in order; a readout holds one such block a channel."""
    found: list[Block | None] = [None] * len(plan.tensors)
    for stage in plan.stages:
        if stage.weight is not None and stage.lender is None:
            found[stage.weight] = _window(stage)
    readout = plan.readout
    if readout.weight is not None and readout.kind == "linear" and CELLS <= max(readout.grid) <= LARGEST:
        found[readout.weight] = readout.grid
    return tuple(found)


def _window(stage: Stage) -> Block | None:
    """The stage's own taps as a rectangle without holes."""
    rows, columns = (sorted({tap[axis] for tap in stage.own_taps}) for axis in (0, 1))
    full = [(dy, dx) for dy in rows for dx in columns] == list(stage.own_taps)
    dense = all(line[-1] - line[0] == len(line) - 1 for line in (rows, columns))
    sides = len(rows), len(columns)
    return sides if full and dense and SMOOTH <= max(sides) <= LARGEST else None
