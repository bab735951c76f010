"""Measures the cost table of a device: stages of many kinds are timed, and the table that explains them fitted."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from msgspec.structs import fields

from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.network.stages import lowered
from evonet.plan import Budget, Stage, expand
from evonet.plan.lowering import GatherPart, Lowering, cost, options
from evonet.timing import CostTable

UPDATES = 20_000
UNIT = 10**6  # large enough that integer division leaves the shares of a cost exact
SHAPES = ((4, 7), (4, 28), (8, 14), (16, 14), (32, 14), (32, 7), (64, 7))  # channels, side
FAR = MotifGene(radius=1, long_share=6, pattern="scatter", reach=6, seed=1)
MOTIFS = (
    MotifGene(),
    MotifGene(radius=0, taps=1),
    MotifGene(radius=2, taps=25),
    FAR,
    MotifGene(mixing="depthwise"),
    MotifGene(radius=2, taps=25, mixing="depthwise"),
    MotifGene(radius=1, long_share=6, pattern="scatter", reach=6, seed=1, mixing="depthwise"),
    MotifGene(sharing="tile"),
    MotifGene(sharing="tile", tile=4),
    MotifGene(sharing="position"),
)


def calibrate(*, batch: int = 128, rounds: int = 5, shapes: tuple[tuple[int, int], ...] = SHAPES) -> CostTable:
    """The table of this device, with one thread; about half a minute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        stages = list(probes(shapes))
        times = np.array([_nanoseconds(stage, parts, batch, rounds) for stage, parts in stages])
    finally:
        torch.set_num_threads(before)
    return fit(stages, times, batch)


def fit(stages: list[tuple[Stage, Lowering]], nanoseconds: np.ndarray, batch: int) -> CostTable:
    """The table, nowhere negative, with the least squared relative error.

    A cost is a sum of shares in the table's entries, so this is non-negative least squares, solved by multiplicative
    updates (Lee & Seung 2001, "Algorithms for non-negative matrix factorization", theorem 1).
    """
    names = [field.name for field in fields(CostTable)]
    zero = dict.fromkeys(names, 0)
    share = [[cost(s, p, CostTable(**(zero | {name: UNIT})), batch=batch) / UNIT for name in names] for s, p in stages]
    relative = np.array(share) / nanoseconds[:, None]
    entries = np.array([getattr(CostTable(), name) for name in names], dtype=np.float64)
    for _ in range(UPDATES):
        entries *= relative.sum(0) / np.maximum(relative.T @ (relative @ entries), 1e-300)
    return CostTable(**dict(zip(names, (max(1, round(e)) for e in entries), strict=True)))


def probes(shapes: tuple[tuple[int, int], ...]) -> Iterator[tuple[Stage, Lowering]]:
    """Every way to compute every stage, the hopeless ones left out."""
    for channels, side in shapes:
        for motif in MOTIFS:
            stage = _stage(SheetGene(channels=channels, motifs=(motif,)), channels, side)
            for parts in options(stage):
                if "index_mac" not in _paid(stage, parts) or channels <= 8:
                    yield stage, parts
        dense = _stage(SheetGene(channels=channels, reduction="all"), channels, side)
        yield dense, options(dense)[0]


def _paid(stage: Stage, parts: Lowering) -> set[str]:
    """The entries of the table that a cost depends on."""
    names = [field.name for field in fields(CostTable)]
    return {n for n in names if cost(stage, parts, CostTable(**(dict.fromkeys(names, 0) | {n: UNIT})))}


def _stage(sheet: SheetGene, channels: int, side: int) -> Stage:
    budget = Budget(macs=2**34, weights=2**26)
    return expand(Genome(sheets=(sheet,)), input=(channels, side, side), classes=2, budget=budget).stages[0]


def _nanoseconds(stage: Stage, parts: Lowering, batch: int, rounds: int) -> float:
    """The best of some rounds of forward and both gradients, in the layout that the network would choose."""
    last = any(isinstance(part, GatherPart) for part in parts)
    layout = torch.channels_last if last else torch.contiguous_format
    shape = _kernel_shape(stage)
    function, weight = lowered(stage, parts), torch.rand(shape, requires_grad=True)
    x = torch.rand(batch, *stage.source).contiguous(memory_format=layout).requires_grad_()
    gradient = torch.rand(batch, *stage.target).contiguous(memory_format=layout)
    best = float("inf")
    for _ in range(rounds + 1):  # the first allocates
        started = time.perf_counter_ns()
        function(x, weight, None).backward(gradient)
        best = min(best, time.perf_counter_ns() - started)
    return best


def _kernel_shape(stage: Stage) -> tuple[int, ...]:
    inputs = (stage.inputs,) if stage.mixing == "full" else ()
    tiles = (stage.tiles[0] * stage.tiles[1],) if stage.tiles != (1, 1) else ()
    return (*tiles, stage.target[0], *inputs, len(stage.taps))
