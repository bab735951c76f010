"""Founders: random genomes that look like small networks that work.

The prior is a judgement, kept in one place: two or three sheets of 8 to 16 channels, windows of 3x3, early reductions,
and a quarter of the genomes with long taps, so that the search starts near sense and selection decides the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.limits import Limits
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
    {"stride": 1, "none": 5},
    {"none": 1},
)
_BASES = ((2, 0, 0, 2), (3, 0, 0, 3), (4, 0, 0, 4), (2, 2, 2, -2), (1, 2, 2, -1), (3, 1, 1, -3))
_LONG_GENOMES = 0.27
_FULL_WEIGHTS = 700  # above, channels are mixed apart from the taps
_FEATURES = 130  # of the readout, so that ten classes cost no more than the sheets


def sample(stream: Stream, limits: Limits) -> Genome:
    """A random genome that passes `check`, within `limits`. An input may still be too small for it."""
    count = _draw(stream, range(limits.sheets[0], limits.sheets[1] + 1), {1: 1, 2: 4, 3: 4, 4: 2})
    long = limits.long and stream.chance(_LONG_GENOMES)
    sheets: list[SheetGene] = []
    for k in range(count):
        sheets.append(_sheet(stream, limits, index=k, inputs=sheets[-1].channels if sheets else 1, long=long))
    return Genome(sheets=tuple(sheets), readout=_readout(stream, sheets[-1].channels))


def _sheet(stream: Stream, limits: Limits, *, index: int, inputs: int, long: bool) -> SheetGene:
    channels = _pick(stream, limits, SHEET_FIELDS["channels"], _CHANNELS)
    motifs = [_incoming(stream, limits, inputs=inputs, channels=channels, first=index == 0, long=long)]
    repeats = 1
    if stream.chance(0.25):
        motifs.append(_own(stream, limits, long=long))
        repeats = _pick(stream, limits, SHEET_FIELDS["repeats"], {2: 4, 3: 3, 4: 1})
    tied = len(motifs) > 1
    return SheetGene(
        channels=channels,
        reduction=_pick(stream, limits, SHEET_FIELDS["reduction"], _REDUCTIONS[min(index, 3)]),
        activation=_pick(stream, limits, SHEET_FIELDS["activation"], _ACTIVATIONS),
        norm=_pick(stream, limits, SHEET_FIELDS["norm"], {"rms": 3, "none": 1} if tied else _NORMS),
        residual=stream.chance(0.7 if tied else 0.1),
        repeats=repeats,
        motifs=tuple(motifs),
    )


def _incoming(stream: Stream, limits: Limits, *, inputs: int, channels: int, first: bool, long: bool) -> MotifGene:
    radius = _pick(stream, limits, MOTIF_FIELDS["radius"], {1: 5, 2: 4} if first else {1: 13, 2: 2, 0: 4})
    motif = _wired(stream, limits, radius=radius, long=long)
    if first:
        prior = {"full": 1.0}
    elif inputs * channels * motif.taps > _FULL_WEIGHTS:
        prior = {"separable": 14, "depthwise": 3, "full": 2, "identity": 1}
    else:
        prior = {"full": 12, "separable": 6, "depthwise": 1, "identity": 1}
    return _mixed(stream, limits, motif, prior)


def _own(stream: Stream, limits: Limits, *, long: bool) -> MotifGene:
    """A motif from the sheet to itself."""
    radius = _pick(stream, limits, MOTIF_FIELDS["radius"], {1: 9, 2: 1})
    motif = _wired(stream, limits, radius=radius, long=long, source=0)
    return _mixed(stream, limits, motif, {"separable": 3, "depthwise": 2})


def _wired(stream: Stream, limits: Limits, *, radius: int, long: bool, source: int = 1) -> MotifGene:
    window = min((2 * radius + 1) ** 2, limits.taps_max)
    if radius == 0 or not (long and stream.chance(0.6)) or limits.reach_max <= radius:
        return MotifGene(source=source, radius=radius, taps=window)
    return MotifGene(
        source=source,
        radius=radius,
        taps=window,
        long_share=2 + stream.below(9),
        reach=radius + 1 + stream.below(limits.reach_max - radius),
        pattern=_pick(stream, limits, MOTIF_FIELDS["pattern"], _PATTERNS),
        seed=stream.below(256),
        basis=stream.choice(_BASES),
    )


def _mixed(stream: Stream, limits: Limits, motif: MotifGene, prior: Mapping[str, float]) -> MotifGene:
    return replace(motif, mixing=_pick(stream, limits, MOTIF_FIELDS["mixing"], prior))


def _readout(stream: Stream, channels: int) -> ReadoutGene:
    pooling = _draw(stream, ("mean", "max", "both"), {"mean": 5, "max": 2, "both": 3})
    grid = _draw(stream, (1, 2, 3), {1: 4, 2: 4, 3: 2})
    while grid > 1 and channels * grid * grid * (2 if pooling == "both" else 1) > _FEATURES:
        grid -= 1
    return ReadoutGene(pooling=pooling, grid=grid)


def _pick(stream: Stream, limits: Limits, field: Field, prior: Mapping[Any, float]) -> Any:
    return _draw(stream, limits.allowed(field), prior)


def _draw(stream: Stream, options: Sequence[Any], prior: Mapping[Any, float]) -> Any:
    """One of `options` by `prior`; evenly where the prior names none of them."""
    weights = [prior.get(option, 0.0) for option in options]
    return stream.weighted(options, weights) if any(weights) else stream.choice(options)
