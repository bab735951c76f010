"""What is inherited: frozen records of small integers and words. No tensor, no shape, no weight.

A genome is a list of sheets, each wired to earlier ones, and a readout. Gene ids `(birth individual, ordinal)` say
which genes are homologous; they serve crossover and inheritance, live in jobs and the database, and are no part of
the canonical code.
"""

from __future__ import annotations

from typing import Literal

import msgspec

GeneId = tuple[int, int]

Reduction = Literal["none", "stride", "max", "mean", "all"]
Activation = Literal["none", "relu", "leaky_relu", "abs", "tanh", "gelu"]
Bias = Literal["none", "channel", "repeat"]
Norm = Literal["none", "rms", "instance"]
Join = Literal["add", "concat"]
Pattern = Literal["box", "lattice", "scatter"]
Mixing = Literal["full", "depthwise", "separable", "grouped", "identity"]
Sharing = Literal["sheet", "tile", "position"]
Symmetry = Literal["none", "even", "odd", "orbit4", "orbit8"]
Boundary = Literal["zero", "wrap", "valid"]
Pooling = Literal["mean", "max", "both"]
ReadoutKind = Literal["linear", "direct", "hadamard"]
SaccadeForm = Literal["set", "conv"]
Route = Literal["budget", "threshold", "every"]
Fill = Literal["zero", "cheap"]
Coordinates = Literal["none", "xy", "fourier", "relative"]


class Gene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all gene records: frozen, compared by value, unknown fields refused."""


class MotifGene(Gene, frozen=True, kw_only=True):
    """A set of taps that repeats at every position of a sheet. Defaults are the plain 3x3 window."""

    source: int = 1  # 0 the sheet itself; k = k sheets back
    radius: int = 1  # local taps lie within this Chebyshev distance
    taps: int = 9
    long_share: int = 0  # sixteenths of the taps that lie outside the radius
    reach: int = 6  # long taps lie within this Chebyshev distance
    pattern: Pattern = "box"
    seed: int = 0
    basis: tuple[int, int, int, int] = (2, 0, 0, 2)  # lattice vectors (dy, dx), (dy, dx)
    edits: tuple[tuple[int, int], ...] = ()  # single offsets (dy, dx) toggled after all else
    mixing: Mixing = "full"
    groups: int = 2
    sharing: Sharing = "sheet"  # which target positions have the same weights: all; those of a tile; none
    tile: int = 2  # the sheet is cut into tile x tile regions, or fewer where it is smaller
    symmetry: Symmetry = "none"
    weights_from: int = 0  # 0 own; k = the motif k places back, a sheet's self motifs counted after its others
    boundary: Boundary = "zero"
    id: GeneId | None = None


class SheetGene(Gene, frozen=True, kw_only=True):
    """A grid of neurons: reduce(act(norm(join of motifs + bias))), residual last."""

    channels: int = 8
    reduction: Reduction = "none"
    activation: Activation = "relu"
    bias: Bias = "channel"
    norm: Norm = "none"
    join: Join = "add"
    residual: bool = False
    repeats: int = 1  # applications of the self motif, with the same weights
    motifs: tuple[MotifGene, ...] = (MotifGene(),)
    id: GeneId | None = None


class ReadoutGene(Gene, frozen=True, kw_only=True):
    """Pooling on a grid of at most `grid x grid` cells, then the classes."""

    pooling: Pooling = "mean"
    grid: int = 1
    kind: ReadoutKind = "linear"
    id: GeneId | None = None


class SaccadeGene(Gene, frozen=True, kw_only=True):
    """Where motifs are expressed: the first `depth` sheets, the eye, are computed in chosen cells of the image alone.

    Class k of a cell says that each sheet of the eye computes its k-th motif there (its last one, if it has fewer).
    A glance at the image, averaged over `downsampling` x `downsampling` pixels, tells how good every class is in every
    cell. As a `set`, what the eye makes never returns to a grid: later sheets see one position at a time, its features
    and coordinates, and the readout pools over them. As `conv` it is put back over `fill`, and later sheets are dense.
    """

    cell: int = 8  # side, in pixels
    downsampling: int = 4  # pixels, along each side, that one of the glance's is the mean of
    glance: int = 8  # channels of the glance's sheets
    depth: int = 1  # sheets of the eye
    form: SaccadeForm = "set"
    # The best cells; of them those above the threshold, a logit of 0; or every cell, and no glance. In a set the task
    # does not teach the level of the logits, for weights are their softmax, which a constant does not change: how many
    # cells pass is taught by `cost` or `location` of [saccades] alone.
    route: Route = "budget"
    budgets: tuple[int, int, int, int] = (2, 0, 0, 0)  # cells of class 1, 2, 3, 4; of one fixation
    fixations: int = 0  # looks in turn, each of `budgets`; 0: all at once, without memory
    halting: int = 0  # h: no further look once an answer has probability 1 - 2**-h; 0: none is left out
    fill: Fill = "zero"  # what the other cells hold: nothing, or what the glance makes of them
    coordinates: Coordinates = "xy"  # that go with the features of a set
    tie: bool = False  # all motifs of a sheet of the eye are cut out of the weights of its largest


class Genome(Gene, frozen=True, kw_only=True):
    """Sheets from the input on, the readout, and optionally where to look."""

    sheets: tuple[SheetGene, ...]
    readout: ReadoutGene = ReadoutGene()
    saccade: SaccadeGene | None = None
