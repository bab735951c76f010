"""What a genome means for one input shape, in integers only."""

from evonet.plan.budget import Budget
from evonet.plan.expand import expand
from evonet.plan.fit import fit
from evonet.plan.resize import resized
from evonet.plan.types import INPUT, Branch, Costs, Expression, Plan, ReadoutPlan, Shape, SheetPlan, Stage, Tap, Tensor

__all__ = [
    "INPUT",
    "Branch",
    "Budget",
    "Costs",
    "Expression",
    "Plan",
    "ReadoutPlan",
    "Shape",
    "SheetPlan",
    "Stage",
    "Tap",
    "Tensor",
    "expand",
    "fit",
    "resized",
]
