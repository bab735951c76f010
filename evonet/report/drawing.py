"""Genes as text: a motif as a grid of characters, a genome as lines, two genomes as their differences."""

from collections.abc import Collection, Iterator

from evonet.genome.genes import Gene, Genome, MotifGene, ReadoutGene, SaccadeForm, SaccadeGene, SheetGene
from evonet.genome.taps import select_taps
from evonet.package import Package
from evonet.plan import expand
from evonet.plan.types import Tap

LEGEND = "O the position itself   # local tap   * long tap   + the position, without a tap"

_REDUCTIONS = {
    "stride": "every second position",
    "max": "halved by max",
    "mean": "halved by mean",
    "all": "to one position",
}
_MIXINGS = {"identity": "identity (the mean of its taps)"}
_SYMMETRIES = {
    "even": "even (opposite taps share a weight)",
    "odd": "odd (opposite taps share a weight with opposite signs)",
    "orbit4": "orbit4 (one kernel turned to 4 channels)",
    "orbit8": "orbit8 (one kernel turned and flipped to 8 channels)",
}


_FORMS: dict[SaccadeForm, str] = {"set": "as a set", "conv": "put back on the grid"}


def draw_motif(gene: MotifGene) -> list[str]:
    """The motif's taps around one position, a line per row (dy), a character per column (dx); see LEGEND."""
    return draw_taps(kernel_taps(gene), gene.radius)


def kernel_taps(gene: MotifGene) -> tuple[Tap, ...]:
    """The motif's taps but for the centre of an odd kernel, which is zero."""
    odd = gene.symmetry == "odd" and gene.mixing != "identity"
    return tuple(tap for tap in select_taps(gene) if not (odd and tap == (0, 0)))


def draw_taps(taps: Collection[Tap], radius: int) -> list[str]:
    """Offsets as `draw_motif` draws them, as far to every side as the furthest; a sequence's in one line."""
    all_of = set(taps)
    height, width = (max((abs(tap[axis]) for tap in all_of), default=0) for axis in (0, 1))
    rows = range(-height, height + 1) if height == 0 else range(-max(height, width), max(height, width) + 1)
    columns = range(-max(height, width), max(height, width) + 1)
    return [" ".join(_mark(dy, dx, (dy, dx) in all_of, radius) for dx in columns) for dy in rows]


def _mark(dy: int, dx: int, tap: bool, radius: int) -> str:
    if dy == dx == 0:
        return "O" if tap else "+"
    if not tap:
        return "."
    return "#" if max(abs(dy), abs(dx)) <= radius else "*"


def draw_genome(genome: Genome) -> list[str]:
    """The genome from the input to the classes: one line per gene, the drawing of each motif below it."""
    lines = []
    for index, sheet in enumerate(genome.sheets):
        lines.append(f"sheet {index}{_id(sheet)}: {describe_sheet(sheet)}")
        for motif in sheet.motifs:
            lines.append(f"  motif{_id(motif)} from {_source(motif, index)}: {describe_motif(motif)}")
            lines += [f"    {row}" for row in draw_motif(motif)]
    lines.append(f"readout{_id(genome.readout)}: {describe_readout(genome.readout)}")
    if genome.saccade is not None:
        lines.append(f"saccade: {describe_saccade(genome.saccade)}")
    return lines


def draw_expression(package: Package) -> Iterator[str]:
    """What compression left of every stage whose taps are not all live; () where it left them all."""
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    for stage in plan.stages:
        if stage.weight is not None and stage.lender is None and not all(stage.alive):
            own = " with weights of their own" if stage.tying else ""
            yield f"{stage.name}: {len(stage.own_taps)} of {len(stage.all_taps)} taps{own} are live"
            yield from (f"  {line}" for line in draw_taps(stage.own_taps, stage.local))


def describe_sheet(gene: SheetGene) -> str:
    words = [
        f"{gene.channels} channels",
        gene.activation if gene.activation != "none" else "linear",
        f"{gene.norm} norm" if gene.norm != "none" else "",
        {"none": "no bias", "channel": "", "repeat": "a bias per repeat"}[gene.bias],
        _REDUCTIONS.get(gene.reduction, ""),
        "residual" if gene.residual else "",
        f"applied {gene.repeats} times with the same weights" if gene.repeats > 1 else "",
        "motifs side by side" if gene.join == "concat" else "",
    ]
    return ", ".join(word for word in words if word)


def describe_motif(gene: MotifGene, taps: Collection[Tap] | None = None) -> str:
    """What a motif is, in words; `taps` are those on a given source, else all that the gene names."""
    taps = kernel_taps(gene) if taps is None else taps
    long = sum(max(abs(dy), abs(dx)) > gene.radius for dy, dx in taps)
    words = [_MIXINGS.get(gene.mixing, gene.mixing), f"{len(taps)} tap" + "s" * (len(taps) != 1)]
    if gene.mixing == "grouped":
        words[0] = f"in {gene.groups} groups"
    if long:
        vectors = f" on vectors {gene.basis[:2]} {gene.basis[2:]}" if gene.pattern == "lattice" else ""
        words.append(f"{long} of them long ({gene.pattern}{vectors}, reach {gene.reach})")
    return ", ".join(words + list(_beyond(gene)))


