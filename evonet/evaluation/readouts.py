"""A readout's weights from a parent's, where the features changed: another grid, another pooling, more channels."""

import torch
from torch import Tensor

from evonet.evaluation.eyes import lead, moved
from evonet.genome.genes import Pooling
from evonet.plan import Plan
from evonet.plan.saccade import EXTRA
from evonet.plan.types import Tensor as Slots

_POOLS: dict[Pooling, tuple[str, ...]] = {"mean": ("mean",), "max": ("max",), "both": ("mean", "max")}


def fill_readout(fresh: Tensor, slots: Slots, plan: Plan, parent: Plan, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """(weights, which of them the parent had). Features are (pool, channel, cell).

    New channels, coordinates and pools come in at zero. On another grid every cell takes its share of the cells that it
    lies in: under mean pooling a finer grid whose cells divide the old ones evenly gives the same logits.
    """
    if slots.role == "readout_bias":
        return theirs.clone(), torch.ones(slots.shape, dtype=torch.bool)
    new, old = plan.readout, parent.readout
    mine, others = _POOLS[new.pooling], _POOLS[old.pooling]
    cells = new.grid[0] * new.grid[1]
    source = theirs.reshape(len(theirs), len(others), -1, old.grid[0] * old.grid[1])
    before, now = lead(parent, old.source), lead(plan, new.source)
    source = moved(source, 2, before, now)
    if new.grid != old.grid:
        source = source @ _shares(old.grid, new.grid, plan.sheets[plan.readout.source].shape[1:])
    weight = torch.zeros(len(fresh), len(mine), fresh.shape[1] // len(mine) // cells, cells)
    kept = torch.zeros(weight.shape, dtype=torch.bool)
    channels = min(weight.shape[2], source.shape[2])
    for place, pool in enumerate(mine):
        if pool in others or len(mine) == len(others):  # max instead of mean: the nearest there is
            at = others.index(pool) if pool in others else 0
            weight[:, place, :channels] = source[:, at, :channels]
            kept[:, place, 0 if before == now else EXTRA[now] : channels] = True
    return weight.reshape(fresh.shape), kept.reshape(fresh.shape)


def _shares(old: tuple[int, int], new: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """What part of each old cell each new cell covers: (old cells, new cells)."""
    rows, columns = (_overlaps(o, n, s) for o, n, s in zip(old, new, size, strict=True))
    return torch.kron(rows, columns)


def _overlaps(old: int, new: int, size: int) -> Tensor:
    """The same along one side; adaptive pooling's cell i of g spans floor(i * size / g) .. ceil((i + 1) * size / g)."""

    def spans(cells: int) -> list[range]:
        return [range(i * size // cells, -(-(i + 1) * size // cells)) for i in range(cells)]

    shares = [[len(set(o) & set(n)) / max(1, len(o)) for n in spans(new)] for o in spans(old)]
    return torch.tensor(shares)
