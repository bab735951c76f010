"""One sheet of a plan: its grids, live channels, bias and branches."""

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
    where, name = where or f"sheets[{index}]", name or f"sheet{index}"
    motifs = ordered(gene)
    own = sum(motif.source == 0 for _, motif in motifs)
    incoming, repeats = len(motifs) - own, gene.repeats if own else 0
    grid, final = on or grids(gene, index, {k: shape[1:] for k, shape in draft.shapes.items()})
    draft.shapes[index] = (gene.channels, *final)
    alive = draft.live_channels(where, index, gene.channels, cuttable=free)
    live = draft.live[index] = tuple(c for c, bit in enumerate(alive) if bit)
    draft.add(where, neurons=len(live) * (grid[0] * grid[1] + repeats * final[0] * final[1]))
    branches = [
        _expand_branch(
            draft, index, gene, order, incoming, Named(where, name, tie), target=grid if order < incoming else final
        )
        for order in range(len(motifs))
    ]
    bias = None
    if gene.bias != "none":
        rows = range(1 + repeats if gene.bias == "repeat" else 1)
        bias = draft.tensor(where, f"{name}.bias", "bias", (rows, live), gene.id, 1)
    source = branches[0].source
    return SheetPlan(
        name=name,
        shape=(len(live), *final),
        incoming=tuple(branches[:incoming]),
        recurrent=tuple(branches[incoming:]),
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
