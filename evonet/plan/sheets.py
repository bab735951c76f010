"""One sheet of a plan: its grids, live channels, bias and branches."""

from math import prod
from typing import NamedTuple

from evonet.genome.genes import MotifGene, SheetGene
from evonet.plan.cutting import ordered
from evonet.plan.draft import Draft, Index
from evonet.plan.frames import Grids, grids
from evonet.plan.kernels import Size
from evonet.plan.motifs import Place, expand_motif
from evonet.plan.types import INPUT, Branch, SheetPlan


def expand_sheet(
    draft: Draft,
    index: int,
    gene: SheetGene,
    *,
    free: bool,
    name: str | None = None,
    where: str | None = None,
    on: Grids | None = None,
    tie: bool = False,
) -> SheetPlan:
    """Sheet `index` of the plan, added to `draft`.

    `free`: its channels may be cut. `name`, `where`: other than the genome's sheets have; `on`: other grids than its
    first motif's. `tie`: its motifs are cut out of one kernel.
    """
    of = Named(where or f"sheets[{index}]", name or f"sheet{index}", tie)
    on = on or grids(gene, index, {k: shape[1:] for k, shape in draft.shapes.items()})
    repeats = gene.repeats if any(motif.source == 0 for motif in gene.motifs) else 0
    draft.shapes[index] = (gene.channels, *on.final)
    alive = draft.live_channels(of.where, index, gene.channels, cuttable=free)
    live = draft.live[index] = tuple(c for c, bit in enumerate(alive) if bit)
    draft.add(of.where, neurons=len(live) * (prod(on.incoming) + repeats * prod(on.final)))
    incoming, recurrent = _branches(draft, index, gene, of, on)
    bias = _bias(draft, gene, of, repeats, live)
    source = incoming[0].source
    return SheetPlan(
        name=of.name,
        shape=(len(live), *on.final),
        incoming=incoming,
        recurrent=recurrent,
        join=gene.join,
        repeats=repeats,
        bias=bias,
        norm=gene.norm,
        activation=gene.activation,
        reduction=gene.reduction,
        add_source=source if gene.residual and draft.shapes[source] == draft.shapes[index] else None,
        add_self=gene.residual,
        alive=alive,
        cuttable=free,
    )


class Named(NamedTuple):
    where: str
    name: str
    tie: bool


def _branches(
    draft: Draft, index: int, gene: SheetGene, of: Named, on: Grids
) -> tuple[tuple[Branch, ...], tuple[Branch, ...]]:
    """From other sheets, and from the sheet itself."""
    incoming = sum(motif.source != 0 for motif in gene.motifs)
    targets = [on.incoming if order < incoming else on.final for order in range(len(gene.motifs))]
    found = tuple(
        _expand_branch(draft, index, gene, order, incoming, of, target=target) for order, target in enumerate(targets)
    )
    return found[:incoming], found[incoming:]


def _bias(draft: Draft, gene: SheetGene, of: Named, repeats: int, live: Index) -> int | None:
    if gene.bias == "none":
        return None
    rows = range(1 + repeats if gene.bias == "repeat" else 1)
    return draft.tensor(of.where, f"{of.name}.bias", "bias", (rows, live), gene.id, 1)


def _expand_branch(
    draft: Draft, index: int, gene: SheetGene, order: int, incoming: int, of: Named, *, target: Size
) -> Branch:
    """`order`: the place of the motif among `ordered(gene)`, of which the first `incoming` come from other sheets."""
    at, parts = (order, incoming) if order < incoming else (order - incoming, len(gene.motifs) - incoming)
    channels = _part(gene.channels, at, parts) if gene.join == "concat" else (0, gene.channels)
    live: Index = tuple(c - channels[0] for c in draft.live[index] if channels[0] <= c < channels[1])
    position, motif = ordered(gene)[order]
    return expand_motif(
        draft,
        motif,
        Place(
            where=f"{of.where}.motifs[{position}]",
            name=f"{of.name}.motif{position}",
            source=max(index - motif.source, INPUT),
            grid=target,
            channels=channels,
            live=live,
            covers=gene.reduction == "all" and motif.source != 0,
            times=1 if motif.source else gene.repeats,
            lender=_lender(draft, motif, order if of.tie else 0),
            union=gene.motifs if of.tie and len(gene.motifs) > 1 else (),
        ),
    )


def _lender(draft: Draft, motif: MotifGene, tied: int) -> tuple[int, ...]:
    """The stages whose weights a motif has; `tied`: how many places back the first motif lies that shares its own."""
    back = motif.weights_from or tied
    return draft.motifs[len(draft.motifs) - back] if back else ()


def _part(channels: int, at: int, parts: int) -> tuple[int, int]:
    """Part `at` of `parts` even ones."""
    return channels * at // parts, channels * (at + 1) // parts
