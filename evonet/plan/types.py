"""The plan: a genome expanded for one input shape, in integers only. Cacheable, printable, comparable.

Shapes are `(channels, height, width)`. A neuron's index in its sheet is `(c * height + y) * width + x`.
"""

from __future__ import annotations

from math import prod
from typing import Literal

import msgspec
from msgspec.structs import replace

from evonet.genome.genes import (
    Activation,
    Coordinates,
    GeneId,
    Join,
    Norm,
    Pooling,
    ReadoutKind,
    Reduction,
    Route,
    SaccadeForm,
)

Shape = tuple[int, int, int]
Tap = tuple[int, int]
Role = Literal["tap", "mix", "bias", "readout", "readout_bias"]
Bits = tuple[bool, ...]

INPUT = -1  # in `Branch.source`: the images


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of plan records."""


class Expression(Part, frozen=True, kw_only=True):
    """What compression left on: live bits per tap and per channel, of the plan of the whole genome."""

    taps: tuple[Bits, ...]  # per stage of `Plan.stages`, one bit per tap of `Stage.all_taps`
    channels: tuple[Bits, ...]  # per sheet, one bit per channel of its gene


class Tensor(Part, frozen=True, kw_only=True):
    """A block of weight slots. Slot identity = (gene, role, tile, out channel, in channel, tap offset)."""

    name: str  # e.g. "sheet0.motif0.taps"
    role: Role
    shape: tuple[int, ...]
    gene: GeneId | None
    fan_in: int  # connections into one target neuron, for initialisation and step scales
    kept: tuple[tuple[int, ...], ...] | None = None  # per axis, which indices of the whole genome's tensor; None: all

    @property
    def size(self) -> int:
        return prod(self.shape)


class Tying(Part, frozen=True, kw_only=True):
    """How a symmetry makes a kernel of fewer stored weights.

    With n = len(taps) the kernel's weight for target channel o, input i and tap t is
    signs[o % n][t] * stored[o // n, i, taps[o % n][t]], and there is none where taps[o % n][t] is -1.
    """

    taps: tuple[tuple[int, ...], ...]  # (n, taps of the stage): index into `Stage.own_taps`, or -1
    signs: tuple[tuple[int, ...], ...]  # (n, taps of the stage): 1 or -1


class Stage(Part, frozen=True, kw_only=True):
    """One linear map from a source sheet to a target sheet; the same at every position, or in every tile.

    target[o, y, x] = sum over taps (dy, dx) and inputs i of w * source[i, row(y) + dy, column(x) + dx], with
    row(y) = floor(y * span[0] / height of the target) + shift[0], and columns alike: `evonet.plan.geometry`.
    Outside the source there is zero, or with `wrap` its other side.

    full: weight (out, in, taps). grouped: weight (out, in / groups, taps), target channel o reads the inputs of group
    floor(o * groups / out). depthwise: weight (out, taps), target channel o reads input `reads[o]`.
    identity: no weight, the mean of the taps (those outside count as zero), channel `reads[o]`.
    With more than one tile the weight has one more axis in front, the tile of target position (y, x):
    floor(y * tiles[0] / height) * tiles[1] + floor(x * tiles[1] / width).
    With `tying` the weight's `out` and `taps` axes are those stored: ceil(out / n) kernels over `own_taps`.
    """

    name: str
    mixing: Literal["full", "grouped", "depthwise", "identity"]
    groups: int  # 1 unless grouped
    source: Shape
    target: Shape
    span: tuple[int, int]
    shift: tuple[int, int]
    wrap: bool
    tiles: tuple[int, int]  # rows and columns of regions with weights of their own; (1, 1) is the whole sheet
    taps: tuple[Tap, ...]  # live offsets of the kernel, sorted
    own_taps: tuple[Tap, ...]  # live offsets with weights of their own, in the weight's order; `taps` without tying
    all_taps: tuple[Tap, ...]  # the offsets with weights that the genome names; expression switches some off
    local: int  # Chebyshev radius that counts as local when a lowering is chosen
    reads: tuple[int, ...]  # depthwise and identity: the input of every target channel; else ()
    tying: Tying | None
    weight: int | None  # index into Plan.tensors
    lender: int | None = None  # index into Plan.stages of the stage whose weights, and live taps, these are

    @property
    def alive(self) -> Bits:
        """One bit per tap of `all_taps`. Borrowed taps correspond by their place, not by their offset."""
        live = set(self.own_taps)
        return tuple(tap in live for tap in self.all_taps)

    @property
    def cut_out(self) -> bool:
        """Whether the kernel is some of the stored weights, each at its own offset: other motifs have more of them."""
        return self.tying is not None and len(self.tying.taps) == 1 and set(self.taps) <= set(self.own_taps)

    @property
    def inputs(self) -> int:
        """Source channels that one target channel reads."""
        return self.source[0] // self.groups if self.mixing in ("full", "grouped") else 1


class Branch(Part, frozen=True, kw_only=True):
    """One motif as computed: stages applied in turn, the first to sheet `source`."""

    source: int  # index of a sheet, its own for a self motif; INPUT for the images
    stages: tuple[Stage, ...]  # one, or depthwise then mixing
    channels: tuple[int, int]  # first and last + 1 of the sheet's channels that it adds to
    gene: GeneId | None


class SheetPlan(Part, frozen=True, kw_only=True):
    """Application 0: h = reduce(act(norm(join(incoming) + bias))) (+ sheet `add_source`).

    Application r = 1..repeats: h = act(norm(join(recurrent)(h) + bias)) (+ h), always the same weights.
    join: branches are summed (add), or lie side by side in the channels (concat).
    The bias tensor is (rows, channels): one row for all applications, or row r for application r.
    """

    name: str
    shape: Shape  # after reduction; live channels
    incoming: tuple[Branch, ...]
    recurrent: tuple[Branch, ...]  # () without a self motif
    join: Join
    repeats: int  # applications of `recurrent`
    bias: int | None  # tensor index
    norm: Norm
    activation: Activation
    reduction: Reduction
    add_source: int | None  # residual over the incoming application: this sheet, or INPUT, is added
    add_self: bool  # residual over the recurrent applications
    alive: Bits  # of the gene's channels
    cuttable: bool  # whether a channel may be switched off without touching more than its own weights

    def of_class(self, kind: int) -> SheetPlan:
        """A sheet of the eye as class `kind` + 1 has it: with its one motif, the last where there are fewer."""
        return replace(self, incoming=(self.incoming[min(kind, len(self.incoming) - 1)],))


class ReadoutPlan(Part, frozen=True, kw_only=True):
    source: int  # index of the sheet that it reads
    pooling: Pooling
    grid: tuple[int, int]
    kind: ReadoutKind
    features: int  # after pooling, flattened as (pool, channel, row, column)
    weight: int | None  # (classes, features)
    bias: int | None  # (classes,)


class Costs(Part, frozen=True, kw_only=True):
    """In closed form, per image where it applies."""

    weights: int  # slots, biases included
    macs: int  # multiply-adds, zero padding included
    connections: int  # mask ones: pairs of neurons that are joined, counted once per application
    neurons: int


class Eye(Part, frozen=True, kw_only=True):
    """How one class of a cell is computed: the eye's sheets on one block of pixels, each by one of its motifs.

    Cell i, along an axis, reads pixels i * cell + first[0] on, as many as the first stage's source has; sheet k then
    holds its positions from i * steps[k] + first[k + 1] on, those of the whole sheet that lie outside it as zeros.
    """

    count: int  # cells of this class at most, of one fixation
    sheets: tuple[SheetPlan, ...]  # shapes are of the block
    first: tuple[tuple[int, int], ...]  # (row, column): of the pixels, and of every sheet
    costs: Costs  # of one block; weights are 0


class SaccadePlan(Part, frozen=True, kw_only=True):
    """Where the first `depth` sheets are computed. `Plan.sheets` holds them as computed everywhere: the reference.

    Behind the genome's own sheets stand the glance's, which see the view, and those named here by their index.
    """

    depth: int
    cell: int  # side in pixels
    grid: tuple[int, int]  # rows and columns of cells
    steps: tuple[int, ...]  # positions of a cell, along each side, in every sheet of the eye
    form: SaccadeForm
    route: Route
    eyes: tuple[Eye, ...]  # per class
    fixations: int
    halting: float | None  # the probability that is sure enough
    coordinates: Coordinates
    downsampling: int
    view: Shape  # what the glance sees
    glance: tuple[int, ...]  # sheets; the last but one has the features of every cell, the last its logits
    cheap: int | None  # the sheet that fills the cells without a class
    query: int | None  # the sheet that makes of what is known what to look for

    @property
    def classes(self) -> int:
        return len(self.eyes)

    @property
    def cells(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def budgets(self) -> tuple[int, ...]:
        """Cells per class, of one fixation."""
        return tuple(eye.count for eye in self.eyes)


class Plan(Part, frozen=True, kw_only=True):
    input: Shape
    classes: int
    sheets: tuple[SheetPlan, ...]
    readout: ReadoutPlan
    tensors: tuple[Tensor, ...]  # of live taps and channels only
    costs: Costs
    saccade: SaccadePlan | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in the order in which they are computed; the order of `Expression.taps`."""
        branches = (branch for sheet in self.sheets for branch in (*sheet.incoming, *sheet.recurrent))
        return tuple(stage for branch in branches for stage in branch.stages)

    @property
    def expression(self) -> Expression:
        return Expression(
            taps=tuple(stage.alive for stage in self.stages), channels=tuple(sheet.alive for sheet in self.sheets)
        )
