"""genome -> plan: shape inference, taps, weight slots and costs. Pure, integer, and refused before it is too large."""

from dataclasses import dataclass, field

import msgspec

from evonet.errors import GenomeError
from evonet.genome.check import check
from evonet.genome.genes import GeneId, Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan.budget import Budget
from evonet.plan.costs import application_macs, connections
from evonet.plan.taps import select_taps
from evonet.plan.types import Costs, Expression, Plan, ReadoutPlan, Role, Shape, SheetPlan, Stage, Tap, Tensor


def expand(
    genome: Genome,
    *,
    input: Shape,
    classes: int,
    expression: Expression | None = None,
    budget: Budget | None = None,
) -> Plan:
    """The plan of `genome` for images of shape `input` = (channels, height, width).

    `expression`: live bits per stage and tap, as in `Plan.expression`; None = every tap lives.
    Raises GenomeError: a gene out of range or not computed yet, a shape that reduces to nothing, a motif whose taps
    all fall outside its source, a cost over `budget`, an expression that does not fit the plan.

    >>> from evonet.genome import Genome, SheetGene
    >>> expand(Genome(sheets=(SheetGene(channels=8),)), input=(1, 28, 28), classes=10).costs.weights
    170
    """
    check(genome)
    budget = budget or Budget()
    budget.check_input(input, classes)
    draft = _Draft(budget=budget, expression=expression)
    shape = input
    for index, gene in enumerate(genome.sheets):
        shape = _expand_sheet(draft, index, gene, shape)
    readout = _expand_readout(draft, genome.readout, shape, classes)
    draft.finish_expression()
    return Plan(
        input=input,
        classes=classes,
        sheets=tuple(draft.sheets),
        readout=readout,
        tensors=tuple(draft.tensors),
        costs=draft.costs,
    )


@dataclass
class _Draft:
    """What has been expanded so far; every addition is checked against the budget first."""

    budget: Budget
    expression: Expression | None
    sheets: list[SheetPlan] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    stages: int = 0
    costs: Costs = field(default_factory=lambda: Costs(weights=0, macs=0, connections=0, neurons=0))

    def tensor(
        self, where: str, name: str, role: Role, shape: tuple[int, ...], gene: GeneId | None, fan_in: int
    ) -> int:
        tensor = Tensor(name=name, role=role, shape=shape, gene=gene, fan_in=fan_in)
        self.add(where, weights=tensor.size)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add(self, where: str, *, weights: int = 0, macs: int = 0, connections: int = 0, neurons: int = 0) -> None:
        old = self.costs
        self.costs = Costs(
            weights=old.weights + weights,
            macs=old.macs + macs,
            connections=old.connections + connections,
            neurons=old.neurons + neurons,
        )
        self.budget.check(where, self.costs)

    def live(self, where: str, taps: tuple[Tap, ...]) -> tuple[Tap, ...]:
        """The taps of the next stage that the expression leaves on."""
        if self.expression is None:
            self.stages += 1
            return taps
        bits = self.expression[self.stages] if self.stages < len(self.expression) else ()
        self.stages += 1
        if len(bits) != len(taps) or not any(bits):
            raise GenomeError(
                f"{where}: expression has {len(bits)} bits with {sum(bits)} on, "
                f"expected {len(taps)} bits with at least one on"
            )
        return tuple(tap for tap, bit in zip(taps, bits, strict=True) if bit)

    def finish_expression(self) -> None:
        if self.expression is not None and len(self.expression) != self.stages:
            raise GenomeError(f"expression is of {len(self.expression)} stages, expected {self.stages}")


def _expand_sheet(draft: _Draft, index: int, gene: SheetGene, source: Shape) -> Shape:
    where = f"sheets[{index}]"
    full, final = _sheet_shapes(where, gene, source)
    incoming = next(m for m in gene.motifs if m.source != 0)
    own = next((m for m in gene.motifs if m.source == 0), None)
    stride = 2 if gene.reduction == "stride" else 1
    repeats = gene.repeats if own else 0
    draft.add(where, neurons=full[0] * full[1] * full[2] + repeats * final[0] * final[1] * final[2])
    position = gene.motifs.index(incoming)
    stages = _expand_motif(draft, index, position, incoming, source=source, target=full, stride=stride, times=1)
    again: tuple[Stage, ...] = ()
    if own:
        again = _expand_motif(
            draft, index, gene.motifs.index(own), own, source=final, target=final, stride=1, times=repeats
        )
    bias = None
    if gene.bias != "none":
        rows = 1 + repeats if gene.bias == "repeat" else 1
        bias = draft.tensor(where, f"sheet{index}.bias", "bias", (rows, gene.channels), gene.id, 1)
    draft.sheets.append(
        SheetPlan(
            name=f"sheet{index}",
            shape=final,
            incoming=stages,
            recurrent=again,
            repeats=repeats,
            bias=bias,
            norm=gene.norm,
            activation=gene.activation,
            reduction=gene.reduction,
            add_source=gene.residual and source == final and stride == 1,
            add_self=gene.residual,
        )
    )
    return final


