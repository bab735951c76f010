"""Gene ids: which genes of two genomes are homologous.

Order: per sheet the sheet, then its motifs; the readout last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from evonet.errors import GenomeError
from evonet.genome.genes import GeneId, Genome, MotifGene, ReadoutGene, SheetGene

IdGene = SheetGene | MotifGene | ReadoutGene


def genes_of(genome: Genome) -> Iterator[IdGene]:
    """Every gene that carries an id, in the order of ids."""
    for sheet in genome.sheets:
        yield sheet
        yield from sheet.motifs
    yield genome.readout


def ids_of(genome: Genome) -> tuple[GeneId, ...]:
    """The ids of all genes. Raises GenomeError if a gene has none yet: `stamp` gives them."""
    ids = tuple(gene.id for gene in genes_of(genome))
    known = tuple(i for i in ids if i is not None)
    if len(known) != len(ids):
        raise GenomeError(
            f"{len(ids) - len(known)} of {len(ids)} genes have no id: stamp the genome with its individual first."
        )
    return known


def with_ids(genome: Genome, ids: Sequence[GeneId]) -> Genome:
    """`genome` with these ids, in the order of `ids_of`. Raises GenomeError if their number differs."""
    count = sum(1 for _ in genes_of(genome))
    if len(ids) != count:
        raise GenomeError(
            f"{len(ids)} gene ids for a genome of {count} genes: ids and genome are not of one individual."
        )
    given = iter(ids)
    return _renamed(genome, lambda _: next(given))


def stamp(genome: Genome, individual: int) -> Genome:
    """`genome` with ids (individual, 0), (individual, 1), ... for its genes without one; the others keep theirs."""
    ordinal = iter(range(sum(1 for _ in genes_of(genome))))
    return _renamed(genome, lambda old: (individual, next(ordinal)) if old is None else old)


def anonymous(genome: Genome) -> Genome:
    """`genome` without ids: what its canonical code holds."""
    return _renamed(genome, lambda _: None)


def _renamed(genome: Genome, name: Callable[[GeneId | None], GeneId | None]) -> Genome:
    """`name` is called once per gene, in the order of ids."""
    sheets = []
    for sheet in genome.sheets:
        own = name(sheet.id)
        sheets.append(replace(sheet, id=own, motifs=tuple(replace(m, id=name(m.id)) for m in sheet.motifs)))
    return replace(genome, sheets=tuple(sheets), readout=replace(genome.readout, id=name(genome.readout.id)))
