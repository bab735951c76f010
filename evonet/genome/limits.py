"""How far a run's genomes may go: section [genes] of a run configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from evonet.genome.genes import (
    Activation,
    Boundary,
    Gene,
    Genome,
    Join,
    Mixing,
    MotifGene,
    Norm,
    Pattern,
    ReadoutKind,
    Reduction,
    SaccadeForm,
    SaccadeGene,
    Sharing,
    SheetGene,
    Symmetry,
)
from evonet.genome.table import LADDER, SHEETS, Field, Value, records
from evonet.genome.wiring import joins, unread_sheets

Pair = tuple[int, int]

# field -> the limit that bounds it from above, or lists what it may be
_MOST: Mapping[str, str] = MappingProxyType(
    {
        "taps": "taps_max",
        "radius": "radius_max",
        "reach": "reach_max",
        "repeats": "repeats_max",
        "source": "skip_max",
        "groups": "groups_max",
        "tile": "tile_max",
        "fixations": "fixations_max",
    }
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "mixing": "mixings",
        "pattern": "patterns",
        "activation": "activations",
        "norm": "norms",
        "reduction": "reductions",
        "join": "joins",
        "sharing": "sharings",
        "symmetry": "symmetries",
        "boundary": "boundaries",
        "kind": "readouts",
        "form": "saccades",
    }
)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What founders and mutants may hold. Genomes given by hand may exceed it; no mutation then goes further out.

    The defaults are a search space for small image networks. Left out, and to be had by naming them: weights of their
    own for every position and sheets whose taps cover the source (each costs more bytes than small networks have),
    cropping boundaries (a crop lower down takes the ground from what lies above), and saccades (where images are small,
    a look at some of it saves little).
    Raises ValueError for limits that leave nothing to choose.
    """

    sheets: Pair = (1, 4)  # least and most
    channels: Pair = (4, 24)  # least and most, of every sheet
    motifs_max: Annotated[int, Meta(ge=1, le=4)] = 3  # of one sheet
    skip_max: Annotated[int, Meta(ge=1, le=15)] = 3  # how many sheets back a motif reads; 1: a chain
    taps_max: Annotated[int, Meta(ge=1, le=128)] = 25
    radius_max: Annotated[int, Meta(ge=0, le=7)] = 3
    reach_max: Annotated[int, Meta(ge=1, le=31)] = 9
    edits_max: Annotated[int, Meta(ge=0, le=8)] = 4
    repeats_max: Annotated[int, Meta(ge=1, le=8)] = 4
    groups_max: Annotated[int, Meta(ge=2, le=16)] = 4
    tile_max: Annotated[int, Meta(ge=1, le=8)] = 3
    long: bool = True  # False: no tap outside its motif's radius, the control without long connections
    lend: bool = True  # whether a motif may have another's weights
    mixings: tuple[Mixing, ...] = ("full", "depthwise", "separable", "grouped", "identity")
    patterns: tuple[Pattern, ...] = ("box", "lattice", "scatter")
    sharings: tuple[Sharing, ...] = ("sheet", "tile")
    symmetries: tuple[Symmetry, ...] = ("none", "even", "odd", "orbit4", "orbit8")
    boundaries: tuple[Boundary, ...] = ("zero", "wrap")
    joins: tuple[Join, ...] = ("add", "concat")
    reductions: tuple[Reduction, ...] = ("none", "stride", "max", "mean")
    activations: tuple[Activation, ...] = ("relu", "leaky_relu", "abs", "tanh", "gelu")
    norms: tuple[Norm, ...] = ("none", "rms", "instance")
    readouts: tuple[ReadoutKind, ...] = ("linear", "direct", "hadamard")
    saccades: tuple[SaccadeForm, ...] = ()  # forms of the saccade gene: set, conv; none: all cells of all images count
    cells_max: Annotated[int, Meta(ge=1, le=128)] = 12  # of one class, of one fixation
    fixations_max: Annotated[int, Meta(ge=0, le=15)] = 4

    def __post_init__(self) -> None:
        for name in ("sheets", "channels"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name} = [{low}, {high}], expected [least, most] with 1 <= least <= most")
        if not any(self.channels[0] <= step <= self.channels[1] for step in LADDER):
            raise ValueError(f"channels = {list(self.channels)}, expected some of {LADDER} within")
        if self.sheets[1] > SHEETS[-1]:
            raise ValueError(f"sheets = {list(self.sheets)}, expected at most {SHEETS[-1]} sheets")
        for name in _WORDS.values():
            if not getattr(self, name) and name != "saccades":
                raise ValueError(f"{name} is empty, expected at least one word")
        if set(self.mixings) <= {"identity", "grouped"}:  # no groups divide the one channel of many images
            raise ValueError("mixings hold nothing that learns, expected one of full, depthwise, separable among them")
        for name in ("symmetries", "reductions"):
            if "none" not in getattr(self, name):
                raise ValueError(f"{name} lack 'none', expected it among them: not every motif or sheet can have one")

    def allows(self, name: str, value: Any) -> bool:
        """Whether field `name` may hold `value`, as far as these limits know the field."""
        if name in _WORDS:
            return value in getattr(self, _WORDS[name])
        if name in _MOST:
            return bool(value <= getattr(self, _MOST[name]))
        match name:
            case "channels":
                return bool(self.channels[0] <= value <= self.channels[1])
            case "edits":
                return len(value) <= self.edits_max
            case "long_share":
                return self.long or value == 0
            case "weights_from":
                return self.lend or value == 0
            case "budgets":
                return all(cells <= self.cells_max for cells in value)
            case _:
                return True

    def allowed(self, field: Field) -> tuple[Value, ...]:
        """The values of `field`, or of each of its numbers, within these limits, in the table's order."""
        if field.form != "one":
            return tuple(field.values)
        return tuple(v for v in field.values if self.allows(field.name, v))


@lru_cache(maxsize=4096)  # every child is compared with its parent, and parents come again and again
def breaches(genome: Genome, limits: Limits) -> int:
    """In how many places `genome` lies outside `limits`; 0 means inside.

    A field that nothing depends on does not count. A sheet that nothing reads does, whatever the limits.
    """
    count = int(not limits.sheets[0] <= len(genome.sheets) <= limits.sheets[1]) + len(unread_sheets(genome))
    count += sum(len(sheet.motifs) > limits.motifs_max for sheet in genome.sheets)
    count += sum(_edits_far(motif, limits) for sheet in genome.sheets for motif in sheet.motifs)
    for _, fields, gene in records(genome):
        idle = _idle(gene)
        count += sum(f.name not in idle and not limits.allows(f.name, getattr(gene, f.name)) for f in fields)
    return count


def _edits_far(motif: MotifGene, limits: Limits) -> bool:
    """Whether an edit lies where no tap may be."""
    furthest = max(motif.radius, limits.reach_max) if limits.long else motif.radius
    return any(max(abs(dy), abs(dx)) > furthest for dy, dx in motif.edits)


def _idle(gene: Gene) -> set[str]:
    """Fields that nothing depends on, as other fields are."""
    match gene:
        case SheetGene():
            return set() if joins(gene) else {"join"}
        case MotifGene():
            conditions = {
                ("reach", "pattern"): gene.long_share > 0,
                ("sharing", "symmetry"): gene.mixing != "identity",
                ("groups",): gene.mixing == "grouped",
                ("tile",): gene.sharing == "tile",
            }
            return {name for names, matters in conditions.items() if not matters for name in names}
        case SaccadeGene():
            return {"budgets"} if gene.route == "every" else set()
        case _:
            return set()
