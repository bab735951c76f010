"""Genes as the page reads them: what a genome has, as bits to filter by, and each gene with its changed fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from evonet.errors import EvonetError
from evonet.genome import Genome
from evonet.genome.code import decode
from evonet.genome.genes import GeneId, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.ids import with_ids
from evonet.report.drawing import describe_motif, describe_readout, describe_saccade, describe_sheet, kernel_taps

_MOTIF: dict[str, Callable[[MotifGene], bool]] = {
    "long": lambda g: g.long_share > 0,
    "lattice": lambda g: g.pattern == "lattice" and g.long_share > 0,
    "scatter": lambda g: g.pattern == "scatter" and g.long_share > 0,
    "edits": lambda g: bool(g.edits),
    "full": lambda g: g.mixing == "full",
    "depthwise": lambda g: g.mixing == "depthwise",
    "separable": lambda g: g.mixing == "separable",
    "grouped": lambda g: g.mixing == "grouped",
    "identity": lambda g: g.mixing == "identity",
    "tile": lambda g: g.sharing == "tile",
    "position": lambda g: g.sharing == "position",
    "even": lambda g: g.symmetry == "even",
    "odd": lambda g: g.symmetry == "odd",
    "orbit": lambda g: g.symmetry.startswith("orbit"),
    "shared": lambda g: g.weights_from > 0,
    "wrap": lambda g: g.boundary == "wrap",
    "valid": lambda g: g.boundary == "valid",
    "self": lambda g: g.source == 0,
    "skip": lambda g: g.source > 1,
}
_SHEET: dict[str, Callable[[SheetGene], bool]] = {
    "residual": lambda g: g.residual,
    "repeats": lambda g: g.repeats > 1,
    "concat": lambda g: g.join == "concat",
    "norm": lambda g: g.norm != "none",
    "halved": lambda g: g.reduction in ("stride", "max", "mean"),
    "covers": lambda g: g.reduction == "all",
}
_READOUT: dict[str, Callable[[ReadoutGene], bool]] = {
    "linear": lambda g: g.kind == "linear",
    "direct": lambda g: g.kind == "direct",
    "hadamard": lambda g: g.kind == "hadamard",
}
_SACCADE: dict[str, Callable[[SaccadeGene], bool]] = {
    "saccade": lambda g: True,
    "fixations": lambda g: g.fixations > 0,
}
#: Bit k of a genome's features says that it has FEATURES[k]; known genomes have KNOWN as well.
FEATURES = (*_MOTIF, *_SHEET, *_READOUT, *_SACCADE)
KNOWN = 1 << len(FEATURES)


@lru_cache(maxsize=2**14)
def features(code: bytes) -> int:
    """Bits of FEATURES and KNOWN; KNOWN alone where the code is not one that this evonet reads."""
    try:
        genome = decode(code)
    except EvonetError:
        return KNOWN
    motifs = [motif for sheet in genome.sheets for motif in sheet.motifs]
    has = [any(map(test, motifs)) for test in _MOTIF.values()]
    has += [any(map(test, genome.sheets)) for test in _SHEET.values()]
    has += [test(genome.readout) for test in _READOUT.values()]
    has += [genome.saccade is not None and test(genome.saccade) for test in _SACCADE.values()]
    return KNOWN | sum(bit << place for place, bit in enumerate(has))


def genome_of(code: bytes, ids: str) -> Genome:
    """Raises GenomeError where the code or the ids are damaged."""
    return with_ids(decode(code), msgspec.json.decode(ids, type=tuple[GeneId, ...]))


def gene_rows(genome: Genome) -> list[dict[str, Any]]:
    """Every gene: place, id, kind, fields that differ from their defaults, words; of motifs the taps as dy, dx, ..."""
    return list(_gene_rows(genome))


def _gene_rows(genome: Genome) -> Iterator[dict[str, Any]]:
    for index, sheet in enumerate(genome.sheets):
        yield _row(f"sheet {index}", "sheet", sheet, describe_sheet(sheet))
        for ordinal, motif in enumerate(sheet.motifs):
            row = _row(f"sheet {index} motif {ordinal}", "motif", motif, describe_motif(motif))
            taps = [axis for tap in kernel_taps(motif) for axis in tap]
            yield {**row, "from": _source(motif, index), "taps": taps, "radius": motif.radius}
    yield _row("readout", "readout", genome.readout, describe_readout(genome.readout))
    if genome.saccade is not None:
        yield _row("saccade", "saccade", genome.saccade, describe_saccade(genome.saccade))


def _row(place: str, kind: str, gene: SheetGene | MotifGene | ReadoutGene | SaccadeGene, text: str) -> dict[str, Any]:
    plain = type(gene)()
    names = (name for name in gene.__struct_fields__ if name not in ("id", "motifs"))
    changed = {name: getattr(gene, name) for name in names if getattr(gene, name) != getattr(plain, name)}
    id = None if isinstance(gene, SaccadeGene) else gene.id
    return {"place": place, "id": id, "kind": kind, "fields": changed, "text": text}


def _source(gene: MotifGene, index: int) -> str:
    if gene.source == 0:
        return "the sheet itself"
    return "the input" if gene.source > index else f"sheet {index - gene.source}"
