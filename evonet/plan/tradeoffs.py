"""What a network that looks spends where: the glance, each kind of cell, all that it may look at."""

from __future__ import annotations

import msgspec

from evonet.genome.looking import rounds
from evonet.plan.applied import applied
from evonet.plan.costs import application_macs
from evonet.plan.lowering import predicted
from evonet.plan.types import Plan
from evonet.timing import CostTable

BATCH = 128  # images of a training step, as the cost table counts


class TradeOffs(msgspec.Struct, frozen=True, kw_only=True):
    """Of one image, all budgets spent: a threshold or halting may leave some."""

    cell: int  # side in pixels
    grid: tuple[int, int]  # rows and columns of cells
    budgets: tuple[int, ...]  # cells per class, of one fixation
    fixations: int
    glance_macs: int
    cell_macs: tuple[int, ...]  # of one cell, per class
    cells_macs: int  # of all cells looked at
    macs: int  # of everything: of the sheets behind the eye too
    everywhere_macs: int  # of the eye, if every cell were of the class that costs most
    milliseconds: float  # predicted, of the stages of a training step on 128 images

    def rows(self) -> dict[str, str]:
        """For people, in the order to print."""
        looks = rounds(self.fixations) * sum(self.budgets)
        each = f", at each of {self.fixations} fixations" if self.fixations else ""
        classes = ", ".join(f"{n} of class {k}" for k, n in enumerate(self.budgets, start=1) if n)
        cells = self.grid[0] * self.grid[1]
        return {
            "cells": f"{self.grid[0]}x{self.grid[1]} of {self.cell}x{self.cell} pixels",
            "looked at, at most": f"{classes}{each}: {looks:,} of {cells:,}",
            "multiply-adds of the glance": f"{self.glance_macs:,}",
            **{
                f"multiply-adds of a cell of class {k}": f"{macs:,}"
                for k, (n, macs) in enumerate(zip(self.budgets, self.cell_macs, strict=True), start=1)
                if n
            },
            "multiply-adds of all cells looked at": f"{self.cells_macs:,} ({self.everywhere_macs:,} in every cell)",
            "multiply-adds of all else": f"{self.macs - self.glance_macs - self.cells_macs:,}",
            f"predicted for a training step on {BATCH} images": f"{self.milliseconds:,.1f} ms (default cost table)",
        }


def trade_offs(plan: Plan, table: CostTable | None = None) -> TradeOffs | None:
    """None where the network looks everywhere."""
    at = plan.saccade
    if at is None:
        return None
    macs = {"glance": 0, "eye": 0, "other": 0}
    for one in applied(plan):
        macs[one.part] += one.times * application_macs(one.stage)
    return TradeOffs(
        cell=at.cell,
        grid=at.grid,
        budgets=at.budgets,
        fixations=at.fixations,
        glance_macs=macs["glance"],
        cell_macs=tuple(eye.costs.macs for eye in at.eyes),
        cells_macs=macs["eye"],
        macs=plan.costs.macs,
        everywhere_macs=at.cells * max(eye.costs.macs for eye in at.eyes),
        milliseconds=predicted(plan, table or CostTable(), batch=BATCH) / 1e6,
    )
