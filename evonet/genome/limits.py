"""How far a run's genomes may go: section [genes] of a run configuration."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from evonet.genome.genes import Activation, Genome, Mixing, Norm, Pattern
from evonet.genome.table import LADDER, SHEETS, Field, Value, records

Pair = tuple[int, int]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What founders and mutants may hold. Genomes given by hand may exceed it; no mutation then goes further out.

    Raises ValueError for limits that leave nothing to choose.
    """

    sheets: Pair = (1, 4)  # least and most
    channels: Pair = (4, 24)  # least and most, of every sheet
    taps_max: Annotated[int, Meta(ge=1, le=128)] = 25
    radius_max: Annotated[int, Meta(ge=0, le=7)] = 3
    reach_max: Annotated[int, Meta(ge=1, le=31)] = 9
    repeats_max: Annotated[int, Meta(ge=1, le=8)] = 4
    long: bool = True  # False: no tap outside its motif's radius, the control without long connections
    mixings: tuple[Mixing, ...] = ("full", "depthwise", "separable", "identity")
    patterns: tuple[Pattern, ...] = ("box", "lattice", "scatter")
    activations: tuple[Activation, ...] = ("relu", "leaky_relu", "abs", "tanh", "gelu")
    norms: tuple[Norm, ...] = ("none", "rms", "instance")

    def __post_init__(self) -> None:
        for name in ("sheets", "channels"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name} = [{low}, {high}], expected [least, most] with 1 <= least <= most")
        if not any(self.channels[0] <= step <= self.channels[1] for step in LADDER):
            raise ValueError(f"channels = {list(self.channels)}, expected some of {LADDER} within")
        if self.sheets[1] > SHEETS[-1]:
            raise ValueError(f"sheets = {list(self.sheets)}, expected at most {SHEETS[-1]} sheets")
        for name in ("mixings", "patterns", "activations", "norms"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty, expected at least one word")
        if set(self.mixings) <= {"identity", "grouped"}:
            raise ValueError("mixings hold nothing that learns, expected one of full, depthwise, separable among them")

    def allows(self, name: str, value: Any) -> bool:
        """Whether field `name` may hold `value`, as far as these limits know the field."""
        match name:
            case "channels":
                return bool(self.channels[0] <= value <= self.channels[1])
            case "taps" | "radius" | "reach" | "repeats":
                return bool(value <= getattr(self, f"{name}_max"))
            case "long_share":
                return self.long or value == 0
            case "mixing" | "pattern" | "activation" | "norm":
                return value in getattr(self, f"{name}s")
            case _:
                return True

    def allowed(self, field: Field) -> tuple[Value, ...]:
        """The computed values of `field` within these limits, in the table's order."""
        return tuple(v for v in field.computed if self.allows(field.name, v))


def breaches(genome: Genome, limits: Limits) -> int:
    """In how many places `genome` lies outside `limits`; 0 means inside.

    A pattern or reach that no tap uses does not count.
    """
    count = int(not limits.sheets[0] <= len(genome.sheets) <= limits.sheets[1])
    for _, fields, gene in records(genome):
        idle = {"reach", "pattern"} if getattr(gene, "long_share", 0) == 0 else set()
        for field in fields:
            if field.form == "one" and field.name not in idle:
                count += not limits.allows(field.name, getattr(gene, field.name))
    return count
