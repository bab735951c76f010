"""motif -> branch: one or two stages, with their taps, weight slots and costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from msgspec.structs import replace

from evonet.errors import GenomeError
from evonet.genome.genes import MotifGene
from evonet.genome.taps import Window
from evonet.plan.costs import application_macs, connections
from evonet.plan.draft import Draft, Index
from evonet.plan.frames import mapping, tiles
from evonet.plan.kernels import (
    Size,
    covering_taps,
    covering_window,
    named_taps,
    stored_taps,
    symmetry,
    window,
    within,
)
from evonet.plan.symmetry import ORBITS, cut_out, tie
from evonet.plan.types import Branch, Role, Stage, Tap

_CENTRE: tuple[Tap, ...] = ((0, 0),)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a motif is to be expanded."""

    where: str  # path of the gene, for messages
    name: str
    source: int
    grid: Size  # height and width of the target
    channels: tuple[int, int]  # of the target sheet, first and last + 1
    live: Index  # of these, the live ones, counted from the first of them
    covers: bool  # reduction `all`: the taps are the whole source
    times: int  # applications
    lender: tuple[int, ...]  # the stages whose weights these are; () for own weights
    union: tuple[
        MotifGene, ...
    ] = ()  # the motifs that are cut out of one kernel, over all their taps; () for one alone

    @property
    def size(self) -> int:
        return self.channels[1] - self.channels[0]


def expand_motif(draft: Draft, motif: MotifGene, place: Place) -> Branch:
    """The branch of `motif`; its stages, tensors and costs are added to `draft`."""
    stages = [_tap_stage(draft, motif, place)]
    _add(draft, place, stages[0])
    if motif.mixing == "separable":
        stages.append(_mix_stage(draft, motif, place, stages[0]))
        _add(draft, place, stages[1])
    draft.motifs.append(tuple(range(len(draft.stages) - len(stages), len(draft.stages))))
    return Branch(source=place.source, stages=tuple(stages), channels=place.channels, gene=motif.id)


def _add(draft: Draft, place: Place, stage: Stage) -> None:
    draft.stages.append(stage)
    draft.add(place.where, macs=place.times * application_macs(stage), connections=place.times * connections(stage))


def _tap_stage(draft: Draft, motif: MotifGene, place: Place) -> Stage:
    source, live_in = draft.shapes[place.source], draft.live[place.source]
    size, mixing = source[1:], _mixing(motif)
    among, taps = _taps(draft, motif, place, size)
    own_all = _union(place, among) if place.union else stored_taps(motif, taps, size, place.where)
    lender = place.lender[0] if place.lender else None
    live, own = draft.live_taps(place.where, own_all, lender)
    if mixing == "identity" and own != own_all:
        raise GenomeError(f"{place.where}: mixing 'identity' has no weights, so no tap of it can be switched off")
    tied = symmetry(motif)
    kernel, tying = cut_out(taps, own) if place.union else tie(taps, own, tied, lambda tap: within(tap, among))
    span, shift = (size, (0, 0)) if place.covers else mapping(motif, size, place.where)
    live_out = live_in if motif.mixing == "separable" else place.live
    stage = Stage(
        name=f"{place.name}.taps",
        mixing=mixing,
        groups=_groups(motif, source[0], place),
        source=(len(live_in), *size),
        target=(len(live_out), *place.grid),
        span=span,
        shift=shift,
        wrap=motif.boundary == "wrap" and not place.covers,
        tiles=tiles(motif, place.grid),
        taps=kernel,
        own_taps=own,
        all_taps=own_all,
        local=motif.radius,
        reads=tuple(live_in.index(o % source[0]) for o in live_out) if mixing in ("depthwise", "identity") else (),
        tying=tying,
        weight=None,
        lender=lender,
    )
    if mixing == "identity":
        return stage
    kept = (*_rows(draft, motif, place), live)
    per_input = len(own) if symmetry(motif) in ORBITS else len(kernel)
    return _with_weight(draft, motif, place, stage, "tap", kept, per_input * stage.inputs)


