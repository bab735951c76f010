"""The torch module built from a plan. It never sees a genome."""

import torch
from torch import Tensor, nn

from evonet.network.looking import Looked, Pick
from evonet.network.readout import Readout
from evonet.network.saccade import Saccade
from evonet.network.sheets import Sheets, Weights
from evonet.plan.types import INPUT, Plan
from evonet.timing import CostTable


class Network(nn.Module):
    """Images (batch, channels, height, width), values in [0, 1], to logits (batch, classes).

    Parameters are named and shaped as `plan.tensors` (dots become underscores). `forward(x, weights)` computes with
    other tensors in their place, in the order of `plan.tensors`: how training sees quantised weights.
    """

    def __init__(
        self, plan: Plan, *, dtype: torch.dtype = torch.float32, masked: bool = False, costs: CostTable | None = None
    ) -> None:
        """`masked`: compute every stage as a masked matrix and all cells of an image, the reference.

        `costs`: what the lowerings are chosen by; None is the default table.
        """
        super().__init__()
        self.plan = plan
        # Pairs, not a dict: ParameterDict would sort the keys of a plain dict.
        self.tensors = nn.ParameterDict(
            [(t.name.replace(".", "_"), nn.Parameter(torch.zeros(t.shape, dtype=dtype))) for t in plan.tensors]
        )
        self.readout = Readout(plan.readout, plan.classes)
        everywhere = plan.saccade is None
        self.saccade = None if everywhere else Saccade(plan, self.readout, masked=masked, costs=costs)
        self.sheets = Sheets(dict(enumerate(plan.sheets)) if everywhere else {}, masked=masked, costs=costs)

    @property
    def weights(self) -> list[nn.Parameter]:
        """The parameters in the order of `plan.tensors`."""
        return list(self.tensors.values())

    @property
    def stages(self) -> nn.ModuleList:
        return self.sheets.stages

    def forward(self, x: Tensor, weights: Weights | None = None) -> Tensor:
        self._check(x)
        w: Weights = self.weights if weights is None else weights
        if self.saccade is not None:
            return self.saccade(x, w)[0]  # type: ignore[no-any-return]
        sheets = {INPUT: x}
        for index in range(len(self.plan.sheets)):
            sheets[index] = self.sheets(index, sheets, w)
        logits: Tensor = self.readout(sheets[self.plan.readout.source], w)
        return logits

    def look(
        self, x: Tensor, weights: Weights | None = None, *, pick: Pick | None = None, halt: bool = True
    ) -> tuple[Tensor, Looked]:
        """Logits, and where they come from. `pick`: how cells are chosen, None as the network was scored.

        `halt`: images that are sure of their answer look no further, if the gene says so.

        Raises ValueError: the plan has no saccade gene.
        """
        self._check(x)
        logits, looked = self._looking()(x, self.weights if weights is None else weights, pick, halt=halt)
        return logits, looked

    def answer(self, x: Tensor, looked: Looked, weights: Weights | None = None) -> Tensor:
        """Logits for other pixels in the same cells with the same weights; of the glance only a fill is made anew."""
        logits: Tensor = self.look(x, weights, pick=looked.held())[0]
        return logits

    def windows(self, looked: Looked) -> Tensor:
        """(looks, 4) int64: y0, x0, y1, x1 of the pixels that each look may depend on, beyond the image too."""
        return self._looking().windows(looked)

    def _looking(self) -> Saccade:
        if self.saccade is None:
            raise ValueError("the network looks everywhere: its genome has no saccade gene")
        return self.saccade

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != self.plan.input:  # convolutions would take any size, and answer nonsense
            came, wanted = ("x".join(map(str, shape)) for shape in (x.shape[1:], self.plan.input))
            raise ValueError(f"images of {came} after the batch dimension, expected {wanted} (channels, height, width)")
