"""A stage's weights as a dense kernel, one number per (tile, target channel, source channel, tap), and back.

Through it a child takes over what its parent stored in another form: mixed channels instead of one each, weights of
their own where a symmetry or a larger tile had tied them, and the other way round by averaging.
"""

from typing import NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor

from evonet.plan import geometry
from evonet.plan.types import Branch, Stage, Tap


class Kernel(NamedTuple):
    """`weight` and `known` are (tiles, out, in, taps); `known` is 1 where there is a connection, else 0."""

    weight: Tensor
    known: Tensor
    taps: tuple[Tap, ...]
    stage: Stage  # whose tiles and grid these are


def kernel_of(stage: Stage, weight: Tensor | None) -> Kernel:
    """The dense kernel of one stage; without weights it is the mean of the taps."""
    if weight is None:
        weight = torch.full((stage.target[0], len(stage.taps)), 1 / len(stage.taps))
    return Kernel(_spread(stage, weight), _spread(stage, torch.ones_like(weight), signed=False), stage.taps, stage)


def joined(branch: Branch, weights: list[Tensor]) -> Kernel:
    """The kernel of a separable branch as one stage: mixing times taps."""
    first, mix = (kernel_of(s, None if s.weight is None else weights[s.weight]) for s in branch.stages)
    return Kernel(
        torch.einsum("om,pmit->poit", mix.weight[0, :, :, 0], first.weight),
        torch.einsum("om,pmit->poit", mix.known[0, :, :, 0], first.known).clamp(max=1),
        first.taps,
        first.stage,
    )


def parted(kernel: Kernel) -> tuple[Kernel, Kernel]:
    """The nearest separable kernel: of every source channel the best product of mixing and taps (Eckart & Young 1936).

    The mixing is the same in every tile; both parts get the root of the singular value.
    """
    tiles, out, inputs, taps = kernel.weight.shape
    u, s, v = torch.linalg.svd(
        kernel.weight.permute(2, 1, 0, 3).flatten(2), full_matrices=False
    )  # (in, out, tiles * taps)
    root = s[:, :1].sqrt()
    mix = (u[:, :, 0] * root).T.reshape(1, out, inputs, 1)
    depth = torch.zeros(tiles, inputs, inputs, taps)
    each = torch.arange(inputs)
    depth[:, each, each] = (v[:, 0] * root).unflatten(1, (tiles, taps)).transpose(0, 1)
    stage = kernel.stage
    return (
        Kernel(depth, (depth != 0).float(), kernel.taps, stage),
        Kernel(mix, torch.ones_like(mix), ((0, 0),), stage),
    )


