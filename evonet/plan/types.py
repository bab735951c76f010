"""The plan: a genome expanded for one input shape, in integers only. Cacheable, printable, comparable.

Shapes are `(channels, height, width)`. A neuron's index in its sheet is `(c * height + y) * width + x`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from evonet.genome.genes import Activation, GeneId, Norm, Pooling, ReadoutKind, Reduction

Shape = tuple[int, int, int]
Tap = tuple[int, int]
Role = Literal["tap", "mix", "bias", "readout", "readout_bias"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of plan records."""


class Tensor(Part, frozen=True, kw_only=True):
    """A block of weight slots. Slot identity = (gene, role, tap offset, out channel, in channel)."""

    name: str  # e.g. "sheet0.motif0.taps"
    role: Role
    shape: tuple[int, ...]
    gene: GeneId | None
    fan_in: int  # connections into one target neuron, for initialisation and step scales

    @property
    def size(self) -> int:
        n = 1
        for d in self.shape:
            n *= d
        return n


class Stage(Part, frozen=True, kw_only=True):
    """One position-shared linear map from a source sheet to a target sheet.

    target[o, y, x] = sum over taps (dy, dx) and input channels i of w * source[i, y*stride + dy, x*stride + dx],
    zero outside the source.
    full: weight (out, in, taps). depthwise: weight (out, taps), in = o mod source channels.
    identity: no weight; the mean of the taps, in = o mod source channels.
    """

    name: str
    mixing: Literal["full", "depthwise", "identity"]
    source: Shape
    target: Shape
    stride: int
    taps: tuple[Tap, ...]  # live taps, sorted
    all_taps: tuple[Tap, ...]  # what the genome names, sorted; expression switches some off
    local: int  # Chebyshev radius that counts as local when a lowering is chosen
    weight: int | None  # index into Plan.tensors

    @property
    def alive(self) -> tuple[bool, ...]:
        live = set(self.taps)
        return tuple(tap in live for tap in self.all_taps)


class SheetPlan(Part, frozen=True, kw_only=True):
    """Application 0: h = reduce(act(norm(incoming(source) + bias))) (+ source).

    Application r = 1..repeats: h = act(norm(recurrent(h) + bias)) (+ h), always the same weights.
    The bias tensor is (rows, channels): one row for all applications, or row r for application r.
    """

    name: str
    shape: Shape  # after reduction
    incoming: tuple[Stage, ...]  # applied in turn: one stage, or depthwise then mixing
    recurrent: tuple[Stage, ...]  # () without a self motif
    repeats: int  # applications of `recurrent`
    bias: int | None  # tensor index
    norm: Norm
    activation: Activation
    reduction: Reduction
    add_source: bool  # residual over the incoming application
    add_self: bool  # residual over the recurrent applications


class ReadoutPlan(Part, frozen=True, kw_only=True):
    pooling: Pooling
    grid: tuple[int, int]
    kind: ReadoutKind
    features: int  # after pooling, flattened
    weight: int | None  # (classes, features)
    bias: int | None  # (classes,)


class Costs(Part, frozen=True, kw_only=True):
    """In closed form, per image where it applies."""

    weights: int  # slots, biases included
    macs: int  # multiply-adds, zero padding included
    connections: int  # mask ones: pairs of neurons that are joined, counted once per application
    neurons: int


class Plan(Part, frozen=True, kw_only=True):
    input: Shape
    classes: int
    sheets: tuple[SheetPlan, ...]
    readout: ReadoutPlan
    tensors: tuple[Tensor, ...]  # live taps only
    costs: Costs

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in order; the order of `expression`."""
        return tuple(stage for sheet in self.sheets for stage in (*sheet.incoming, *sheet.recurrent))

    @property
    def expression(self) -> Expression:
        return tuple(stage.alive for stage in self.stages)


# One tuple of live bits per stage of the plan, one bit per tap of `Stage.all_taps`.
Expression = tuple[tuple[bool, ...], ...]
