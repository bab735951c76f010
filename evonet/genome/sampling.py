"""Founders: random genomes that look like small networks that work.

The prior is a judgement, kept in one place: two or three sheets of 8 to 16 channels, windows of 3x3, early reductions,
and a quarter of the genomes with long taps, so that the search starts near sense and selection decides the rest. What
else the language has (skips, groups, symmetries, tiles, other boundaries and readouts) comes now and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.limits import Limits
from evonet.genome.saccades import look
from evonet.genome.table import MOTIF_FIELDS, SHEET_FIELDS, Field
from evonet.seeds import Stream

__all__ = ["Limits", "sample"]

_CHANNELS = {4: 1, 5: 1, 6: 2, 8: 5, 10: 5, 12: 5, 16: 4, 20: 2, 24: 1}
_ACTIVATIONS = {"relu": 5, "leaky_relu": 5, "abs": 4, "gelu": 4, "tanh": 2}
_NORMS = {"none": 11, "rms": 8, "instance": 1}
_PATTERNS = {"lattice": 12, "scatter": 5, "box": 3}
_REDUCTIONS: tuple[Mapping[str, float], ...] = (  # by sheet; later ones as the last
    {"max": 4, "stride": 3, "mean": 1, "none": 4},
    {"max": 2, "stride": 2, "mean": 1, "none": 5},
    {"stride": 1, "none": 5, "all": 1},
    {"none": 5, "all": 1},
)
_SYMMETRIES = {"none": 32, "even": 2, "odd": 1, "orbit4": 2, "orbit8": 1}
_SHARINGS = {"sheet": 60, "tile": 1}
_BOUNDARIES = {"zero": 30, "wrap": 1}
_JOINS = {"add": 3, "concat": 1}
_READOUTS = {"linear": 24, "hadamard": 1}  # a direct one needs as many channels as there are classes
_BASES = ((2, 0, 0, 2), (3, 0, 0, 3), (4, 0, 0, 4), (2, 2, 2, -2), (1, 2, 2, -1), (3, 1, 1, -3))
_SHORT_BASES = 0.7  # of the lattices
_LONG_GENOMES = 0.27
_LOOKING = 0.6  # of the genomes, where they may
_SELF_MOTIFS = 0.25  # of the sheets
_SKIPS = 0.08  # of the sheets
_FULL_WEIGHTS = 700  # above, channels are mixed apart from the taps
_FEATURES = 130  # of the readout, so that ten classes cost no more than the sheets


def sample(stream: Stream, limits: Limits) -> Genome:
    """A random genome that passes `check`, within `limits`. An input may still be too small for it."""
    count = _draw(stream, range(limits.sheets[0], limits.sheets[1] + 1), {1: 1, 2: 4, 3: 4, 4: 2})
    founder = _Founder(stream, limits, long=limits.long and stream.chance(_LONG_GENOMES))
    sheets = tuple(founder.sheet() for _ in range(count))
    genome = Genome(sheets=sheets, readout=_readout(stream, limits, sheets[-1].channels))
    if not (limits.saccades and stream.chance(_LOOKING)):
        return genome
    looking = look(genome, stream, limits)
    return genome if looking is None else looking


class _Founder:
    """A genome in the making, sheet by sheet."""

    def __init__(self, stream: Stream, limits: Limits, *, long: bool) -> None:
        self.stream, self.limits, self.long = stream, limits, long
        self.channels: list[int] = [1]  # of the images, at a guess, then of every sheet

    def sheet(self) -> SheetGene:
        """The next sheet."""
        stream, limits, index = self.stream, self.limits, len(self.channels) - 1
        channels = self._pick(SHEET_FIELDS["channels"], _CHANNELS)
        room = limits.motifs_max - 1
        tied = stream.chance(_SELF_MOTIFS) and room > 0 and limits.boundaries != ("valid",)
        join = self._pick(SHEET_FIELDS["join"], _JOINS)
        skips = stream.chance(_SKIPS) and room > tied and (join == "add" or channels > 1)
        half = channels // 2 if skips and join == "concat" else 0  # of the channels, the first motif's
        motifs = [self._incoming(half or channels)]
        if skips:
            motifs.append(self._skip(channels - half))
        if tied:
            motifs.append(self._own(channels))
        self.channels.append(channels)
        return SheetGene(
            channels=channels,
            reduction=self._pick(SHEET_FIELDS["reduction"], _REDUCTIONS[min(index, 3)]),
            activation=self._pick(SHEET_FIELDS["activation"], _ACTIVATIONS),
            norm=self._pick(SHEET_FIELDS["norm"], {"rms": 3, "none": 1} if tied else _NORMS),
            join=join if skips else "add",
            residual=stream.chance(0.7 if tied else 0.1),
            repeats=self._pick(SHEET_FIELDS["repeats"], {2: 4, 3: 3, 4: 1}) if tied else 1,
            motifs=tuple(motifs),
        )

    def _incoming(self, outputs: int) -> MotifGene:
        first, inputs = len(self.channels) == 1, self.channels[-1]
        motif = self._wired({1: 5, 2: 4} if first else {1: 13, 2: 2, 0: 4}, source=1)
        if first:
            prior = {"full": 1.0}
        elif inputs * outputs * motif.taps > _FULL_WEIGHTS:
            prior = {"separable": 14, "depthwise": 3, "full": 2, "grouped": 1, "identity": 1}
        else:
            prior = {"full": 24, "separable": 12, "depthwise": 2, "grouped": 1, "identity": 2}
        return self._mixed(motif, prior, outputs)

    def _skip(self, outputs: int) -> MotifGene:
        """A small motif from further back, or a second one from the same sheet."""
        back = 1 + self.stream.below(min(len(self.channels), self.limits.skip_max))
        motif = self._wired({0: 3, 1: 2}, source=back)
        return self._mixed(motif, {"full": 3, "separable": 2, "depthwise": 1}, outputs)

    def _own(self, channels: int) -> MotifGene:
        """A motif from the sheet to itself."""
        return self._mixed(self._wired({1: 9, 2: 1}, source=0), {"separable": 3, "depthwise": 2}, channels)

    def _wired(self, radii: Mapping[Any, float], *, source: int) -> MotifGene:
        stream, limits = self.stream, self.limits
        radius = self._pick(MOTIF_FIELDS["radius"], radii)
        boundaries = [b for b in limits.boundaries if source or b != "valid"]
        plain = MotifGene(
            source=source,
            radius=radius,
            taps=min((2 * radius + 1) ** 2, limits.taps_max),
            boundary=_draw(stream, boundaries, _BOUNDARIES),
        )
        if radius == 0 or not (self.long and stream.chance(0.6)) or limits.reach_max <= radius:
            return plain
        return replace(
            plain,
            long_share=2 + stream.below(9),
            reach=radius + 1 + stream.below(limits.reach_max - radius),
            pattern=self._pick(MOTIF_FIELDS["pattern"], _PATTERNS),
            seed=stream.below(256),
            basis=self._basis(),
        )

    def _basis(self) -> tuple[int, int, int, int]:
        """A short one, or a square of any size within reach."""
        if self.stream.chance(_SHORT_BASES) or self.limits.reach_max < 2:
            return self.stream.choice(_BASES)
        side = 2 + self.stream.below(min(15, self.limits.reach_max) - 1)
        return side, 0, 0, side

    def _mixed(self, motif: MotifGene, prior: Mapping[str, float], outputs: int) -> MotifGene:
        """`motif`, its weights mixed and tied in some way that fits its taps and channels."""
        inputs = self.channels[-motif.source] if motif.source else outputs
        groups = [g for g in self.limits.allowed(MOTIF_FIELDS["groups"]) if not (inputs % int(g) or outputs % int(g))]
        mixings = [m for m in self.limits.mixings if groups or m != "grouped"]
        motif = replace(motif, mixing=_draw(self.stream, mixings, prior))
        if motif.mixing == "grouped":
            motif = replace(motif, groups=self.stream.choice(groups))
        if motif.mixing == "identity":
            return motif
        sharing = self._pick(MOTIF_FIELDS["sharing"], _SHARINGS)
        if sharing == "tile":
            motif = replace(motif, tile=self._pick(MOTIF_FIELDS["tile"], {2: 3, 3: 1}))
        symmetry = self._pick(MOTIF_FIELDS["symmetry"], _SYMMETRIES) if motif.radius and motif.taps > 1 else "none"
        return replace(motif, sharing=sharing, symmetry=symmetry)

    def _pick(self, field: Field, prior: Mapping[Any, float]) -> Any:
        return _draw(self.stream, self.limits.allowed(field), prior)


def _readout(stream: Stream, limits: Limits, channels: int) -> ReadoutGene:
    kind = _draw(stream, limits.readouts, _READOUTS)
    if kind == "direct":
        return ReadoutGene(kind=kind, pooling=stream.choice(("mean", "max")))
    pooling = _draw(stream, ("mean", "max", "both"), {"mean": 5, "max": 2, "both": 3})
    grid = _draw(stream, (1, 2, 3), {1: 4, 2: 4, 3: 2})
    while kind == "linear" and grid > 1 and channels * grid * grid * (2 if pooling == "both" else 1) > _FEATURES:
        grid -= 1
    return ReadoutGene(pooling=pooling, grid=grid, kind=kind)


def _draw(stream: Stream, options: Sequence[Any], prior: Mapping[Any, float]) -> Any:
    """One of `options` by `prior`; evenly where the prior names none of them."""
    weights = [prior.get(option, 0.0) for option in options]
    return stream.weighted(options, weights) if any(weights) else stream.choice(options)
