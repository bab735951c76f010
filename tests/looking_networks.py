"""Small networks that look, of every form, whose glance is known: it looks where the most ink is."""

import numpy as np
import torch
from msgspec.structs import replace

from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.genes import SaccadeGene
from evonet.network import Network, build, initialise
from evonet.package import Package, Quantised
from evonet.plan import Plan, expand

POINT = MotifGene(radius=0, taps=1)
TWO = SheetGene(channels=6, motifs=(MotifGene(), MotifGene(radius=2, taps=25)))

SET = Genome(
    sheets=(TWO, SheetGene(channels=8, motifs=(POINT,))),
    saccade=SaccadeGene(cell=8, downsampling=8, budgets=(2, 1, 0, 0)),
)
ONE = replace(
    SET,
    sheets=(SheetGene(channels=6), SheetGene(channels=8, motifs=(POINT,))),
    saccade=SaccadeGene(cell=8, downsampling=8, budgets=(1, 0, 0, 0)),
)
PATH = replace(ONE, saccade=replace(ONE.saccade, fixations=3))
GRID = replace(SET, sheets=(TWO, SheetGene(channels=8, reduction="max")), saccade=replace(SET.saccade, form="conv"))
CHEAP = replace(GRID, saccade=replace(GRID.saccade, fill="cheap"))
GENOMES = {
    "set": SET,
    "threshold": replace(SET, saccade=replace(SET.saccade, route="threshold", coordinates="relative")),
    "deep": replace(
        SET,
        sheets=(replace(TWO, reduction="max"), *SET.sheets),
        saccade=replace(SET.saccade, depth=2, coordinates="fourier"),
        readout=ReadoutGene(pooling="both"),
    ),
    "path": PATH,
    "halting": replace(PATH, saccade=replace(PATH.saccade, halting=1)),
    "two a fixation": replace(SET, saccade=replace(SET.saccade, budgets=(1, 1, 0, 0), fixations=3)),
    "grid": GRID,
    "every": replace(ONE, saccade=replace(ONE.saccade, route="every")),
}  # of all of these the looks alone reach the answer


def make_weights(plan: Plan, *, blind: bool = False) -> list[torch.Tensor]:
    """Random, but for a glance whose logit of class 1 is 7 times a cell's mean, and that of class 2 half of it.

    `blind`: the glance is random too.
    """
    weights = initialise(plan, 0)
    if blind:
        return weights
    for tensor, weight in zip(plan.tensors, weights, strict=True):
        if tensor.name.startswith(("glance", "logits", "query")):
            weight.zero_()
        if tensor.name == "glance0.motif0.taps":
            weight[0, :, 4] = 1  # the middle tap of one channel
        if tensor.name == "logits.motif0.taps":
            weight[:, 0, 4] = torch.tensor([7.0, 3.5])[: len(weight)]
    return weights


def make_network(genome: Genome = SET, *, side: int = 24, channels: int = 1, blind: bool = False) -> Network:
    """For images (channels, side, side) of four classes."""
    network = build(expand(genome, input=(channels, side, side), classes=4))
    with torch.no_grad():
        for parameter, weight in zip(network.weights, make_weights(network.plan, blind=blind), strict=True):
            parameter.copy_(weight)
    return network


def make_package(genome: Genome, *, side: int = 24, classes: int = 4) -> Package:
    """The same network with its weights rounded to sixteenths, for images of one channel."""
    plan = expand(genome, input=(1, side, side), classes=classes)
    codes = [(weight * 16).round().numpy().astype(np.int16) for weight in make_weights(plan)]
    tensors = tuple(Quantised(24, code) for code in codes)  # STEPS[24] is 1/16
    return Package(genome=genome, input=plan.input, classes=classes, expression=plan.expression, tensors=tensors)


def canvases(count: int, *, side: int = 24, digit: int = 9, seed: int = 0):
    """Images (count, 1, side, side) of noise: a square, the object, and specks; labels, and the objects' boxes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.zeros(count, 1, side, side)
    specks = torch.randint(0, side - 4, (count, 3, 2), generator=generator)
    corner = torch.randint(0, side - digit + 1, (count, 2), generator=generator)
    for i in range(count):
        for y, z in specks[i].tolist():
            x[i, 0, y : y + 4, z : z + 4] = torch.rand(4, 4, generator=generator)
        y, z = corner[i].tolist()
        x[i, 0, y : y + digit, z : z + digit] = 0.5 + 0.5 * torch.rand(digit, digit, generator=generator)
    labels = torch.randint(0, 4, (count,), generator=generator)
    return x, labels, torch.cat([corner, corner + digit], 1)