def _sheet_shapes(where: str, gene: SheetGene, source: Shape) -> tuple[Shape, Shape]:
    """The grid on which motifs are computed, and the grid after reduction.

    Why floor: source position is floor(y * Hs / Ht) + dy; with Ht = floor(Hs / 2) that is 2y for even and odd Hs
    alike, so a stride-2 sheet, a conv2d of stride 2 and a 2x2 pooling all agree on the grid.
    """
    _, height, width = source
    if gene.reduction == "none":
        grid = (gene.channels, height, width)
        return grid, grid
    half = (gene.channels, height // 2, width // 2)
    if 0 in half:
        raise GenomeError(
            f"{where}.reduction = {gene.reduction!r} halves a sheet of {height}x{width} to nothing, "
            "expected at least 2x2: use 'none' or fewer reductions"
        )
    return (half if gene.reduction == "stride" else (gene.channels, height, width)), half


def _expand_motif(
    draft: _Draft, sheet: int, position: int, motif: MotifGene, *, source: Shape, target: Shape, stride: int, times: int
) -> tuple[Stage, ...]:
    where, name = f"sheets[{sheet}].motifs[{position}]", f"sheet{sheet}.motif{position}"
    taps = tuple(t for t in select_taps(motif) if _touches(t, source, target, stride))
    if not taps:
        raise GenomeError(
            f"{where}: no tap falls inside its source of {source[1]}x{source[2]}: lower reach or long_share"
        )
    live = draft.live(where, taps)
    if motif.mixing == "identity" and live != taps:
        raise GenomeError(f"{where}: mixing 'identity' has no weights, so none of its taps can be switched off")
    middle = (source[0], target[1], target[2]) if motif.mixing == "separable" else target
    mixing = "depthwise" if motif.mixing == "separable" else motif.mixing
    if mixing not in ("full", "depthwise", "identity"):
        raise GenomeError(f"{where}.mixing = {motif.mixing!r} is not computed yet by this version")
    draft_stage = Stage(
        name=f"{name}.taps",
        mixing=mixing,
        source=source,
        target=middle,
        stride=stride,
        taps=live,
        all_taps=taps,
        local=motif.radius,
        weight=None,
    )
    stages = [_with_weight(draft, where, draft_stage, "tap", motif.id)]
    if motif.mixing == "separable":
        mix = Stage(
            name=f"{name}.mix",
            mixing="full",
            source=middle,
            target=target,
            stride=1,
            taps=draft.live(where, ((0, 0),)),
            all_taps=((0, 0),),
            local=0,
            weight=None,
        )
        stages.append(_with_weight(draft, where, mix, "mix", motif.id))
    for stage in stages:
        draft.add(where, macs=times * application_macs(stage), connections=times * connections(stage))
    return tuple(stages)


def _with_weight(draft: _Draft, where: str, stage: Stage, role: Role, gene: GeneId | None) -> Stage:
    if stage.mixing == "identity":
        return stage
    out, inputs, taps = stage.target[0], stage.source[0], len(stage.taps)
    shape = (out, inputs, taps) if stage.mixing == "full" else (out, taps)
    fan_in = taps * (inputs if stage.mixing == "full" else 1)
    return msgspec.structs.replace(stage, weight=draft.tensor(where, stage.name, role, shape, gene, fan_in))


def _touches(tap: Tap, source: Shape, target: Shape, stride: int) -> bool:
    """Whether any target position has this tap inside the source."""
    return all(
        -offset <= stride * (t - 1) and offset < s for offset, s, t in zip(tap, source[1:], target[1:], strict=True)
    )


def _expand_readout(draft: _Draft, gene: ReadoutGene, source: Shape, classes: int) -> ReadoutPlan:
    channels, height, width = source
    grid = (min(gene.grid, height), min(gene.grid, width))
    features = channels * grid[0] * grid[1] * (2 if gene.pooling == "both" else 1)
    weight = bias = None
    if gene.kind == "direct":
        if features != classes:
            raise GenomeError(
                f"readout.kind = 'direct' has {features} pooled features, expected one per class ({classes}): "
                f"give the last sheet {classes} channels, grid = 1 and pooling 'mean' or 'max'"
            )
    else:
        weight = draft.tensor("readout", "readout.weight", "readout", (classes, features), gene.id, features)
        bias = draft.tensor("readout", "readout.bias", "readout_bias", (classes,), gene.id, 1)
        draft.add("readout", macs=classes * features, connections=classes * features)
    return ReadoutPlan(pooling=gene.pooling, grid=grid, kind=gene.kind, features=features, weight=weight, bias=bias)
