"""Which computation replaces the masked matrix: a pure choice over integers, so that timing never changes a result.

Taps are split into parts that are summed: convolutions over a regular grid of offsets (dilated where the grid is), and
gathers (shifted slices) for what no small grid holds. The cost table is in tenths of one convolution tap.
"""

from math import gcd

import msgspec

from evonet.plan.types import Stage, Tap


class CostTable(msgspec.Struct, frozen=True, kw_only=True):
    """Relative time per target position, in tenths of one convolution tap (measured, CPU, one thread)."""

    call: int = 20
    tap: int = 10
    dilated_tap: int = 12
    gather_tap: int = 60


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
    """Shifted slices, one per tap of `index`."""

    index: tuple[int, ...]


Lowering = tuple[ConvPart | GatherPart, ...]


def choose(stage: Stage, table: CostTable | None = None) -> Lowering:
    """The cheapest of: one convolution; local and long taps apart; everything gathered."""
    table = table or CostTable()
    near = tuple(i for i, tap in enumerate(stage.taps) if max(map(abs, tap)) <= stage.local)
    far = tuple(i for i, tap in enumerate(stage.taps) if max(map(abs, tap)) > stage.local)
    options: list[Lowering] = [_single(stage, near + far, table)]
    if near and far:
        options.append(_single(stage, near, table) + _single(stage, far, table))
    return min(options, key=lambda parts: sum(_cost(part, table) for part in parts))


def _single(stage: Stage, index: tuple[int, ...], table: CostTable) -> Lowering:
    index = tuple(sorted(index))
    conv, gather = _grid(stage, index), GatherPart(index=index)
    return (conv,) if _cost(conv, table) <= _cost(gather, table) else (gather,)


def _cost(part: ConvPart | GatherPart, table: CostTable) -> int:
    if isinstance(part, GatherPart):
        return table.call + table.gather_tap * len(part.index)
    tap = table.tap if part.dilation == (1, 1) else table.dilated_tap
    return table.call + tap * part.kernel[0] * part.kernel[1]


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
