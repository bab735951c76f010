"""Edits of genes in words: where the gene lies, and what it was and is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evonet.genome.edits import REFERENCES, SACCADE, Edit, NamedGene, NamedGenes
from evonet.genome.genes import GeneId, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.report.drawing import describe_motif, describe_readout, describe_saccade, describe_sheet


def in_words(edit: Edit, parent: NamedGenes, child: NamedGenes) -> Iterator[str]:
    """A line for a gene that comes or goes, else one for every field; places are those in the child if it has it."""
    genes = child if edit.gene in child.fields else parent
    id = "" if edit.gene == SACCADE else f" (gene {edit.gene[0]}:{edit.gene[1]})"
    name = f"{place_of(genes, edit.gene)}{id}"
    if edit.action == "changed":
        for field, after in edit.after.items():
            before, now = (_shown(value, field, g) for value, g in ((edit.before[field], parent), (after, child)))
            yield f"{name}: {field} {before} -> {now}"
        return
    fields = edit.after or edit.before
    reads = f", from {_shown(fields['source'], 'source', genes)}" if "source" in fields else ""
    own = {k: v for k, v in fields.items() if k not in REFERENCES}
    if "eye" in fields:
        reads = f", up to {_shown(fields['eye'], 'eye', genes)}"
    yield f"{'+' if edit.action == 'added' else '-'} {name}{reads}: {_described(genes.kinds[edit.gene](**own))}"


def place_of(genes: NamedGenes, gene: GeneId) -> str:
    """Where a gene lies, in words: "sheet 1 motif 0"."""
    sheets = [id for id in genes.order if genes.kinds[id] is SheetGene]
    if gene == SACCADE:
        return "saccade"
    if genes.kinds[gene] is ReadoutGene:
        return "readout"
    if genes.kinds[gene] is SheetGene:
        return f"sheet {sheets.index(gene)}"
    home = genes.fields[gene]["sheet"]
    motifs = [id for id in genes.order if genes.fields[id].get("sheet") == home]
    return f"sheet {sheets.index(home)} motif {motifs.index(gene)}"


def _shown(value: Any, field: str, genes: NamedGenes) -> str:
    if field not in REFERENCES:
        return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
    if value is None:
        return "the input" if field == "source" else "own"
    return place_of(genes, value) if value in genes.fields else f"gene {value[0]}:{value[1]}"


def _described(gene: NamedGene) -> str:
    if isinstance(gene, SaccadeGene):
        return describe_saccade(gene)
    if isinstance(gene, SheetGene):
        return describe_sheet(gene)
    return describe_motif(gene) if isinstance(gene, MotifGene) else describe_readout(gene)
