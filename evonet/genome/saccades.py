"""Where to look, varied: the saccade gene comes and goes, its fields move, the eye gains and loses classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from evonet.genome.check import valid
from evonet.genome.genes import Coordinates, Genome, MotifGene, Route, SaccadeGene
from evonet.genome.limits import Limits
from evonet.genome.looking import classes
from evonet.genome.settling import settled
from evonet.genome.steps import Apply, neighbour
from evonet.genome.table import BUDGETS, SACCADE_FIELDS, Field
from evonet.genome.wiring import LooseMotif, disown, loosened, tightened
from evonet.seeds import Stream

T = TypeVar("T")

# The prior of founders: cells and budgets that fit images of some sixty pixels; smaller images have them fitted.
_CELLS = {8: 3, 16: 1, 4: 1}
_DOWN = {4: 3, 2: 2}
_GLANCE = {4: 1, 6: 2, 8: 3}
_ROUTES: Mapping[Route, float] = {"budget": 3, "threshold": 1}
_COORDINATES: Mapping[Coordinates, float] = {"xy": 3, "relative": 2, "fourier": 1}
_FIRST, _MORE = {1: 1, 2: 3, 3: 2, 4: 2, 6: 1}, {1: 2, 2: 1}  # cells of class 1, and of every further one
_FIXATIONS = 0.25  # of the sets
_SECOND = 0.4  # of the eyes get a second class, with a larger window
_CHEAP = 0.5  # of the grids


def add_saccade(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A saccade gene, one of the founders', over the sheets as they are, or as near to that as can be."""
    return look(genome, stream, limits) if genome.saccade is None and limits.saccades else None


