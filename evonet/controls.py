"""The controls of a claim about wiring (DESIGN section 13): matched twins of a genome, control forms of a search.

random  the same weights and shapes, every motif's taps drawn anew from where the search might have put them
cnn     the same number of taps in full windows around the position, of radius 3 at most, at most twice the MACs
frozen  what the individual's line began with: a seed genome or a founder

A search has them too, as a configuration: `cnn` (all genes held to box motifs of radius 3 at most), `frozen` (no
mutation of the wiring), and `drift` (scores shuffled, so that selection is blind).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from msgspec.structs import replace

from evonet import seeds
from evonet.config import RunConfig
from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene
from evonet.genome.variation import rates_of
from evonet.plan import Plan, Shape, Stage, expand
from evonet.plan.cutting import ordered
from evonet.plan.kernels import longest, window

Kind = Literal["random", "cnn", "frozen"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RADIUS = 3  # of a CNN twin's windows at most; beyond it a connection counts as long
MACS = 2  # a CNN twin's at most, in those of the genome

Rewire = Callable[[MotifGene, Stage], MotifGene]


def random_twin(genome: Genome, *, input: Shape, classes: int, reach: int, draw: int) -> Genome:
    """`genome` with the taps of every motif drawn by `scatter`, as many as have weights, within `reach` positions.

    Motifs of one tap, and those that cover their source, have no wiring to draw and stay, and so does where it looks.
    Motifs cut out of one kernel are drawn nested, as they were. `draw`: which drawing.
    Raises GenomeError where the twin would have other weights or shapes, as after a motif that crops its source.
    """

    def scattered(motif: MotifGene, stage: Stage) -> MotifGene:
        among = window(motif, stage.source[1:], stage.target[1:])
        furthest = min(reach, longest(among))
        of = stage.name.partition(".")[0] if stage.cut_out else stage.name
        return replace(
            _loose(motif),
            radius=0,
            taps=_count(stage),
            long_share=16,
            reach=max(1, furthest),
            pattern="scatter",
            seed=seeds.key("twin", draw, of, 0 if stage.cut_out else motif.seed) % 256,
        )

    twin = _rewired(genome, input, classes, scattered)
    ours, theirs = (expand(g, input=input, classes=classes) for g in (genome, twin))
    if _forms(ours) != _forms(theirs):
        raise GenomeError(
            f"no random twin within reach {reach}: it would have {theirs.costs.weights:,} weights, expected "
            f"{ours.costs.weights:,} in the same shapes. Where a boundary is 'valid', shapes follow the taps; where a "
            "source has fewer places than a motif has taps, they cannot be drawn."
        )
    return twin


def cnn_twin(genome: Genome, *, input: Shape, classes: int) -> Genome:
    """`genome` with every motif's taps in the smallest window that holds as many; those beyond 7x7 are left out.

    Raises GenomeError where that takes more than twice the MACs.
    """

    def local(motif: MotifGene, stage: Stage) -> MotifGene:
        taps = min(_count(stage), (2 * RADIUS + 1) ** 2)
        radius = next(r for r in range(RADIUS + 1) if (2 * r + 1) ** 2 >= taps)
        plain = MotifGene()
        return replace(
            _loose(motif), radius=radius, taps=taps, long_share=0, pattern="box", reach=plain.reach, basis=plain.basis
        )

    twin = _rewired(genome, input, classes, local)
    ours, theirs = (expand(g, input=input, classes=classes).costs.macs for g in (genome, twin))
    if theirs > MACS * ours:
        raise GenomeError(
            f"no CNN twin: it takes {theirs:,} MACs, expected at most {MACS} times the genome's {ours:,}. "
            "A window of other extent crops a sheet elsewhere: use boundary 'zero' or 'wrap'."
        )
    return twin


def _rewired(genome: Genome, input: Shape, classes: int, rewire: Rewire) -> Genome:
    """Every motif with more than one tap rewired, but those that cover their source."""
    plan = expand(genome, input=input, classes=classes)
    sheets = []
    for sheet, planned in zip(genome.sheets, plan.sheets[: len(genome.sheets)], strict=True):
        branches = (*planned.incoming, *planned.recurrent)
        motifs = list(sheet.motifs)
        for (place, motif), branch in zip(ordered(sheet), branches, strict=True):
            covers = sheet.reduction == "all" and motif.source != 0
            if not covers and _count(branch.stages[0]) > 1:
                motifs[place] = rewire(motif, branch.stages[0])
        sheets.append(replace(sheet, motifs=tuple(motifs)))
    return replace(genome, sheets=tuple(sheets))


def _count(stage: Stage) -> int:
    """Taps with weights; of a motif that is cut out of a larger kernel its own."""
    return len(stage.taps) if stage.cut_out else len(stage.all_taps)


def _loose(motif: MotifGene) -> MotifGene:
    """Without what ties weights to where taps are: every tap with a weight is then one of its own."""
    return replace(motif, edits=(), symmetry="none" if motif.symmetry in ("even", "odd") else motif.symmetry)


def _forms(plan: Plan) -> list[object]:
    return [[t.shape for t in plan.tensors], [s.shape for s in plan.sheets]]


# Operators that move no tap and no motif: what a search may still do where wiring is frozen.
_UNWIRED = (
    "channels",
    "widen",
    "activation",
    "norm",
    "bias",
    "residual",
    "pooling",
    "grid",
    "readout",
    "mixing",
    "fill_mixing",
    "groups",
)


def search_control(config: RunConfig, kind: Literal["cnn", "frozen", "drift"]) -> RunConfig:
    """The same search with its births and steps, as a control; see the module."""
    match kind:
        case "cnn":
            held = replace(
                config.genes,
                long=False,
                patterns=("box",),
                radius_max=min(RADIUS, config.genes.radius_max),
                edits_max=0,
            )
            return replace(config, genes=held)
        case "frozen":
            rates = dict(config.search.rates)
            rates |= {name: 0.0 for name in rates_of(rates) if name not in _UNWIRED}  # plug-ins too: who knows
            return replace(config, search=replace(config.search, rates=rates, fresh=0.0))
        case "drift":
            return replace(config, search=replace(config.search, drift=True))