def fill(stage: Stage, fresh: Tensor, theirs: Kernel) -> tuple[Tensor, Tensor]:
    """The weights of `stage` from a parent's kernel: (weights, which of them the parent had).

    Old targets read new taps and new sources with zero; new targets keep their fresh weights, and so do all where no
    tap has survived.
    """
    shape = _dense_shape(stage)
    out, inputs = min(shape[1], theirs.weight.shape[1]), min(shape[2], theirs.weight.shape[2])
    where = {tap: i for i, tap in enumerate(theirs.taps)}
    mine = [i for i, tap in enumerate(stage.taps) if tap in where]
    if not mine:
        return fresh, torch.zeros(fresh.shape, dtype=torch.bool)
    at = [where[stage.taps[i]] for i in mine]
    weight, known = torch.zeros(shape), torch.zeros(shape)
    for full, part in ((weight, theirs.weight), (known, theirs.known)):
        full[:, :out, :inputs, mine] = _retiled(stage, theirs.stage, part[:, :out, :inputs, at])
    filled, kept = _gathered(stage, weight), _gathered(stage, known, signed=False) > 0
    orbit = len(stage.tying.taps) if stage.tying else 1
    new = -(-out // orbit)  # the first stored row with no old target
    filled.movedim(_out_axis(stage), 0)[new:] = fresh.movedim(_out_axis(stage), 0)[new:]
    return filled, kept


def _spread(stage: Stage, weight: Tensor, *, signed: bool = True) -> Tensor:
    """Stored weights -> (tiles, out, in, taps)."""
    w = weight[None] if stage.tiles == (1, 1) else weight
    if stage.mixing in ("depthwise", "identity"):
        w = w.unsqueeze(2)
    if stage.tying is not None:
        rows, places, signs = _ties(stage)
        w = w[:, rows].gather(3, places.clamp(min=0)[None, :, None].expand(len(w), -1, w.shape[2], -1))
        w = w * (signs if signed else signs.abs())[None, :, None]
    if stage.mixing == "full":
        return w
    full = torch.zeros(len(w), stage.target[0], stage.source[0], len(stage.taps))
    return full.scatter(2, _columns(stage)[None, :, :, None].expand(w.shape), w)


def _gathered(stage: Stage, kernel: Tensor, *, signed: bool = True) -> Tensor:
    """(tiles, out, in, taps) -> stored weights; tied ones are averaged."""
    w = kernel
    if stage.mixing != "full":
        columns = _columns(stage)[None, :, :, None]
        w = w.gather(2, columns.expand(len(w), -1, -1, w.shape[3]))
    if stage.tying is not None:
        w = _averaged(stage, w, signed=signed)
    if stage.mixing in ("depthwise", "identity"):
        w = w.squeeze(2)
    return w[0] if stage.tiles == (1, 1) else w


def _averaged(stage: Stage, w: Tensor, *, signed: bool) -> Tensor:
    rows, places, signs = _ties(stage)
    there = places >= 0
    at = (rows[:, None].expand(places.shape)[there], places[there])
    values = (w * (signs if signed else signs.abs())[None, :, None]).permute(1, 3, 0, 2)[there]  # (tied, tiles, in)
    total = torch.zeros(int(rows[-1]) + 1, len(stage.own_taps), len(w), w.shape[2])
    total.index_put_(at, values, accumulate=True)
    count = torch.zeros(total.shape[:2]).index_put_(at, torch.ones(len(at[0])), accumulate=True)
    return (total / count.clamp(min=1)[:, :, None, None]).permute(2, 0, 3, 1)


def _ties(stage: Stage) -> tuple[Tensor, Tensor, Tensor]:
    """Per target channel its stored row (out,); per channel and tap the stored tap or -1, and the sign or 0."""
    if stage.tying is None:
        raise AssertionError("only for tied stages")
    out, n = torch.arange(stage.target[0]), len(stage.tying.taps)
    places = torch.tensor(stage.tying.taps)[out % n]
    return out // n, places, torch.tensor(stage.tying.signs)[out % n] * (places >= 0)


def _columns(stage: Stage) -> Tensor:
    """The source channels that every target channel reads: (out, inputs)."""
    out = torch.arange(stage.target[0])
    first = torch.tensor(stage.reads) if stage.reads else out * stage.groups // stage.target[0] * stage.inputs
    return first[:, None] + torch.arange(stage.inputs)


def _dense_shape(stage: Stage) -> tuple[int, int, int, int]:
    return stage.tiles[0] * stage.tiles[1], stage.target[0], stage.source[0], len(stage.taps)


def _out_axis(stage: Stage) -> int:
    return 0 if stage.tiles == (1, 1) else 1


def _retiled(child: Stage, parent: Stage, kernel: Tensor) -> Tensor:
    """The kernel in the child's tiles: in each the mean of the parent's over the tile's positions."""
    count = child.tiles[0] * child.tiles[1]
    if len(kernel) == 1:
        return kernel.expand(count, -1, -1, -1)
    grids = (geometry.tiles(replace(child, tiles=t)) for t in (child.tiles, parent.tiles))
    mine, theirs = (torch.from_numpy(grid).flatten() for grid in grids)
    pairs, often = torch.unique(torch.stack((mine, theirs)), dim=1, return_counts=True)
    shares = often / torch.bincount(mine)[pairs[0]]
    parts = kernel[pairs[1]] * shares[:, None, None, None]
    return torch.zeros(count, *kernel.shape[1:]).index_add(0, pairs[0], parts)
