"""A genome's meaning for one input shape as text: its sheets with their taps, distances, costs."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from evonet.genome.genes import Genome, MotifGene
from evonet.plan import INPUT, Branch, Plan, Stage
from evonet.plan.applied import applied
from evonet.plan.costs import application_macs, connections
from evonet.plan.cutting import ordered
from evonet.plan.lowering import ConvPart, Part, RegionPart, choose, cost
from evonet.plan.types import SaccadePlan, Tying
from evonet.report.drawing import describe_motif, describe_readout, describe_saccade, describe_sheet, draw_taps
from evonet.timing import CostTable

LONG = 3  # functionally long is what lies beyond this distance (DESIGN section 2)
_BINS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 7), (8, 15), (16, 2**16))

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # header, lines


def draw_plan(genome: Genome, plan: Plan) -> list[str]:
    """The plan from the input to the classes, every motif drawn with the taps that it has on its source."""
    lines = [f"input: {_size(plan.input)}"]
    for gene, sheet in zip(genome.sheets, plan.sheets[: len(genome.sheets)], strict=True):
        lines.append(f"{_spaced(sheet.name)}: {describe_sheet(gene)}; {_size(sheet.shape)}")
        for (place, motif), branch in zip(ordered(gene), (*sheet.incoming, *sheet.recurrent), strict=True):
            into = f" into channels {branch.channels[0]} to {branch.channels[1] - 1}" if gene.join == "concat" else ""
            if covers(branch.stages[0]):
                motif = replace(motif, radius=max(branch.stages[0].source[1:]))
            source, taps = _source(branch, sheet.name), branch.stages[0].taps
            lines.append(f"  motif {place} from {source}{into}: {describe_motif(motif, taps)}")
            lines += [f"    {row}" for row in _drawn(motif, branch.stages[0])]
        if sheet.add_source is not None:
            source = "the input" if sheet.add_source == INPUT else f"sheet {sheet.add_source}"
            lines.append(f"  residual: {source} is added")
    grid = plan.readout.grid
    smaller = f" ({_size(grid)} here)" if grid != (genome.readout.grid,) * 2 else ""
    lines.append(f"readout: {describe_readout(genome.readout)}{smaller}; {plan.classes} classes")
    if genome.saccade is not None and plan.saccade is not None:
        lines.append(f"saccade: {describe_saccade(genome.saccade)}; {_size(plan.saccade.grid)} cells")
        lines += [f"  {line}" for line in _looks(plan, plan.saccade)]
    return lines


def _looks(plan: Plan, at: SaccadePlan) -> Iterator[str]:
    """What each class computes where, and the sheets that no gene but the saccade's says."""
    for kind, eye in enumerate(at.eyes, start=1):
        source, last = (eye.sheets[0].incoming[0].stages[0].source, eye.sheets[-1].shape)
        yield f"class {kind}: {eye.count} cells, each of {_size(source)} to {_size(last)}, {eye.costs.macs:,} MACs"
    if at.glance:
        yield f"the view of the glance: {_size(at.view)}"
    for k in (*at.glance, at.cheap, at.query):
        if k is not None:
            yield f"{plan.sheets[k].name}: {_size(plan.sheets[k].shape)}"


def distances(plan: Plan) -> Table:
    """Connections of one application of every stage, by the Chebyshev distance of their tap."""
    counted = [(stage, by_distance(stage)) for stage in plan.stages]
    furthest = max((max(counts, default=0) for _, counts in counted), default=0)
    bins = [span for span in _BINS if span[0] <= furthest]
    lines = []
    for stage, counts in counted:
        each = [sum(n for d, n in counts.items() if first <= d <= last) for first, last in bins]
        long = sum(n for d, n in counts.items() if d > LONG) / max(1, sum(counts.values()))
        lines.append((stage.name, *(f"{n:,}" if n else "-" for n in each), f"{100 * long:.0f} %"))
    return ("connections by distance", *(_span(*span) for span in bins), f"beyond {LONG}"), lines


def by_distance(stage: Stage) -> dict[int, int]:
    """Chebyshev distance -> connections of one application, in order."""
    groups: dict[int, list[int]] = {}
    for index, tap in enumerate(stage.taps):
        groups.setdefault(max(map(abs, tap)), []).append(index)
    return {distance: connections(_only(stage, groups[distance])) for distance in sorted(groups)}


def covers(stage: Stage) -> bool:
    """Whether one position reads a whole source: the taps are then places in it, neither near nor far."""
    return stage.target[1:] == (1, 1) and len(stage.taps) > 1 and min(map(min, stage.taps)) >= 0


def _only(stage: Stage, index: Sequence[int]) -> Stage:
    """The stage with some of its taps, as far as its connections go."""
    tying = stage.tying and Tying(taps=_picked(stage.tying.taps, index), signs=_picked(stage.tying.signs, index))
    return replace(stage, taps=tuple(stage.taps[i] for i in index), tying=tying)


def _picked(rows: tuple[tuple[int, ...], ...], index: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row[i] for i in index) for row in rows)


def costs(plan: Plan) -> Table:
    """What every stage takes: weights stored, connections and multiply-adds of an image, and how it is computed.

    Milliseconds are those predicted by the default table for forward and gradients of 128 images.
    """
    table = CostTable()
    header = ("stage", "mixing", "from", "to", "taps", "weights", "connections", "MACs", "ms a step", "computed as")
    lines: list[tuple[str, ...]] = []
    for one in applied(plan):
        stage, times = one.stage, one.times
        milliseconds = one.calls * cost(stage, choose(stage, table), table, batch=128 * one.each) / 1e6
        weights = 0 if stage.weight is None else plan.tensors[stage.weight].size
        lines.append(
            (
                stage.name if one.kind is None else f"{stage.name} in class {one.kind + 1}",
                stage.mixing,
                _size(stage.source),
                _size(stage.target),
                f"{len(stage.taps):,}",
                f"{weights:,}" if stage.lender is None else f"of {plan.stages[stage.lender].name}",
                f"{times * connections(stage):,}",
                f"{times * application_macs(stage):,}",
                f"{milliseconds:,.2f}",
                " + ".join(map(_computation, choose(stage, table))),
            )
        )
    return header, lines


def _computation(part: Part) -> str:
    if isinstance(part, RegionPart):
        return f"{_computation(part.conv)} by regions"
    if isinstance(part, ConvPart):
        return f"conv {_size(part.kernel)}" + ("" if part.dilation == (1, 1) else f" apart {_size(part.dilation)}")
    return f"{type(part).__name__.removesuffix('Part').lower()} of {len(part.index)}"


def mask_bits(plan: Plan) -> int:
    """Cells of all masks: what it would take to say the wiring bit by bit."""
    return sum(_cells(stage) for stage in plan.stages)


def _cells(stage: Stage) -> int:
    (c, h, w), (o, y, x) = stage.source, stage.target
    return c * h * w * o * y * x


def _drawn(motif: MotifGene, stage: Stage) -> list[str]:
    _, height, width = stage.source
    if covers(stage) and len(stage.taps) == height * width:
        return [f"every position of {height}x{width}"]
    return draw_taps(stage.taps, motif.radius)


def _source(branch: Branch, name: str) -> str:
    if branch.source == INPUT:
        return "the input"
    return "the sheet itself" if f"sheet{branch.source}" == name else f"sheet {branch.source}"


def _spaced(name: str) -> str:
    return name.replace("sheet", "sheet ")


def _span(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}-{last}" if last < 2**16 else f"{first}+"


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
