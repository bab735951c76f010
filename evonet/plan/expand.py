"""genome -> plan: shape inference, taps, weight slots and costs. Pure, integer, and refused before it is too large."""

from evonet.errors import GenomeError
from evonet.genome.check import check
from evonet.genome.genes import Genome, ReadoutGene, SheetGene
from evonet.plan.budget import Budget
from evonet.plan.cutting import cuttable, ordered
from evonet.plan.draft import Draft, Index
from evonet.plan.frames import grids
from evonet.plan.kernels import Size
from evonet.plan.motifs import Place, expand_motif
from evonet.plan.types import INPUT, Branch, Expression, Plan, ReadoutPlan, Shape, SheetPlan


def expand(
    genome: Genome,
    *,
    input: Shape,
    classes: int,
    expression: Expression | None = None,
    budget: Budget | None = None,
) -> Plan:
    """The plan of `genome` for images of shape `input` = (channels, height, width); a sequence has height 1.

    `expression`: live bits per tap and channel, as in `Plan.expression`; None = all live.
    Raises GenomeError: a gene out of range, a shape that reduces to nothing, reach or edits beyond the source,
    channels that do not divide into groups, a cost over `budget`, an expression that does not fit the plan.

    >>> from evonet.genome import Genome, SheetGene
    >>> expand(Genome(sheets=(SheetGene(channels=8),)), input=(1, 28, 28), classes=10).costs.weights
    170
    """
    check(genome)
    budget = budget or Budget()
    budget.check_input(input, classes)
    draft = Draft.of(input, budget, expression)
    free = cuttable(genome)
    sheets = tuple(_expand_sheet(draft, k, gene, free[k]) for k, gene in enumerate(genome.sheets))
    readout = _expand_readout(draft, genome.readout, sheets, classes)
    draft.finish(len(sheets))
    return Plan(
        input=input, classes=classes, sheets=sheets, readout=readout, tensors=tuple(draft.tensors), costs=draft.costs
    )


def _expand_sheet(draft: Draft, index: int, gene: SheetGene, free: bool) -> SheetPlan:
    where = f"sheets[{index}]"
    motifs = ordered(gene)
    own = sum(motif.source == 0 for _, motif in motifs)
    incoming, repeats = len(motifs) - own, gene.repeats if own else 0
    on, final = grids(gene, index, {k: shape[1:] for k, shape in draft.shapes.items()})
    draft.shapes[index] = (gene.channels, *final)
    alive = draft.live_channels(where, index, gene.channels, cuttable=free)
    live = draft.live[index] = tuple(c for c, bit in enumerate(alive) if bit)
    draft.add(where, neurons=len(live) * (on[0] * on[1] + repeats * final[0] * final[1]))
    branches = [
        _expand_branch(draft, index, gene, order, incoming, target=on if order < incoming else final)
        for order in range(len(motifs))
    ]
    bias = None
    if gene.bias != "none":
        rows = range(1 + repeats if gene.bias == "repeat" else 1)
        bias = draft.tensor(where, f"sheet{index}.bias", "bias", (rows, live), gene.id, 1)
    source = branches[0].source
    return SheetPlan(
        name=f"sheet{index}",
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


def _expand_branch(draft: Draft, index: int, gene: SheetGene, order: int, incoming: int, *, target: Size) -> Branch:
    """`order`: the place of the motif among `ordered(gene)`, of which the first `incoming` come from other sheets."""
    at, parts = (order, incoming) if order < incoming else (order - incoming, len(gene.motifs) - incoming)
    channels = _part(gene.channels, at, parts) if gene.join == "concat" else (0, gene.channels)
    live: Index = tuple(c - channels[0] for c in draft.live[index] if channels[0] <= c < channels[1])
    position, motif = ordered(gene)[order]
    return expand_motif(
        draft,
        motif,
        Place(
            where=f"sheets[{index}].motifs[{position}]",
            name=f"sheet{index}.motif{position}",
            source=max(index - motif.source, INPUT),
            grid=target,
            channels=channels,
            live=live,
            covers=gene.reduction == "all" and motif.source != 0,
            times=1 if motif.source else gene.repeats,
            lender=draft.motifs[len(draft.motifs) - motif.weights_from] if motif.weights_from else (),
        ),
    )


def _part(channels: int, at: int, parts: int) -> tuple[int, int]:
    """Part `at` of `parts` even ones."""
    return channels * at // parts, channels * (at + 1) // parts


def _expand_readout(draft: Draft, gene: ReadoutGene, sheets: tuple[SheetPlan, ...], classes: int) -> ReadoutPlan:
    channels, height, width = sheets[-1].shape
    grid = (min(gene.grid, height), min(gene.grid, width))
    pools, cells = (2 if gene.pooling == "both" else 1), grid[0] * grid[1]
    features = channels * pools * cells
    weight = bias = None
    if gene.kind == "direct" and features != classes:
        raise GenomeError(
            f"readout.kind = 'direct' has {features} pooled features, expected one per class ({classes}): "
            f"give the last sheet {classes} channels, grid = 1 and pooling 'mean' or 'max'"
        )
    if gene.kind == "hadamard" and features < classes:
        raise GenomeError(
            f"readout.kind = 'hadamard' has {features} pooled features, expected at least one per class ({classes}): "
            "give the last sheet more channels, or the readout a larger grid"
        )
    if gene.kind == "linear":
        total = len(sheets[-1].alive) * cells
        kept = [
            p * total + c * cells + cell
            for p in range(pools)
            for c in draft.live[len(sheets) - 1]
            for cell in range(cells)
        ]
        weight = draft.tensor("readout", "readout.weight", "readout", (range(classes), kept), gene.id, features)
        bias = draft.tensor("readout", "readout.bias", "readout_bias", (range(classes),), gene.id, 1)
        draft.add("readout", macs=classes * features, connections=classes * features)
    return ReadoutPlan(pooling=gene.pooling, grid=grid, kind=gene.kind, features=features, weight=weight, bias=bias)
