"""Wiring as a picture: which offsets a stage is wired at, its full mask, and how far its connections reach.

Like `evonet.report.figures` it draws without a display and without global state.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from evonet.files import write_whole
from evonet.plan import Plan, Stage, Tap
from evonet.plan.masks import mask
from evonet.plan.types import Tying
from evonet.report.expansion import by_distance, covers

LOCAL, LONG, DEAD, INK = "#2b6cb0", "#dd6b20", "#cbd5e0", "#1a202c"
LARGEST = 2**26  # cells of a mask that is computed in full; above, one channel pair stands for all
PIXELS = 360  # side of the mask's picture

Array = NDArray[Any]


class Picture(Figure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def draw_expansion(plan: Plan, path: Path, *, weights: Sequence[Array] | None = None, title: str = "") -> None:
    """Write `expansion_figure` as a PNG."""
    buffer = io.BytesIO()
    expansion_figure(plan, weights=weights, title=title).savefig(buffer, format="png")
    write_whole(Path(path), buffer.getvalue())


def expansion_figure(plan: Plan, *, weights: Sequence[Array] | None = None, title: str = "") -> Picture:
    """One row per stage: its taps, its mask, a histogram of its connections by distance.

    Args:
        weights: one array per plan tensor; taps are then coloured by their mean absolute weight, else local and
            long ones have a colour each.
        title: put before the costs.
    """
    stages = plan.stages
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.09)
    figure = Picture(figsize=(9.6, 3.0 * len(stages) + 0.6), dpi=110, facecolor="white", layout=layout)
    costs = plan.costs
    text = f"{costs.weights:,} weights, {costs.connections:,} connections, {costs.macs:,} MACs"
    figure.suptitle(f"{title}: {text}" if title else text, fontsize=12, color=INK)
    rows = figure.subplots(len(stages), 3, squeeze=False, width_ratios=(1, 1, 1.1))
    for axes, stage in zip(rows, stages, strict=True):
        _draw_taps(axes[0], stage, None if weights is None or stage.weight is None else weights[stage.weight])
        _draw_mask(axes[1], stage)
        _draw_distances(axes[2], stage)
    return figure


def _draw_taps(axes: Axes, stage: Stage, weight: Array | None) -> None:
    """Offsets around the target position, which is marked; taps that expression switched off are grey."""
    _frame(axes, [(0, 0), *stage.all_taps, *stage.taps])
    for dy, dx in set(stage.all_taps) - set(stage.taps):
        axes.add_patch(Rectangle((dx - 0.45, dy - 0.45), 0.9, 0.9, facecolor=DEAD, edgecolor="none"))
    radius = _radius(stage)
    for (dy, dx), alpha in zip(stage.taps, _strength(stage, weight), strict=True):
        colour = LOCAL if max(abs(dy), abs(dx)) <= radius else LONG
        alpha = 0.12 + 0.88 * float(alpha)
        axes.add_patch(Rectangle((dx - 0.45, dy - 0.45), 0.9, 0.9, facecolor=colour, alpha=alpha, edgecolor="none"))
    axes.plot(0, 0, marker="+", color=INK, markersize=7, markeredgewidth=1.4)
    counts = f"{_count(len(stage.taps), 'tap')} of the whole source"
    if not covers(stage):
        side = 2 * radius + 1
        box = Rectangle((-side / 2, -side / 2), side, side, fill=False, edgecolor=INK, linewidth=0.8, linestyle=":")
        axes.add_patch(box)
        local = sum(max(abs(dy), abs(dx)) <= radius for dy, dx in stage.taps)
        counts = f"{_count(local, 'local tap')}, {len(stage.taps) - local} long"
    _label(axes, "\n".join(filter(None, (stage.name, counts, _rest(stage)))), "dx", "dy")


def _radius(stage: Stage) -> int:
    """What counts as local; everything where the taps are places of the whole source."""
    return max(stage.source[1:]) if covers(stage) else stage.local


def _frame(axes: Axes, taps: Sequence[Tap]) -> None:
    """A square that holds all taps, with the position in its middle unless they all lie to one side."""
    low, high = min(map(min, taps)), max(map(max, taps))
    side = max(4, -low, high)
    first, last = (-1, side) if low == 0 < high else (-side, side)
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.set_ylim(last + 0.5, first - 0.5)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _strength(stage: Stage, weight: Array | None) -> Array:
    """The mean absolute weight of every tap, the largest 1; where there are no weights, 1."""
    if weight is None:
        return np.ones(len(stage.taps))
    own = np.abs(weight).reshape(-1, len(stage.own_taps)).mean(0)
    if stage.tying is not None:
        places = np.array(stage.tying.taps)
        own = np.where(places >= 0, own[places], 0).mean(0)
    strength: Array = own / max(float(own.max()), 1e-12)
    return strength


def _rest(stage: Stage) -> str:
    """What the taps alone do not show, in words."""
    words = [
        "wrapped" if stage.wrap else "",
        "whole kernels only" if stage.shift != (0, 0) else "",
        "" if stage.tiles == (1, 1) else f"{_size(stage.tiles)} tiles",
        f"{len(stage.own_taps)} stored" if stage.tying else "",
        "borrowed weights" if stage.lender is not None else "",
    ]
    return ", ".join(filter(None, words))


def _draw_mask(axes: Axes, stage: Stage) -> None:
    """The boolean matrix, down-sampled to a density where it is larger than its picture."""
    shown, scope = stage, ""
    if _cells(stage) > LARGEST:
        scope, shown = ", one channel pair", _one_pair(stage)
    size = f"{_neurons(stage.target):,} x {_neurons(stage.source):,}"
    mixing = stage.mixing if stage.mixing != "grouped" else f"{stage.groups} groups"
    text = f"mask {size}{scope}\n{_size(stage.source)} to {_size(stage.target)}, {mixing}"
    _label(axes, text, "source neuron", "target neuron")
    if _cells(shown) > LARGEST:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "too large to draw", ha="center", va="center", transform=axes.transAxes, color=INK)
        return
    density = _density(mask(shown))
    extent = (0, _neurons(shown.source), _neurons(shown.target), 0)
    colours = ListedColormap(np.linspace([1, 1, 1], [0.10, 0.13, 0.17], 256))
    norm = PowerNorm(0.45, vmin=0, vmax=max(float(density.max()), 1e-12))  # one connection in a block must stay visible
    for shape, line in ((shown.target, axes.axhline), (shown.source, axes.axvline)):
        if shape[1] * shape[2] > 1:
            for channel in range(1, shape[0]):
                line(channel * shape[1] * shape[2], color=DEAD, linewidth=0.5)
    axes.imshow(density, cmap=colours, norm=norm, extent=extent, aspect="auto", interpolation="nearest")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _one_pair(stage: Stage) -> Stage:
    """The first target channel and one of its inputs."""
    tying = stage.tying and Tying(taps=stage.tying.taps[:1], signs=stage.tying.signs[:1])
    return msgspec.structs.replace(
        stage,
        source=(1, *stage.source[1:]),
        target=(1, *stage.target[1:]),
        groups=1,
        reads=(0,) * bool(stage.reads),
        tying=tying,
    )


def _density(matrix: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The share of ones per block; at most PIXELS blocks a side."""
    rows, columns = (np.linspace(0, n, min(n, PIXELS) + 1).astype(int) for n in matrix.shape)
    sums = np.add.reduceat(matrix, rows[:-1], axis=0, dtype=np.int32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1, dtype=np.int32)
    density: NDArray[np.float32] = (sums / (np.diff(rows)[:, None] * np.diff(columns))).astype(np.float32)
    return density


def _draw_distances(axes: Axes, stage: Stage) -> None:
    """Connections by the Chebyshev distance of their tap, local and long ones in two colours."""
    counts = by_distance(stage)
    radius = _radius(stage)
    colours = [LOCAL if distance <= radius else LONG for distance in counts]
    axes.bar(list(counts), list(counts.values()), color=colours, width=0.8)
    axes.set_xlim(-0.6, max(4, *counts) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    total = sum(counts.values())
    long = sum(count for distance, count in counts.items() if distance > radius)
    share = "from the whole source" if covers(stage) else f"{long / max(total, 1):.0%} beyond the local radius"
    _label(axes, f"{_count(total, 'connection')}\n{share}", "distance", "connections")


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=7, colors=INK)


def _neurons(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def _cells(stage: Stage) -> int:
    return _neurons(stage.source) * _neurons(stage.target)


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" + ("" if n == 1 else "s")