def add_every_cell(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A saccade gene that leaves nothing out: every cell, one class, put back on the grid. It changes no logit."""
    if genome.saccade is not None or "conv" not in limits.saccades:
        return None
    gene = SaccadeGene(form="conv", route="every")
    options = [replace(genome, saccade=replace(gene, depth=k + 1)) for k in range(len(genome.sheets))]
    options = [option for option in options if valid(option)]
    return stream.choice(options) if options else None


def remove_saccade(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without the gene: every sheet is computed everywhere."""
    del stream, limits
    return None if genome.saccade is None else replace(genome, saccade=None)


def look(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """`genome` with a saccade gene drawn from the prior, settled; within `limits` if it was."""
    form = stream.choice(limits.saccades)
    fixations = 0
    if form == "set" and limits.fixations_max > 1 and stream.chance(_FIXATIONS):
        fixations = 2 + stream.below(limits.fixations_max - 1)
    gene = SaccadeGene(
        cell=_drawn(stream, "cell", _CELLS, limits),
        downsampling=_drawn(stream, "downsampling", _DOWN, limits),
        glance=_drawn(stream, "glance", _GLANCE, limits),
        depth=1 + stream.below(min(2, len(genome.sheets))),
        form=form,
        route=_drawn(stream, "route", _ROUTES, limits),
        fixations=fixations,
        fill="cheap" if form == "conv" and stream.chance(_CHEAP) else "zero",
        coordinates=_drawn(stream, "coordinates", _COORDINATES, limits),
    )
    found = settled(replace(genome, saccade=gene))
    if found is not None and limits.motifs_max > 1 and stream.chance(_SECOND):
        found = _with_larger(found, gene.depth - 1, limits)
    if found is None or found.saccade is None:
        return None
    count, first = classes(found, found.saccade), _cells(stream, _FIRST, limits)
    counts = [first, *(_cells(stream, _MORE, limits) for _ in range(count - 1)), 0, 0, 0]
    a, b, c, d = counts[:4]
    return replace(found, saccade=replace(found.saccade, budgets=(a, b, c, d)))


def _cells(stream: Stream, prior: Mapping[int, float], limits: Limits) -> int:
    options = [n for n in prior if n <= limits.cells_max]
    return stream.weighted(options, [prior[n] for n in options])


def _drawn(stream: Stream, name: str, prior: Mapping[T, float], limits: Limits) -> T:
    options = [v for v in prior if limits.allows(name, v)]
    return stream.weighted(options, [prior[v] for v in options])


def _with_larger(genome: Genome, k: int, limits: Limits) -> Genome | None:
    """Sheet `k` with one more motif, a ring larger than its last."""
    sheets = loosened(genome)
    last = sheets[k].motifs[-1]
    if len(sheets[k].motifs) >= limits.motifs_max:
        return genome
    sheets[k].motifs.append(LooseMotif(_larger(last.gene, limits), last.source))
    return tightened(genome, sheets)


def _larger(motif: MotifGene, limits: Limits) -> MotifGene:
    radius = min(motif.radius + 1, limits.radius_max)
    taps = min((2 * radius + 1) ** 2, limits.taps_max)
    return replace(motif, radius=radius, taps=max(taps, min(motif.taps, limits.taps_max)), edits=(), id=None)


def step_saccade(name: str, applies: Callable[[Genome, SaccadeGene], bool] = lambda *_: True) -> Apply:
    """Move field `name` of the saccade gene, where it `applies`."""

    def apply(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
        gene = genome.saccade
        if gene is None or not applies(genome, gene):
            return None
        value = neighbour(SACCADE_FIELDS[name], getattr(gene, name), stream, limits)
        return None if value is None else replace(genome, saccade=replace(gene, **{name: value}))

    return apply


def in_set(genome: Genome, gene: SaccadeGene) -> bool:
    """Whether there are fixations: cells are chosen, and what is seen is a set."""
    del genome
    return gene.form == "set" and gene.route != "every"


def in_grid(genome: Genome, gene: SaccadeGene) -> bool:
    """Whether cells that are not chosen have a fill."""
    del genome
    return gene.form == "conv" and gene.route != "every"


def has_classes(genome: Genome, gene: SaccadeGene) -> bool:
    """Whether there is anything to tie."""
    return classes(genome, gene) > 1


def step_budget(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One class a step up or down the ladder of budgets; down to none, which leaves the class out."""
    gene = genome.saccade
    if gene is None or gene.route == "every":
        return None
    kind = stream.below(classes(genome, gene))
    value = neighbour(_budget_of_a_class(limits), gene.budgets[kind], stream, limits)
    return None if value is None else replace(genome, saccade=_with_budget(gene, kind, value))


def add_class(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One more class: a larger copy of the last motif of one of the eye's sheets that have most, and one cell for it.

    With the parent's weights it computes what that motif did; which cells are looked at changes all the same.
    """
    gene = genome.saccade
    if gene is None or gene.route == "every":
        return None
    count = classes(genome, gene)
    if count >= min(limits.motifs_max, len(gene.budgets)):
        return None
    k = stream.choice([k for k, sheet in enumerate(genome.sheets[: gene.depth]) if len(sheet.motifs) == count])
    grown = _with_larger(genome, k, limits)
    return None if grown is None else replace(grown, saccade=_with_budget(gene, count, 1))


def drop_class(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without the last class: the motifs that it alone has, and its budget. Its cells go with it."""
    del stream, limits
    gene = genome.saccade
    if gene is None or classes(genome, gene) == 1:
        return None
    last, sheets = classes(genome, gene) - 1, loosened(genome)
    gone = [motif for sheet in sheets[: gene.depth] for motif in sheet.motifs[last:]]
    disown(sheets, gone)
    for sheet in sheets[: gene.depth]:
        sheet.motifs = sheet.motifs[:last]
    left = tightened(genome, sheets)
    return None if left is None else replace(left, saccade=_with_budget(gene, last, 0))


def _with_budget(gene: SaccadeGene, kind: int, cells: int) -> SaccadeGene:
    a, b, c, d = (cells if k == kind else n for k, n in enumerate(gene.budgets))
    return replace(gene, budgets=(a, b, c, d))


def _budget_of_a_class(limits: Limits) -> Field:
    within = tuple(n for n in BUDGETS if n <= limits.cells_max)
    return Field(name="budget", group="where", values=within, default=0, step=1)
