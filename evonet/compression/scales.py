"""The freedom of scales: a channel's weights may be halved and those that read it doubled, and no logit changes.

One step suits a whole tensor best where all of its channels are of a size: Nagel et al. 2019, "Data-free quantization
through weight equalization and bias correction", section 4.1. The order of channels is free, too, but a tensor's code
is a function of the histogram of its codes (`evonet.package.cost`), so no order is shorter than another.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evonet.plan import Plan, SheetPlan

HOMOGENEOUS = ("none", "relu", "leaky_relu", "abs")  # f(s h) = s f(h) for s > 0
FURTHEST = 8.0  # no channel is scaled by more: a nearly dead one would blow up what reads it


def equalised(plan: Plan, weights: Sequence[Tensor]) -> list[Tensor]:
    """Weights of the same function, the channels of every free sheet about as large going in as coming out.

    `weights` are of the whole genome's plan and stay as they are; new tensors come back in the same order.
    """
    found = [w.detach().clone() for w in weights]
    for index, sheet in enumerate(plan.sheets):
        if free(sheet) and any(True for _ in _readers(plan, index, found)):
            _equalise(plan, index, found)
    return found


def free(sheet: SheetPlan) -> bool:
    """Whether each channel is one input of others, no more, and scales as its own weights do."""
    alone = not sheet.recurrent and sheet.add_source is None
    alone = alone and all(branch.stages[-1].weight is not None for branch in sheet.incoming)
    return sheet.cuttable and alone and sheet.norm == "none" and sheet.activation in HOMOGENEOUS


def _equalise(plan: Plan, index: int, weights: list[Tensor]) -> None:
    ins, outs = (_sizes(views) for views in (_writers(plan, index, weights), _readers(plan, index, weights)))
    scale = (outs / outs.mean() / (ins / ins.mean())).sqrt().clamp(1 / FURTHEST, FURTHEST)
    scale = torch.where((ins > 0) & (outs > 0), scale, torch.ones_like(scale)).float()
    for view in (*_writers(plan, index, weights), *_biases(plan, index, weights)):
        view *= scale.view(-1, *(1,) * (view.ndim - 1))
    for view in _readers(plan, index, weights):
        view /= scale.view(-1, *(1,) * (view.ndim - 1))


def _sizes(views: Iterator[Tensor]) -> Tensor:
    """Per channel, the root of the sum of squares over all views."""
    squares = [view.double().square().flatten(1).sum(1) for view in views]
    return torch.stack(squares).sum(0).sqrt()


def _writers(plan: Plan, index: int, weights: Sequence[Tensor]) -> Iterator[Tensor]:
    """Views of the weights that make a sheet, its channels first."""
    for branch in plan.sheets[index].incoming:
        stage = branch.stages[-1]
        if stage.weight is not None:
            weight = weights[stage.weight]
            yield weight.movedim(weight.ndim - (3 if stage.mixing == "full" else 2), 0)


def _biases(plan: Plan, index: int, weights: Sequence[Tensor]) -> Iterator[Tensor]:
    bias = plan.sheets[index].bias
    if bias is not None:
        yield weights[bias].movedim(1, 0)


def _readers(plan: Plan, index: int, weights: Sequence[Tensor]) -> Iterator[Tensor]:
    """Views of the weights that read a free sheet, its channels first: those of full stages, and the readout's."""
    for sheet in plan.sheets:
        for branch in (*sheet.incoming, *sheet.recurrent):
            at = branch.stages[0].weight
            if branch.source == index and at is not None:
                yield weights[at].movedim(-2, 0)
    readout, channels = plan.readout, plan.sheets[index].shape[0]
    if index == plan.readout.source and readout.weight is not None:
        pools = 2 if readout.pooling == "both" else 1
        weight = weights[readout.weight]
        yield weight.view(len(weight), pools, channels, -1).movedim(2, 0)
