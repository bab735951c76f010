"""genome -> plan: shape inference, taps, weight slots and costs. Pure, integer, and refused before it is too large."""

from evonet.errors import GenomeError
from evonet.genome.check import check
from evonet.genome.genes import Genome, ReadoutGene
from evonet.plan.budget import Budget
from evonet.plan.cutting import cuttable
from evonet.plan.draft import Draft
from evonet.plan.saccade import Looking
from evonet.plan.sheets import expand_sheet
from evonet.plan.types import Expression, Plan, ReadoutPlan, Shape


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
    looking = None if genome.saccade is None else Looking(draft, genome, genome.saccade, input)
    tied = genome.saccade.depth if genome.saccade is not None and genome.saccade.tie else 0  # sheets
    sheets = []
    for k, gene in enumerate(genome.sheets):
        if looking is not None:
            looking.before(k)
        sheets.append(expand_sheet(draft, k, gene, free=free[k], tie=k < tied))
        if looking is not None:
            looking.after(k, sheets)
    readout = _expand_readout(draft, genome.readout, len(sheets) - 1, classes)
    saccade = None if looking is None else looking.finish(sheets)
    draft.finish(len(sheets))
    return Plan(
        input=input,
        classes=classes,
        sheets=tuple(sheets),
        readout=readout,
        tensors=tuple(draft.tensors),
        costs=draft.costs,
        saccade=saccade,
    )


def _expand_readout(draft: Draft, gene: ReadoutGene, source: int, classes: int) -> ReadoutPlan:
    named, height, width = draft.shapes[source]
    channels = len(draft.live[source])
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
        total = named * cells
        kept = [p * total + c * cells + cell for p in range(pools) for c in draft.live[source] for cell in range(cells)]
        weight = draft.tensor("readout", "readout.weight", "readout", (range(classes), kept), gene.id, features)
        bias = draft.tensor("readout", "readout.bias", "readout_bias", (range(classes),), gene.id, 1)
        draft.add("readout", macs=classes * features, connections=classes * features)
    return ReadoutPlan(
        source=source,
        pooling=gene.pooling,
        grid=grid,
        kind=gene.kind,
        features=features,
        weight=weight,
        bias=bias,
    )
