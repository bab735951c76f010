"""Mutation: one table of operators, and `vary`, which draws among them until a valid new genome comes out.

An operator of the user's is a rate under the name "module:function" (`search.rates`): a pure function (genome, stream,
limits) -> Genome | None, as those of the table. None: it does not apply here. Kept genes keep their `id`, new ones have
none, since inheritance finds a parent's weights by them. A genome that `check` refuses is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from evonet import plugins
from evonet.errors import ConfigError, GenomeError
from evonet.genome.branches import (
    add_motif,
    add_rough_self_motif,
    add_self_motif,
    copy_motif,
    remove_motif,
    remove_self_motif,
    share_motif,
    tie,
    untie,
)
from evonet.genome.check import check, valid
from evonet.genome.forms import fill_mixing, free_kernel, part_tiles
from evonet.genome.genes import Genome
from evonet.genome.ids import anonymous, genes_of
from evonet.genome.limits import Limits, breaches
from evonet.genome.offsets import grow_taps, redraw_basis, shift_tap, step_basis, step_long_share, toggle_tap
from evonet.genome.saccades import (
    add_class,
    add_every_cell,
    add_saccade,
    drop_class,
    has_classes,
    in_grid,
    in_set,
    remove_saccade,
    step_budget,
    step_saccade,
)
from evonet.genome.settling import adapted
from evonet.genome.steps import (
    Apply,
    put_motif,
    reads_long,
    reads_seed,
    self_motif,
    step_kind,
    step_mixing,
    step_motif,
    step_readout,
    step_sharing,
    step_sheet,
    step_source,
)
from evonet.genome.structure import delete_sheet, duplicate_sheet, insert_sheet, widen
from evonet.genome.wiring import joins
from evonet.seeds import Stream


class Operator(NamedTuple):
    """One way to vary a genome, and how often it is drawn beside the others.

    `keeps`: it is growth. With the parent's weights, and zero where inheritance starts new ones at zero, every child
    computes what its parent did, whatever the images.
    `looks`: it is about where to look, and drawn only where a genome has a saccade gene or `limits` allow one.
    """

    rate: float
    apply: Apply
    keeps: bool = False
    looks: bool = False


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        # fields of a sheet
        "channels": Operator(2.0, step_sheet("channels")),
        "activation": Operator(1.5, step_sheet("activation")),
        "norm": Operator(0.7, step_sheet("norm")),
        "bias": Operator(0.3, step_sheet("bias")),
        "reduction": Operator(1.0, step_sheet("reduction")),
        "residual": Operator(0.5, step_sheet("residual")),
        "join": Operator(0.2, step_sheet("join", joins)),
        "repeats": Operator(0.7, step_sheet("repeats", lambda sheet: self_motif(sheet) is not None)),
        # which taps
        "taps": Operator(2.0, step_motif("taps")),
        "grow_taps": Operator(1.0, grow_taps, keeps=True),
        "toggle_tap": Operator(0.7, toggle_tap),
        "shift_tap": Operator(0.7, shift_tap),
        "long_share": Operator(2.0, step_long_share),
        "radius": Operator(1.0, step_motif("radius", lambda motif: motif.taps > 1)),
        "reach": Operator(1.0, step_motif("reach", reads_long)),
        "pattern": Operator(1.0, step_motif("pattern", reads_long)),
        "basis": Operator(1.0, step_basis),
        "redraw_basis": Operator(0.1, redraw_basis),
        "reseed": Operator(0.2, step_motif("seed", reads_seed)),
        # which weights
        "mixing": Operator(1.3, step_mixing),
        "fill_mixing": Operator(0.2, fill_mixing, keeps=True),
        "groups": Operator(0.2, step_motif("groups", lambda motif: motif.mixing == "grouped")),
        "sharing": Operator(0.1, step_sharing),
        "tile": Operator(0.1, step_motif("tile", lambda motif: motif.sharing == "tile")),
        "part_tiles": Operator(0.1, part_tiles, keeps=True),
        "symmetry": Operator(0.3, step_motif("symmetry", lambda motif: motif.mixing != "identity")),
        "free_kernel": Operator(0.1, free_kernel, keeps=True),
        "boundary": Operator(0.2, step_motif("boundary")),
        "share_motif": Operator(0.15, share_motif),
        "tie": Operator(0.15, tie),
        "untie": Operator(0.1, untie, keeps=True),
        # motifs
        "add_motif": Operator(0.6, add_motif, keeps=True),
        "remove_motif": Operator(0.4, remove_motif),
        "add_self_motif": Operator(0.5, add_self_motif, keeps=True),
        "add_rough_self_motif": Operator(0.3, add_rough_self_motif),
        "remove_self_motif": Operator(0.4, remove_self_motif),
        "copy_motif": Operator(0.4, copy_motif),
        "source": Operator(0.3, step_source),
        # sheets
        "widen": Operator(1.0, widen, keeps=True),
        "insert_sheet": Operator(1.0, insert_sheet, keeps=True),
        "delete_sheet": Operator(0.7, delete_sheet),
        "duplicate_sheet": Operator(0.4, duplicate_sheet),
        # readout
        "pooling": Operator(0.7, step_readout("pooling")),
        "grid": Operator(0.7, step_readout("grid")),
        "readout": Operator(0.3, step_kind),
        # where to look; behind all others, so that without saccades the draws are what they were before there were any
        "add_saccade": Operator(1.0, add_saccade, looks=True),
        "add_every_cell": Operator(0.3, add_every_cell, keeps=True, looks=True),
        "remove_saccade": Operator(0.2, remove_saccade, looks=True),
        "cell": Operator(0.5, step_saccade("cell"), looks=True),
        "downsampling": Operator(0.7, step_saccade("downsampling"), looks=True),
        "glance": Operator(0.7, step_saccade("glance", lambda _, gene: gene.route != "every"), looks=True),
        "eye_depth": Operator(0.7, step_saccade("depth"), looks=True),
        "saccade_form": Operator(0.3, step_saccade("form"), looks=True),
        "route": Operator(0.5, step_saccade("route"), looks=True),
        "budget": Operator(2.0, step_budget, looks=True),
        "fixations": Operator(0.7, step_saccade("fixations", in_set), looks=True),
        "halting": Operator(0.5, step_saccade("halting", lambda _, gene: gene.fixations > 1), looks=True),
        "fill": Operator(0.3, step_saccade("fill", in_grid), looks=True),
        "coordinates": Operator(0.5, step_saccade("coordinates", lambda _, gene: gene.form == "set"), looks=True),
        "tie_eye": Operator(0.3, step_saccade("tie", has_classes), looks=True),
        "add_class": Operator(0.7, add_class, looks=True),
        "drop_class": Operator(0.3, drop_class, looks=True),
    }
)
_LOOKS = frozenset(name for name, one in OPERATORS.items() if one.looks)
_TRIES = 40
_SECOND = 0.3  # probability of a second operator on top of the first
_NO_RATES: Mapping[str, float] = MappingProxyType({})


def rates_of(rates: Mapping[str, float]) -> dict[str, float]:
    """Every operator's rate: `rates` over the defaults, plug-ins behind them in order of their names.

    Raises ConfigError for an unknown name or a negative rate. Imports no plug-in.
    """
    for name, rate in rates.items():
        if name not in OPERATORS and not plugins.is_plugin(name):
            raise ConfigError(
                f"rates has no operator '{name}'; {plugins.near(name, OPERATORS)}Operators: {', '.join(OPERATORS)}, "
                'or a plug-in "module:function".'
            )
        if not 0 <= rate < float("inf"):
            raise ConfigError(f"rates.{name} = {rate}, expected a finite number >= 0.")
    ours = {name: rates.get(name, one.rate) for name, one in OPERATORS.items()}
    return ours | {name: rates[name] for name in sorted(rates) if name not in OPERATORS}


def operator(name: str) -> Apply:
    """The operator called `name`, one of the table or a plug-in. Raises ConfigError if it cannot be imported."""
    if not plugins.is_plugin(name):
        return OPERATORS[name].apply
    plugins.load(name, "search.rates")
    return lambda genome, stream, limits: _plugged(name, genome, stream, limits)


def _plugged(name: str, genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """What the plug-in makes of `genome`. Raises ConfigError if that is no genome that could be born."""
    child = plugins.call(name, "search.rates", genome, stream, limits)
    if child is None:
        return None
    try:
        if not isinstance(child, Genome):
            raise GenomeError(f"{type(child).__name__} {str(child)[:60]}, expected a Genome or None.")
        check(child)
        known, ids = {gene.id for gene in genes_of(genome)}, [g.id for g in genes_of(child) if g.id is not None]
        if len(set(ids)) < len(ids) or not known.issuperset(ids):
            raise GenomeError("gene ids that repeat or are not the parent's; a new gene must have id=None.")
    except GenomeError as e:
        raise ConfigError(
            f'search.rates: operator "{name}" gave an invalid genome: {e} Mend the plug-in and resume.'
        ) from e
    return child


def vary(genome: Genome, stream: Stream, limits: Limits, rates: Mapping[str, float] = _NO_RATES) -> tuple[Genome, str]:
    """A child of `genome` and how it came about: one operator's name, or two joined by "+".

    `genome` must pass `check`; so does the child, which differs and lies no further outside `limits`. New genes have no
    id, kept ones keep theirs. `rates` as in `rates_of`; with all rates zero the child is the genome, named "clone".
    """
    weights = rates_of(rates)
    if not any(_drawn(weights, genome, limits).values()):
        return genome, "clone"
    child, name = _once(genome, stream, limits, weights)
    if stream.chance(_SECOND):
        second, other = _once(child, stream, limits, weights)
        if _admissible(second, genome, limits):  # the second may have undone the first
            return second, f"{name}+{other}"
    return child, name


def _drawn(weights: Mapping[str, float], genome: Genome, limits: Limits) -> dict[str, float]:
    """The rates at which operators are drawn here. A rate of zero changes no draw, so order and draws stay."""
    looks = genome.saccade is not None or bool(limits.saccades)
    return {name: 0.0 if name in _LOOKS and not looks else rate for name, rate in weights.items()}


def varied(name: str, genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """What operator `name` makes of a genome, settled to be one that its saccade gene, if it has one, can compute."""
    child = operator(name)(genome, stream, limits)
    return None if child is None else adapted(child, genome)


def _once(genome: Genome, stream: Stream, limits: Limits, weights: Mapping[str, float]) -> tuple[Genome, str]:
    weights = _drawn(weights, genome, limits)
    for _ in range(_TRIES):
        name = stream.weighted(list(weights), list(weights.values()))
        child = varied(name, genome, stream, limits)
        if child is not None and _admissible(child, genome, limits):
            return child, name
    return _reseed_any(genome, stream), "reseed"


def _admissible(child: Genome, parent: Genome, limits: Limits) -> bool:
    return (
        anonymous(child) != anonymous(parent) and valid(child) and breaches(child, limits) <= breaches(parent, limits)
    )


def _reseed_any(genome: Genome, stream: Stream) -> Genome:
    """The step that always applies: every seed is valid in every motif."""
    k = stream.below(len(genome.sheets))
    motif = genome.sheets[k].motifs[0]
    return put_motif(genome, k, 0, replace(motif, seed=(motif.seed + 1 + stream.below(255)) % 256))
