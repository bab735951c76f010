"""Less sharing between weights: a motif gets more of them, which start as those that it had, so its function stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene
from evonet.genome.limits import Limits
from evonet.genome.steps import put_motif
from evonet.genome.wiring import lenders
from evonet.seeds import Stream


def fill_mixing(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif that mixes few channels mixes all: its weights are the same, and zero between the others."""
    if "full" not in limits.mixings:
        return None
    return _freed(genome, stream, _mixes_few, mixing="full")


def part_tiles(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif gets weights of its own in each of 2x2 regions."""
    if "tile" not in limits.sharings or limits.tile_max < 2:
        return None
    return _freed(genome, stream, lambda m: m.sharing == "sheet" and m.mixing != "identity", sharing="tile", tile=2)


def free_kernel(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One even or odd motif has all taps of its kernel as weights of their own."""
    return _freed(genome, stream, lambda m: m.symmetry in ("even", "odd") and m.mixing != "identity", symmetry="none")


def _mixes_few(motif: MotifGene) -> bool:
    plain = motif.symmetry == "none" and motif.sharing == "sheet"
    return plain and motif.mixing in ("depthwise", "separable", "grouped")


def _freed(genome: Genome, stream: Stream, applies: Callable[[MotifGene], bool], **fields: Any) -> Genome | None:
    """One motif that shares no weights with another, with other fields."""
    lent = lenders(genome)
    places = [
        (k, m, motif)
        for k, sheet in enumerate(genome.sheets)
        for m, motif in enumerate(sheet.motifs)
        if applies(motif) and not motif.weights_from and (k, m) not in lent
    ]
    if not places:
        return None
    k, m, motif = stream.choice(places)
    return put_motif(genome, k, m, replace(motif, **fields))
