"""Which computation replaces the masked matrix: a pure choice over integers, so that timing never changes a result.

The taps of a stage are split into parts that are summed. What a part costs is told by a table of integers, by default
one measured on a CPU with one thread.
"""

from math import gcd

import msgspec

from evonet.plan.applied import applied
from evonet.plan.geometry import stride
from evonet.plan.types import Plan, Stage, Tap
from evonet.timing import CostTable

LANES = 16  # float32 numbers in a vector of AVX-512


class ConvPart(msgspec.Struct, frozen=True, kw_only=True):
    """A `kernel` of offsets origin + (i, j) * dilation, holding the taps `index` at flat kernel cells `cells`."""

    index: tuple[int, ...]
    origin: Tap
    dilation: tuple[int, int]
    kernel: tuple[int, int]
    cells: tuple[int, ...]

    @property
    def dense(self) -> bool:
        """Every cell of the kernel is a tap, in order: the weight tensor is the kernel."""
        return self.cells == tuple(range(self.kernel[0] * self.kernel[1]))


class GatherPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the taps see side by side, then one mixing of all of it; one set of weights for the whole sheet."""

    index: tuple[int, ...]


class LinearPart(msgspec.Struct, frozen=True, kw_only=True):
    """A target of one position: the flattened source, or what the taps reach of it, times a matrix."""

    index: tuple[int, ...]


class RegionPart(msgspec.Struct, frozen=True, kw_only=True):
    """Tiles: the regions of the source, each with its halo, side by side in one convolution, `conv` in each."""

    index: tuple[int, ...]
    conv: ConvPart


class PlacesPart(msgspec.Struct, frozen=True, kw_only=True):
    """Every position a tile: a matrix for each, of all that it sees."""

    index: tuple[int, ...]


class IndexPart(msgspec.Struct, frozen=True, kw_only=True):
    """Any stage, by a table of indices and a matrix for every tile: for what nothing else computes."""

    index: tuple[int, ...]


Part = ConvPart | GatherPart | LinearPart | RegionPart | PlacesPart | IndexPart
Lowering = tuple[Part, ...]


def choose(stage: Stage, table: CostTable | None = None) -> Lowering:
    """The cheapest way to compute `stage`; of equals the first."""
    table = table or CostTable()
    return min(options(stage), key=lambda parts: cost(stage, parts, table))


def predicted(plan: Plan, table: CostTable, *, batch: int = 128) -> int:
    """Nanoseconds of one training step's stages: forward and both gradients, all applications, no optimiser.

    Of a network that looks: the blocks of all its budgets, as one batch for each class and fixation.
    """
    return sum(
        one.calls * cost(one.stage, choose(one.stage, table), table, batch=one.each * batch) for one in applied(plan)
    )


def forward_milliseconds(plan: Plan, table: CostTable, *, batch: int = 1) -> float:
    """What a forward pass of `batch` images takes: of the three products of a step, output and two gradients, one.

    Nothing that is no stage is in it: readout, activations, the choice of cells and their cutting out.
    """
    return predicted(plan, table, batch=batch) // 3 / 1e6


def cost(stage: Stage, parts: Lowering, table: CostTable, *, batch: int = 128) -> int:
    """Nanoseconds of forward and both gradients of one application to `batch` images."""
    picoseconds = sum(_picoseconds(stage, part, table) for part in parts) + (len(parts) - 1) * _sum(stage, table)
    return len(parts) * table.call + batch * picoseconds // 1000


def options(stage: Stage) -> list[Lowering]:
    """All ways to compute `stage` that there are."""
    every = tuple(range(len(stage.taps)))
    if stage.target[1:] == (1, 1):
        return [(LinearPart(index=every),)]
    index = IndexPart(index=every)
    if stage.tiles == stage.target[1:] and stage.mixing == "full":
        return [(PlacesPart(index=every),)]
    if stage.tiles != (1, 1):
        return [(index,)] if stride(stage) is None else [(RegionPart(index=every, conv=_grid(stage, every)),), (index,)]
    near = tuple(i for i in every if max(map(abs, stage.taps[i])) <= stage.local)
    far = tuple(i for i in every if i not in near)
    found: list[Lowering] = [(_grid(stage, every),)]
    if near and far:
        found.append((_grid(stage, near), _grid(stage, far)))
    if stride(stage) is None:  # tap by tap, several targets read one source
        return [*found, (index,)]
    found.append((GatherPart(index=every),))
    if near and far:
        found.append((_grid(stage, near), GatherPart(index=far)))
    return found


def _picoseconds(stage: Stage, part: Part, table: CostTable) -> int:
    """Per image."""
    places = stage.target[1] * stage.target[2]
    elements = (_size(stage.source) + _size(stage.target)) * table.element
    if isinstance(part, ConvPart):
        places = places if stride(stage) else stage.source[1] * stage.source[2]
        return elements + _products(stage, places, part.kernel, table)
    if isinstance(part, GatherPart):
        read = table.gather_row + table.gather * (stage.source[0] + stage.target[0])
        return elements + places * len(part.index) * read + _products(stage, places, (1, len(part.index)), table)
    if isinstance(part, RegionPart):
        cells = part.conv.kernel[0] * part.conv.kernel[1]
        copies = table.region * stage.tiles[0] * stage.tiles[1]
        return elements + copies + _padded(stage) * places * cells * table.region_mac
    macs = stage.target[0] * stage.inputs * places * len(part.index)
    if isinstance(part, PlacesPart):
        return elements + macs * table.places_mac
    return elements + macs * (table.linear_mac if isinstance(part, LinearPart) else table.index_mac)


def _products(stage: Stage, places: int, kernel: tuple[int, int], table: CostTable) -> int:
    """A convolution's own work."""
    macs = _padded(stage) * places * kernel[0] * kernel[1]
    if stage.mixing in ("full", "grouped"):
        return macs * table.mac
    wide = kernel != (3, 3) and min(kernel) > 1  # torch has fast code for 3x3 and for single rows and columns
    return macs * (table.wide_depthwise_mac if wide else table.depthwise_mac)


def _padded(stage: Stage) -> int:
    """Pairs of channels that a processor's vectors multiply: few channels take as long as many."""
    if stage.mixing in ("depthwise", "identity"):
        return stage.target[0]
    return stage.groups * _lanes(stage.inputs) * _lanes(stage.target[0] // stage.groups)


def _lanes(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _sum(stage: Stage, table: CostTable) -> int:
    return 2 * _size(stage.target) * table.element


def _size(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def _grid(stage: Stage, index: tuple[int, ...]) -> ConvPart:
    """The smallest regular grid of offsets that holds the taps of `index`."""
    (y0, ey, kh), (x0, ex, kw) = (_axis([stage.taps[i][axis] for i in index]) for axis in (0, 1))
    cells = tuple((stage.taps[i][0] - y0) // ey * kw + (stage.taps[i][1] - x0) // ex for i in index)
    return ConvPart(index=index, origin=(y0, x0), dilation=(ey, ex), kernel=(kh, kw), cells=cells)


def _axis(values: list[int]) -> tuple[int, int, int]:
    """First value, step and count of the smallest arithmetic progression that holds `values`."""
    first = min(values)
    step = gcd(*(v - first for v in values)) or 1
    return first, step, (max(values) - first) // step + 1
