"""Crossover by homologous genes: the child has one parent's structure, and each shared gene from either parent.

Idea: historical markings, Stanley and Miikkulainen 2002, "Evolving neural networks through augmenting topologies".
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from evonet.genome.check import valid
from evonet.genome.genes import GeneId, Genome, MotifGene, SheetGene
from evonet.genome.ids import IdGene, genes_of
from evonet.genome.settling import followed, settled
from evonet.genome.steps import self_motif
from evonet.seeds import Stream

G = TypeVar("G", bound=IdGene)


def cross(a: Genome, b: Genome, stream: Stream) -> Genome:
    """A child with the sheets and motifs of `a`; each gene whose id `b` has too is taken from `a` or `b` evenly.

    A sheet's fields and each of its motifs are taken apart from each other. What a motif reads and whose weights it
    has are structure; a motif that has another's weights in either parent is as in `a`. Where to look is of either as a
    whole, and what it needs of the sheets is made so. Ids are those of `a`. Returns `a` itself where they share no gene
    or where the mix would not pass `check`.
    """
    others: dict[GeneId, IdGene] = {gene.id: gene for gene in genes_of(b) if gene.id is not None}
    child = replace(
        a,
        sheets=tuple(_sheet(sheet, others, stream) for sheet in a.sheets),
        readout=_either(a.readout, others, stream),
    )
    looking = _with_saccade(child, a, b, stream)
    return looking if looking is not None and looking != a and valid(looking) else a


def _with_saccade(child: Genome, a: Genome, b: Genome, stream: Stream) -> Genome | None:
    """`child` with the saccade gene of `a` or `b`, over the sheets that both have. Genomes without one draw nothing."""
    if a.saccade is None and b.saccade is None:
        return child
    giver = b if stream.chance(0.5) else a
    return settled(followed(replace(child, saccade=giver.saccade), giver))


def _sheet(sheet: SheetGene, others: dict[GeneId, IdGene], stream: Stream) -> SheetGene:
    motifs = tuple(_motif(motif, others, stream) for motif in sheet.motifs)
    mixed = replace(_either(sheet, others, stream), motifs=motifs)
    return mixed if self_motif(mixed) is not None else replace(mixed, repeats=1)  # the other parent may have had one


def _motif(own: MotifGene, others: dict[GeneId, IdGene], stream: Stream) -> MotifGene:
    mixed = _either(own, others, stream)
    return own if own.weights_from or mixed.weights_from else replace(mixed, source=own.source)


def _either(own: G, others: dict[GeneId, IdGene], stream: Stream) -> G:
    other = others.get(own.id) if own.id is not None else None
    return other if isinstance(other, type(own)) and stream.chance(0.5) else own
