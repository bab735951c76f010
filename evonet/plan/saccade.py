"""The part of a plan that says where: the grid of cells, the glance, and the eye's blocks.

The eye's sheets are planned as if computed everywhere, which is the reference, and cost nothing there. What is computed
is blocks: a cell's positions of the last sheet, and of every sheet before what those depend on.
"""

from typing import NamedTuple

from msgspec.structs import replace

from evonet.errors import GenomeError
from evonet.genome.genes import Coordinates, Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.looking import classes, rounds, stride
from evonet.plan.costs import application_macs, connections
from evonet.plan.draft import Draft
from evonet.plan.frames import Grids
from evonet.plan.sheets import expand_sheet
from evonet.plan.types import INPUT, Branch, Costs, Eye, SaccadePlan, Shape, SheetPlan, Stage, Tap

BANDS = 4  # of Fourier coordinates: sine and cosine of pi * 2**k * (y, x)
EXTRA: dict[Coordinates, int] = {"none": 0, "xy": 2, "fourier": 4 * BANDS, "relative": 2}

# Ids of the glance's genes: every genome has one glance at most, so all glances are homologous.
_LOGITS, _CHEAP, _QUERY = 100, 102, 104
_ONE = MotifGene(radius=0, taps=1)


class Looking:
    """Plans the sheets of a genome with a saccade gene, in the order of `expand`: before and after every sheet."""

    def __init__(self, draft: Draft, genome: Genome, gene: SaccadeGene, input: Shape) -> None:
        self.draft, self.genome, self.gene, self.input = draft, genome, gene, input
        self.rounds = rounds(gene.fixations)
        self.grid = (0, 0)
        self.eyes: tuple[Eye, ...] = ()
        self.steps: tuple[int, ...] = ()

    def before(self, index: int) -> None:
        """How often sheet `index` is computed: the eye's blocks are counted when all of it is planned."""
        last = self.gene.fixations and index == len(self.genome.sheets) - 1
        if index < self.gene.depth:
            self.draft.times = 0
        elif self.gene.form == "set":
            positions = self.steps[-1] ** 2 * sum(eye.count for eye in self.eyes)
            self.draft.times = self.rounds * (1 if last else positions)

    def after(self, index: int, sheets: list[SheetPlan]) -> None:
        self.draft.times = self.rounds if self.gene.form == "set" else 1
        if index != self.gene.depth - 1:
            return
        self._make_grid()
        self.eyes = tuple(self._eye(kind, sheets) for kind in range(self._classes))
        self.draft.times = 1
        for eye in self.eyes:
            often = self.rounds * eye.count
            self.draft.add(
                "saccade.budgets",
                macs=often * eye.costs.macs,
                connections=often * eye.costs.connections,
                neurons=often * eye.costs.neurons,
            )
        if self.gene.form == "set":
            named, extra = self.draft.shapes[index][0], EXTRA[self.gene.coordinates]
            self.draft.shapes[index] = (named + extra, 1, 1)
            # Coordinates come first: where the eye gains a channel, the others keep their number.
            self.draft.live[index] = (*range(extra), *(extra + c for c in self.draft.live[index]))
        self.draft.times = self.rounds if self.gene.form == "set" else 1

    def finish(self, sheets: list[SheetPlan]) -> SaccadePlan:
        """Plans the glance and what hangs on it, behind `sheets`."""
        gene, own = self.gene, len(sheets)
        self.draft.times = 1
        each = gene.cell // gene.downsampling
        view = (self.input[0], self.grid[0] * each, self.grid[1] * each)
        glance = self._glance(sheets, view) if gene.route != "every" else ()
        cheap = self._cheap(sheets, glance) if gene.fill == "cheap" else None
        query = self._query(sheets, own - 1) if gene.fixations > 1 else None
        return SaccadePlan(
            depth=gene.depth,
            cell=gene.cell,
            grid=self.grid,
            steps=self.steps,
            form=gene.form,
            route=gene.route,
            eyes=self.eyes,
            fixations=gene.fixations,
            halting=1 - 2.0**-gene.halting if gene.halting else None,
            coordinates=gene.coordinates,
            downsampling=gene.downsampling,
            view=view,
            glance=glance,
            cheap=cheap,
            query=query,
        )

    @property
    def _classes(self) -> int:
        return classes(self.genome, self.gene)

    def _make_grid(self) -> None:
        """As many cells as it takes to hold every position of the eye's last sheet."""
        gene, draft = self.gene, self.draft
        strides = [stride(self.genome, replace(gene, depth=k + 1)) for k in range(gene.depth)]
        self.steps = tuple(gene.cell // s for s in strides)
        _, height, width = draft.shapes[gene.depth - 1]
        self.grid = (-(-height // self.steps[-1]), -(-width // self.steps[-1]))
        if min(self.input[1:]) < gene.cell:
            raise GenomeError(
                f"saccade.cell = {gene.cell} on images of {self.input[1]}x{self.input[2]}, expected at most their "
                "sides: use smaller cells, or larger images"
            )
        cells = self.grid[0] * self.grid[1]
        if gene.route == "every":
            return
        total = self.rounds * sum(gene.budgets)
        if total > cells:
            each = f" at each of {gene.fixations} fixations" if gene.fixations else ""
            raise GenomeError(
                f"saccade.budgets = {gene.budgets}{each}, together {total} cells, but a grid of "
                f"{self.grid[0]}x{self.grid[1]} has {cells}: lower them, or use smaller cells or route = 'every'"
            )

    def _eye(self, kind: int, sheets: list[SheetPlan]) -> Eye:
        gene, draft = self.gene, self.draft
        chain = [sheet.of_class(kind) for sheet in sheets[: gene.depth]]
        spans = _backwards(chain, self.steps)
        blocks = tuple(_block(sheet, *spans[k : k + 2]) for k, sheet in enumerate(chain))
        stages = [stage for sheet in blocks for stage in sheet.incoming[0].stages]
        on = [sheet.incoming[0].stages[-1].target for sheet in blocks]
        cells = self.grid[0] * self.grid[1]
        for k, sheet in enumerate(chain):  # the same check as of any sheet, before anything is made of it
            draft.budget.check(f"sheets[{k}]", replace(draft.costs, neurons=sheet.shape[0] * _area(spans[k + 1])))
        return Eye(
            count=cells if gene.route == "every" else gene.budgets[kind],
            sheets=blocks,
            first=tuple((span.first[0], span.first[1]) for span in spans),
            costs=Costs(
                weights=0,
                macs=sum(application_macs(stage) for stage in stages),
                connections=sum(connections(stage) for stage in stages),
                neurons=sum(c * h * w for c, h, w in on),
            ),
        )

    def _glance(self, sheets: list[SheetPlan], view: Shape) -> tuple[int, ...]:
        """3x3 sheets that halve the view until it is the grid, one at least, and 3x3 logits."""
        gene, first = self.gene, len(sheets)
        halvings = (gene.cell // gene.downsampling).bit_length() - 1
        for k in range(max(1, halvings)):
            sheet = SheetGene(
                channels=gene.glance,
                reduction="max" if k < halvings else "none",
                activation="leaky_relu",
                motifs=(MotifGene(source=len(sheets) + 1 if k == 0 else 1, id=_id(2 * k + 1)),),
                id=_id(2 * k),
            )
            free = gene.fixations < 2 or k < halvings - 1  # the query tells the features apart by their number
            sheets.append(self._sheet(sheets, sheet, f"glance{k}", free=free, view=view))
        logits = SheetGene(
            channels=self._classes, activation="none", motifs=(MotifGene(id=_id(_LOGITS + 1)),), id=_id(_LOGITS)
        )
        sheets.append(self._sheet(sheets, logits, "logits", free=False, view=view))
        return tuple(range(first, len(sheets)))

    def _cheap(self, sheets: list[SheetPlan], glance: tuple[int, ...]) -> int:
        """The features of a cell, mixed to the eye's channels and spread over the cell's positions."""
        _, height, width = self.draft.shapes[self.gene.depth - 1]
        sheet = SheetGene(
            channels=self.genome.sheets[self.gene.depth - 1].channels,
            activation=self.genome.sheets[self.gene.depth - 1].activation,
            motifs=(replace(_ONE, source=len(sheets) - glance[-2], id=_id(_CHEAP + 1)),),
            id=_id(_CHEAP),
        )
        sheets.append(self._sheet(sheets, sheet, "cheap", free=False, on=Grids((height, width), (height, width))))
        return len(sheets) - 1

    def _query(self, sheets: list[SheetPlan], last: int) -> int:
        sheet = SheetGene(
            channels=self.gene.glance,
            activation="none",
            bias="none",
            motifs=(replace(_ONE, source=len(sheets) - last, id=_id(_QUERY + 1)),),
            id=_id(_QUERY),
        )
        self.draft.times = self.rounds - 1
        sheets.append(self._sheet(sheets, sheet, "query", free=False))
        self.draft.times = 1
        return len(sheets) - 1

    def _sheet(
        self,
        sheets: list[SheetPlan],
        gene: SheetGene,
        name: str,
        *,
        free: bool,
        view: Shape | None = None,
        on: Grids | None = None,
    ) -> SheetPlan:
        """With `view`, what is read as INPUT is the view."""
        shapes = self.draft.shapes
        shapes[INPUT] = view or self.input
        sheet = expand_sheet(self.draft, len(sheets), gene, free=free, name=name, where=f"saccade.{name}", on=on)
        shapes[INPUT] = self.input
        return sheet


class _Span(NamedTuple):
    """Positions of a block, rows and columns: where they begin, counted from the cell's first, and how many."""

    first: tuple[int, int]
    size: tuple[int, int]


def _backwards(chain: list[SheetPlan], steps: tuple[int, ...]) -> list[_Span]:
    """Of the pixels, and of every sheet of the eye, what the last sheet's positions of one cell depend on."""
    spans = [_Span((0, 0), (steps[-1], steps[-1]))]
    for sheet in reversed(chain):
        span = _before_pooling(spans[0], sheet)
        for stage in reversed(sheet.incoming[0].stages):
            span = _read(span, stage, 2 if sheet.reduction == "stride" and stage is sheet.incoming[0].stages[0] else 1)
        spans.insert(0, span)
    return spans


def _before_pooling(span: _Span, sheet: SheetPlan) -> _Span:
    if sheet.reduction not in ("max", "mean"):
        return span
    return _Span((2 * span.first[0], 2 * span.first[1]), (2 * span.size[0], 2 * span.size[1]))


def _read(span: _Span, stage: Stage, stride: int) -> _Span:
    low, high = _reach(stage.taps)
    first = tuple(stride * span.first[a] + low[a] for a in (0, 1))
    size = tuple(stride * (span.size[a] - 1) + high[a] - low[a] + 1 for a in (0, 1))
    return _Span((first[0], first[1]), (size[0], size[1]))


def _reach(taps: tuple[Tap, ...]) -> tuple[Tap, Tap]:
    """The least and the greatest offset along each axis."""
    rows, columns = zip(*taps, strict=True)
    return (min(rows), min(columns)), (max(rows), max(columns))


def _block(sheet: SheetPlan, source: _Span, target: _Span) -> SheetPlan:
    """`sheet` on a block: every stage maps positions that are all there to positions that are all wanted."""
    (branch,) = sheet.incoming
    on = _before_pooling(target, sheet).size
    stages: list[Stage] = []
    size = source.size
    for stage in branch.stages:
        low, _ = _reach(stage.taps)
        stride = 2 if sheet.reduction == "stride" and not stages else 1
        stages.append(
            replace(
                stage,
                source=(stage.source[0], *size),
                target=(stage.target[0], *on),
                span=(stride * on[0], stride * on[1]),
                shift=(-low[0], -low[1]),
            )
        )
        size = on
    block: Branch = replace(branch, stages=tuple(stages))
    return replace(sheet, shape=(sheet.shape[0], *target.size), incoming=(block,))


def _area(span: _Span) -> int:
    return span.size[0] * span.size[1]


def _id(place: int) -> tuple[int, int]:
    return -1, place