def _union(place: Place, among: Window) -> tuple[Tap, ...]:
    """The taps of all motifs that share one kernel."""
    taps = {tap for motif in place.union for tap in named_taps(motif, among, place.where)}
    return tuple(sorted(taps))


def _mixing(motif: MotifGene) -> Literal["full", "grouped", "depthwise", "identity"]:
    """Of the stage with the motif's taps."""
    return "depthwise" if motif.mixing == "separable" else motif.mixing


def _taps(draft: Draft, motif: MotifGene, place: Place, size: Size) -> tuple[Window, tuple[Tap, ...]]:
    """The offsets that can lie in the source, and those of them that the motif names."""
    if place.covers:
        free = place.lender or motif.mixing == "identity" or motif.symmetry in ("even", "odd") or motif.edits
        per_tap = (
            0 if free else prod(map(len, _rows(draft, motif, place)))
        )  # where it is not this simple, a lower bound
        draft.add_covering(place.where, size[0] * size[1], per_tap)
        among = covering_window(size)
        return among, covering_taps(motif, among, place.where)
    among = window(motif, size, place.grid)
    return among, named_taps(motif, among, place.where)


def _rows(draft: Draft, motif: MotifGene, place: Place) -> tuple[Sequence[int], ...]:
    """The weight's axes for target channels and for inputs, if it has one, as `Tensor.kept`."""
    channels, live_in = draft.shapes[place.source][0], draft.live[place.source]
    out, size = (live_in, channels) if motif.mixing == "separable" else (place.live, place.size)
    if symmetry(motif) in ORBITS:
        out = tuple(range(-(-size // ORBITS[symmetry(motif)])))
    if motif.mixing == "full":
        return out, live_in
    if motif.mixing == "grouped":
        return out, range(channels // motif.groups)
    return (out,)


def _mix_stage(draft: Draft, motif: MotifGene, place: Place, before: Stage) -> Stage:
    """The channel mixing of a separable motif: a full stage of one tap, the same at every position."""
    lender = place.lender[1] if place.lender else None
    draft.live_taps(place.where, _CENTRE, lender)
    stage = Stage(
        name=f"{place.name}.mix",
        mixing="full",
        groups=1,
        source=before.target,
        target=(len(place.live), *place.grid),
        span=place.grid,
        shift=(0, 0),
        wrap=False,
        tiles=(1, 1),
        taps=_CENTRE,
        own_taps=_CENTRE,
        all_taps=_CENTRE,
        local=0,
        reads=(),
        tying=None,
        weight=None,
        lender=lender,
    )
    kept = (place.live, draft.live[place.source], (0,))
    return _with_weight(draft, motif, place, stage, "mix", kept, stage.inputs)


def _with_weight(
    draft: Draft, motif: MotifGene, place: Place, stage: Stage, role: Role, kept: tuple[Sequence[int], ...], fan_in: int
) -> Stage:
    """`stage` with a tensor of its own, or its lender's; `kept` says what of the whole tensor it is, but for tiles."""
    if stage.tiles != (1, 1):
        kept = (range(stage.tiles[0] * stage.tiles[1]), *kept)
    if stage.lender is None:
        weight: int | None = draft.tensor(place.where, stage.name, role, kept, motif.id, fan_in)
    else:
        weight = draft.stages[stage.lender].weight
        _check_borrowed(draft, place, weight, tuple(map(len, kept)))
    return replace(stage, weight=weight)


def _check_borrowed(draft: Draft, place: Place, weight: int | None, shape: tuple[int, ...]) -> None:
    lent = () if weight is None else draft.tensors[weight].shape
    if lent != shape:
        raise GenomeError(
            f"{place.where}.weights_from: the weights there are {lent}, expected {shape} "
            "as this motif's: give both the same channels, inputs, taps and tiles"
        )


def _groups(motif: MotifGene, inputs: int, place: Place) -> int:
    if motif.mixing != "grouped":
        return 1
    if inputs % motif.groups or place.size % motif.groups:
        raise GenomeError(
            f"{place.where}.groups = {motif.groups} with {inputs} source and {place.size} target channels: "
            "expected a divisor of both"
        )
    return motif.groups
