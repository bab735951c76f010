"""Genes by name: what one genome has that another has not, and how to apply or revert a part of that.

By name, a motif reads the gene id of a sheet and has the weights of the gene id of a motif, where the genome itself
counts how far back they are. So a sheet that comes in between changes nothing but who reads it. The saccade gene, which
has no id, is called SACCADE, and names the last sheet of the eye where the genome counts the eye's sheets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from evonet.errors import GenomeError
from evonet.genome.check import check
from evonet.genome.genes import GeneId, Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.ids import IdGene, genes_of, ids_of
from evonet.genome.wiring import LooseMotif, LooseSheet, loosened, tightened

Action = Literal["added", "removed", "changed"]
Fields = dict[str, Any]
NamedGene = IdGene | SaccadeGene
REFERENCES = ("sheet", "source", "weights_from", "eye")  # fields that name another gene; None: images, own weights
SACCADE: GeneId = (-1, -1)  # no birth has this number, and a genome has one saccade gene at most


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One gene that comes, goes, or has other values in some fields."""

    gene: GeneId
    action: Action
    before: Fields  # of "changed" the fields that differ, of "removed" all, else none
    after: Fields
    behind: tuple[GeneId, ...] = ()  # of a gene that comes or goes: the genes before it, nearest first


@dataclass
class NamedGenes:
    """A genome by name, free to be edited; `order` is that of `genome.ids.ids_of`, and then SACCADE.

    A sheet has the fields of its gene but for motifs, a motif also "sheet", the one it belongs to; SACCADE has "eye",
    the eye's last sheet, in place of a depth.
    """

    genome: Genome
    fields: dict[GeneId, Fields]
    kinds: dict[GeneId, type[NamedGene]]
    order: list[GeneId]

    def behind(self, gene: GeneId) -> tuple[GeneId, ...]:
        return tuple(reversed(self.order[: self.order.index(gene)]))

    def copy(self) -> NamedGenes:
        return NamedGenes(self.genome, deepcopy(self.fields), dict(self.kinds), list(self.order))


def named(genome: Genome) -> NamedGenes:
    """A genome that passes `check`, by name. Raises GenomeError where a gene has no id."""
    order = list(ids_of(genome))
    genes: dict[GeneId, NamedGene] = dict(zip(order, genes_of(genome), strict=True))
    fields = {id: _plain(gene) for id, gene in genes.items()}
    for loose in loosened(genome):
        for motif in loose.motifs:
            source, lender = motif.source, motif.lender
            fields[_id(motif.gene)] |= {
                "sheet": _id(loose.gene),
                "source": _id(source.gene) if source else None,
                "weights_from": _id(lender.gene) if lender else None,
            }
    if genome.saccade is not None:
        order.append(SACCADE)
        genes[SACCADE] = genome.saccade
        fields[SACCADE] = _plain(genome.saccade) | {"eye": _id(genome.sheets[genome.saccade.depth - 1])}
        del fields[SACCADE]["depth"]
    return NamedGenes(genome, fields, {id: type(gene) for id, gene in genes.items()}, order)


def genome_of(genes: NamedGenes) -> Genome:
    """The genome that these genes are. Raises GenomeError where they are none that `check` lets pass."""
    sheets = {id: LooseSheet(_gene(genes, id), []) for id in _of(genes, SheetGene)}
    motifs = {id: LooseMotif(_gene(genes, id), None) for id in _of(genes, MotifGene)}
    for id, motif in motifs.items():
        fields = genes.fields[id]
        if fields["sheet"] not in sheets or (fields["source"] is not None and fields["source"] not in sheets):
            raise GenomeError(f"gene {id[0]}:{id[1]} belongs to, or reads, a sheet that is not there.")
        motif.source = sheets[fields["source"]] if fields["source"] is not None else None
        motif.lender = motifs.get(fields["weights_from"])
        sheets[fields["sheet"]].motifs.append(motif)
    if not sheets or not all(sheet.motifs for sheet in sheets.values()):
        raise GenomeError("a sheet without motifs, or no sheet at all.")
    readout = next(_gene(genes, id) for id in _of(genes, ReadoutGene))
    saccade = _saccade(genes, list(sheets))
    base = msgspec.structs.replace(genes.genome, readout=readout, saccade=saccade)
    found = tightened(base, list(sheets.values()))
    if found is None:
        raise GenomeError("a motif would read a sheet behind its own, or one too far back.")
    check(found)
    return found


def _saccade(genes: NamedGenes, sheets: Sequence[GeneId]) -> SaccadeGene | None:
    if SACCADE not in genes.fields:
        return None
    eye = genes.fields[SACCADE]["eye"]
    if eye not in sheets:
        raise GenomeError("the last sheet of the saccade gene's eye is not there.")
    gene: SaccadeGene = _gene(genes, SACCADE)
    return msgspec.structs.replace(gene, depth=sheets.index(eye) + 1)


