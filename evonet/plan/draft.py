"""A plan in the making: tensors and costs so far; every addition is checked against the budget first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from msgspec.structs import replace

from evonet.errors import GenomeError
from evonet.genome.genes import GeneId
from evonet.plan.budget import Budget
from evonet.plan.types import INPUT, Bits, Costs, Expression, Role, Shape, Stage, Tap, Tensor

Index = tuple[int, ...]


@dataclass
class Draft:
    """`live[k]`: the live channels of sheet k as indices of its gene's channels; `live[INPUT]` are the image's."""

    budget: Budget
    expression: Expression | None
    shapes: dict[int, Shape]  # with all channels
    live: dict[int, Index]
    tensors: list[Tensor] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    motifs: list[tuple[int, ...]] = field(default_factory=list)  # indices of the stages of every motif so far
    covering: int = 0  # taps so far of motifs that cover their source
    costs: Costs = field(default_factory=lambda: Costs(weights=0, macs=0, connections=0, neurons=0))
    times: int = 1  # how often what comes now is computed for one image

    @classmethod
    def of(cls, input: Shape, budget: Budget, expression: Expression | None) -> "Draft":
        return cls(budget, expression, {INPUT: input}, {INPUT: tuple(range(input[0]))})

    def tensor(
        self, where: str, name: str, role: Role, kept: Sequence[Sequence[int]], gene: GeneId | None, fan_in: int
    ) -> int:
        """A new tensor; `kept` names along every axis what it holds of the whole genome's tensor."""
        shape = tuple(len(axis) for axis in kept)
        self.add(where, weights=prod(shape))  # before `kept` is written out
        cut = tuple(tuple(axis) for axis in kept) if self.expression is not None else None
        self.tensors.append(Tensor(name=name, role=role, shape=shape, gene=gene, fan_in=fan_in, kept=cut))
        return len(self.tensors) - 1

    def add(self, where: str, *, weights: int = 0, macs: int = 0, connections: int = 0, neurons: int = 0) -> None:
        old = self.costs
        self.costs = Costs(
            weights=old.weights + weights,
            macs=old.macs + self.times * macs,
            connections=old.connections + self.times * connections,
            neurons=old.neurons + self.times * neurons,
        )
        self.budget.check(where, self.costs)

    def add_covering(self, where: str, taps: int, per_tap: int) -> None:
        """Takes in a motif that covers its source before its taps are made: `per_tap` new weights for each of them.

        An expression, which has a bit for every tap, may leave fewer.
        """
        self.covering += taps
        self.budget.check_covering(where, self.covering)
        if self.expression is None:
            self.budget.check(where, replace(self.costs, weights=self.costs.weights + taps * per_tap))

    def live_taps(self, where: str, taps: Sequence[Tap], lender: int | None) -> tuple[Index, tuple[Tap, ...]]:
        """Which taps of the next stage live, by place and by offset. Borrowed ones live where the lender's do."""
        bits: Bits = (True,) * len(taps)
        if self.expression is not None:
            at = len(self.stages)
            bits = self.expression.taps[at] if at < len(self.expression.taps) else ()
            if len(bits) != len(taps) or not any(bits):
                raise GenomeError(
                    f"{where}: expression has {len(bits)} bits with {sum(bits)} on, "
                    f"expected {len(taps)} bits with at least one on"
                )
            if lender is not None and bits != self.expression.taps[lender]:
                raise GenomeError(f"{where}: expression differs from that of the motif whose weights it has")
        live = tuple(i for i, bit in enumerate(bits) if bit)
        return live, tuple(taps[i] for i in live)

    def live_channels(self, where: str, sheet: int, channels: int, *, cuttable: bool) -> Bits:
        """Which channels of the next sheet live."""
        if self.expression is None:
            return (True,) * channels
        bits = self.expression.channels[sheet] if sheet < len(self.expression.channels) else ()
        if len(bits) != channels or not any(bits):
            raise GenomeError(
                f"{where}: expression has {len(bits)} channel bits with {sum(bits)} on, "
                f"expected {channels} bits with at least one on"
            )
        if not (all(bits) or cuttable):
            raise GenomeError(f"{where}: expression switches channels off that other genes depend on")
        return bits

    def finish(self, sheets: int) -> None:
        if self.expression is None:
            return
        came = len(self.expression.taps), len(self.expression.channels)
        if came != (len(self.stages), sheets):
            raise GenomeError(
                f"expression is of {came[0]} stages and {came[1]} sheets, expected {len(self.stages)} and {sheets}"
            )