def _beyond(gene: MotifGene) -> Iterator[str]:
    """The fields that only some genomes use, where they differ from the default."""
    if gene.sharing == "tile":
        yield f"own weights in each of {gene.tile}x{gene.tile} tiles"
    if gene.sharing == "position":
        yield "own weights at each position"
    if gene.symmetry != "none":
        yield _SYMMETRIES[gene.symmetry]
    if gene.weights_from:
        back = "1 place" if gene.weights_from == 1 else f"{gene.weights_from} places"
        yield f"weights of the motif {back} back"
    if gene.boundary != "zero":
        yield "wrapped around" if gene.boundary == "wrap" else "only where it fits whole"
    if gene.edits:
        yield "edited at " + " ".join(f"({dy},{dx})" for dy, dx in gene.edits)


def describe_readout(gene: ReadoutGene) -> str:
    pooling = "mean and max" if gene.pooling == "both" else gene.pooling
    return f"{pooling} over {gene.grid}x{gene.grid} cells, {gene.kind}"


def describe_saccade(gene: SaccadeGene) -> str:
    """Where is looked at, by what, and what becomes of it."""
    sheets = "the first sheet" if gene.depth == 1 else f"the first {gene.depth} sheets"
    pixels = f"of {gene.cell}x{gene.cell} pixels"
    if gene.route == "every":
        return f"{sheets} in all cells {pixels}, {_FORMS[gene.form]}"
    budgets = " + ".join(map(str, gene.budgets[: max(k for k, n in enumerate(gene.budgets, 1) if n)]))
    cells = f"{budgets} cells" if budgets != "1" else "cell" if gene.route == "budget" else "1 cell"
    words = [
        f"{sheets} in {'the best' if gene.route == 'budget' else 'up to'} {cells} {pixels}",
        f"by a glance at means of {gene.downsampling}x{gene.downsampling} through {gene.glance} channels",
        f"{gene.fixations} fixations" if gene.fixations else "",
        f"until {1 - 2.0**-gene.halting:.6g} sure" if gene.halting else "",
        _FORMS[gene.form],
        f"{gene.coordinates} coordinates" if gene.form == "set" else f"others {gene.fill}",
        "classes out of one kernel" if gene.tie else "",
    ]
    return ", ".join(word for word in words if word)


def diff(a: Genome, b: Genome) -> list[str]:
    """What differs between the genes of `a` and of `b`, homologous ones (same id) side by side; [] if nothing does."""
    left, right = dict(_genes(a)), dict(_genes(b))
    lines = []
    for key in [*left, *(k for k in right if k not in left)]:
        if key not in right:
            lines.append(f"- {_name(left[key])}: {_describe(left[key][1])}")
        elif key not in left:
            lines.append(f"+ {_name(right[key])}: {_describe(right[key][1])}")
        else:
            lines += [f"  {_name(left[key])}: {change}" for change in _changes(left[key][1], right[key][1])]
    return lines


Placed = tuple[str, SheetGene | MotifGene | ReadoutGene | SaccadeGene]  # where, and the gene


def _genes(genome: Genome) -> Iterator[tuple[object, Placed]]:
    """(key, (place, gene)); the key is the kind of gene and its id, or its place where it has none."""
    for index, sheet in enumerate(genome.sheets):
        place = f"sheet {index}"
        yield ("sheet", sheet.id or place), (place, sheet)
        for ordinal, motif in enumerate(sheet.motifs):
            inner = f"{place} motif {ordinal}"
            yield ("motif", motif.id or inner), (inner, motif)
    yield ("readout", genome.readout.id or "readout"), ("readout", genome.readout)
    if genome.saccade is not None:
        yield "saccade", ("saccade", genome.saccade)


def _name(placed: Placed) -> str:
    id = None if isinstance(placed[1], SaccadeGene) else placed[1].id
    return f"{placed[0]} (gene {id[0]}:{id[1]})" if id else placed[0]


def _describe(gene: Gene) -> str:
    if isinstance(gene, SheetGene):
        return describe_sheet(gene)
    if isinstance(gene, SaccadeGene):
        return describe_saccade(gene)
    return describe_motif(gene) if isinstance(gene, MotifGene) else describe_readout(_readout(gene))


def _readout(gene: Gene) -> ReadoutGene:
    if not isinstance(gene, ReadoutGene):
        raise TypeError(f"{type(gene).__name__} has no text form")
    return gene


def _changes(a: Gene, b: Gene) -> Iterator[str]:
    for name in a.__struct_fields__:
        if name in ("id", "motifs"):
            continue
        before, after = getattr(a, name), getattr(b, name)
        if before != after:
            yield f"{name} {before} -> {after}"
    if isinstance(a, MotifGene) and isinstance(b, MotifGene):
        yield from _tap_changes(set(kernel_taps(a)), set(kernel_taps(b)))


def _tap_changes(before: set[tuple[int, int]], after: set[tuple[int, int]]) -> Iterator[str]:
    for sign, taps in (("lost", before - after), ("gained", after - before)):
        if taps:
            yield f"taps {sign} " + " ".join(f"({dy},{dx})" for dy, dx in sorted(taps))


def _id(gene: SheetGene | MotifGene | ReadoutGene) -> str:
    return f" [{gene.id[0]}:{gene.id[1]}]" if gene.id else ""


def _source(gene: MotifGene, index: int) -> str:
    if gene.source == 0:
        return "the sheet itself"
    return "the input" if gene.source > index else f"sheet {index - gene.source}"