def _changed_fields(before: Fields, after: Fields) -> tuple[Fields, Fields]:
    """The fields in which two versions of one gene differ."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def between(a: NamedGenes, b: NamedGenes) -> list[Edit]:
    """The edits that make `a` into `b`, whatever the order of the genes that both have."""
    found = [removed(a, gene) for gene in a.order if gene not in b.fields]
    for gene in b.order:
        if gene not in a.fields:
            found.append(added(b, gene))
        else:
            before, after = _changed_fields(a.fields[gene], b.fields[gene])
            found += [Edit(gene=gene, action="changed", before=before, after=after)] * bool(after)
    return found


def added(genes: NamedGenes, gene: GeneId) -> Edit:
    """`gene` comes as it is in `genes`."""
    return Edit(gene=gene, action="added", before={}, after=genes.fields[gene], behind=genes.behind(gene))


def removed(genes: NamedGenes, gene: GeneId) -> Edit:
    """`gene`, as it is in `genes`, goes."""
    return Edit(gene=gene, action="removed", before=genes.fields[gene], after={}, behind=genes.behind(gene))


def apply(genes: NamedGenes, edits: Iterable[Edit], kinds: dict[GeneId, type[NamedGene]]) -> NamedGenes:
    """`genes` with the edits made in their order; `kinds` of the genes that come."""
    genes = genes.copy()
    for edit in edits:
        match edit.action:
            case "added":
                _put(genes, edit.gene, kinds[edit.gene], edit.after, edit.behind)
            case "removed":
                _take(genes, edit.gene)
            case "changed":
                genes.fields[edit.gene].update(edit.after)
    return genes


def revert(genes: NamedGenes, edits: Sequence[Edit], kinds: dict[GeneId, type[NamedGene]]) -> NamedGenes:
    """`genes` with the edits undone: fields as they were before them, whatever has changed them since.

    A reference is put back only where nothing has changed it since. What reads a sheet that goes reads what its first
    motif read; weights of a motif that goes are its lender's, or the borrower's own.
    """
    genes = genes.copy()
    for edit in reversed(edits):
        if edit.action == "removed" and edit.gene not in genes.fields:
            _put(genes, edit.gene, kinds[edit.gene], edit.before, edit.behind)
        elif edit.action == "changed" and edit.gene in genes.fields:
            now = genes.fields[edit.gene]
            stands = {n: v for n, v in edit.before.items() if n not in REFERENCES or now[n] == edit.after[n]}
            now.update(stands)
    for edit in edits:
        if edit.action == "added" and edit.gene in genes.fields:
            _leave(genes, edit.gene)
    return genes


def _put(genes: NamedGenes, gene: GeneId, kind: type[NamedGene], fields: Fields, behind: Sequence[GeneId]) -> None:
    genes.fields[gene], genes.kinds[gene] = dict(fields), kind
    before = next((other for other in behind if other in genes.order), None)
    genes.order.insert(0 if before is None else genes.order.index(before) + 1, gene)


def _take(genes: NamedGenes, gene: GeneId) -> None:
    del genes.fields[gene], genes.kinds[gene]
    genes.order.remove(gene)


def _leave(genes: NamedGenes, gene: GeneId) -> None:
    """Take a gene away, and a sheet's motifs with it, and turn those that name it to what it named."""
    if genes.kinds[gene] is SheetGene:
        motifs = [id for id in genes.order if genes.fields[id].get("sheet") == gene]
        reads = next((s for id in motifs if (s := genes.fields[id]["source"]) != gene), None)
        for id in motifs:
            _leave(genes, id)
        _turn(genes, "source", gene, reads)
        _turn(genes, "eye", gene, reads)
    elif genes.kinds[gene] is MotifGene:
        _turn(genes, "weights_from", gene, genes.fields[gene].get("weights_from"))
    _take(genes, gene)


def _turn(genes: NamedGenes, name: str, old: GeneId, new: GeneId | None) -> None:
    for fields in genes.fields.values():
        if fields.get(name) == old:
            fields[name] = new


def _of(genes: NamedGenes, kind: type[NamedGene]) -> list[GeneId]:
    return [id for id in genes.order if genes.kinds[id] is kind]


def _plain(gene: NamedGene) -> Fields:
    return {name: getattr(gene, name) for name in gene.__struct_fields__ if name not in ("id", "motifs")}


def _gene(genes: NamedGenes, id: GeneId) -> Any:
    fields = {name: value for name, value in genes.fields[id].items() if name not in REFERENCES}
    kind = genes.kinds[id]
    return kind(**fields) if kind is SaccadeGene else kind(id=id, **fields)  # type: ignore[call-arg]


def _id(gene: IdGene) -> GeneId:
    if gene.id is None:
        raise GenomeError("a gene without an id has no name: stamp the genome with its individual first.")
    return gene.id
