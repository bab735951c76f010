"""Wiring as a picture: which offsets a stage is wired at, its full mask, and how far its connections reach.

The only module that imports matplotlib; it draws with the Agg canvas and no global state.
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
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evonet.files import write_whole
from evonet.plan import Plan, Stage
from evonet.plan.costs import connections
from evonet.plan.masks import mask

LOCAL, LONG, DEAD, INK = "#2b6cb0", "#dd6b20", "#cbd5e0", "#1a202c"
LARGEST = 2**26  # cells of a mask that is computed in full; above, one channel pair stands for all
PIXELS = 360  # side of the mask's picture

Array = NDArray[Any]


def draw_expansion(plan: Plan, path: Path, *, weights: Sequence[Array] | None = None, title: str = "") -> None:
    """Write a PNG with one row per stage: its taps, its mask, a histogram of its connections by distance.

    Args:
        weights: one array per plan tensor; taps are then coloured by their mean absolute weight, else local and
            long ones have a colour each.
        title: put before the costs.
    """
    stages = plan.stages
    figure = Figure(figsize=(9.6, 3.0 * len(stages) + 0.6), dpi=110, facecolor="white", layout="constrained")
    costs = plan.costs
    text = f"{costs.weights:,} weights, {costs.connections:,} connections, {costs.macs:,} MACs"
    figure.suptitle(f"{title}: {text}" if title else text, fontsize=12, color=INK)
    rows = figure.subplots(len(stages), 3, squeeze=False, width_ratios=(1, 1, 1.1))
    for axes, stage in zip(rows, stages, strict=True):
        _draw_taps(axes[0], stage, None if weights is None or stage.weight is None else weights[stage.weight])
        _draw_mask(axes[1], stage)
        _draw_distances(axes[2], stage)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_whole(Path(path), buffer.getvalue())


def _draw_taps(axes: Axes, stage: Stage, weight: Array | None) -> None:
    """Offsets around the target position, which is marked; taps that expression switched off are grey."""
    reach = max(4, max(max(abs(dy), abs(dx)) for dy, dx in stage.all_taps))
    axes.set_xlim(-reach - 0.5, reach + 0.5)
    axes.set_ylim(reach + 0.5, -reach - 0.5)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    strength = np.ones(len(stage.taps)) if weight is None else np.abs(weight).reshape(-1, len(stage.taps)).mean(0)
    strength = strength / max(float(strength.max()), 1e-12)
    for dy, dx in set(stage.all_taps) - set(stage.taps):
        axes.add_patch(Rectangle((dx - 0.45, dy - 0.45), 0.9, 0.9, facecolor=DEAD, edgecolor="none"))
    for (dy, dx), alpha in zip(stage.taps, strength, strict=True):
        colour = LOCAL if max(abs(dy), abs(dx)) <= stage.local else LONG
        alpha = 0.12 + 0.88 * float(alpha)
        axes.add_patch(Rectangle((dx - 0.45, dy - 0.45), 0.9, 0.9, facecolor=colour, alpha=alpha, edgecolor="none"))
    side = 2 * stage.local + 1
    axes.add_patch(
        Rectangle((-side / 2, -side / 2), side, side, fill=False, edgecolor=INK, linewidth=0.8, linestyle=":")
    )
    axes.plot(0, 0, marker="+", color=INK, markersize=7, markeredgewidth=1.4)
    local = sum(max(abs(dy), abs(dx)) <= stage.local for dy, dx in stage.taps)
    _label(axes, f"{stage.name}\n{_count(local, 'local tap')}, {len(stage.taps) - local} long", "dx", "dy")


def _draw_mask(axes: Axes, stage: Stage) -> None:
    """The boolean matrix, down-sampled to a density where it is larger than its picture."""
    shown, scope = stage, ""
    if _cells(stage) > LARGEST:
        scope = ", one channel pair"
        shown = msgspec.structs.replace(stage, source=(1, *stage.source[1:]), target=(1, *stage.target[1:]))
    size = f"{_neurons(stage.target):,} x {_neurons(stage.source):,}"
    text = f"mask {size}{scope}\n{_size(stage.source)} to {_size(stage.target)}, {stage.mixing}"
    _label(axes, text, "source neuron", "target neuron")
    if _cells(shown) > LARGEST:
        axes.text(0.5, 0.5, "too large to draw", ha="center", va="center", transform=axes.transAxes, color=INK)
        return
    density = _density(mask(shown))
    extent = (0, _neurons(shown.source), _neurons(shown.target), 0)
    colours = ListedColormap(np.linspace([1, 1, 1], [0.10, 0.13, 0.17], 256))
    norm = PowerNorm(0.45, vmin=0, vmax=max(float(density.max()), 1e-12))  # one connection in a block must stay visible
    for shape, line in ((shown.target, axes.axhline), (shown.source, axes.axvline)):
        for channel in range(1, shape[0]):
            line(channel * shape[1] * shape[2], color=DEAD, linewidth=0.5)
    axes.imshow(density, cmap=colours, norm=norm, extent=extent, aspect="auto", interpolation="nearest")


def _density(matrix: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The share of ones per block; at most PIXELS blocks a side."""
    rows, columns = (np.linspace(0, n, min(n, PIXELS) + 1).astype(int) for n in matrix.shape)
    sums = np.add.reduceat(matrix, rows[:-1], axis=0, dtype=np.int32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1, dtype=np.int32)
    density: NDArray[np.float32] = (sums / (np.diff(rows)[:, None] * np.diff(columns))).astype(np.float32)
    return density


def _draw_distances(axes: Axes, stage: Stage) -> None:
    """Connections by the Chebyshev distance of their tap, local and long ones in two colours."""
    by_distance: dict[int, list[tuple[int, int]]] = {}
    for tap in stage.taps:
        by_distance.setdefault(max(map(abs, tap)), []).append(tap)
    counts = {
        distance: connections(msgspec.structs.replace(stage, taps=tuple(taps)))
        for distance, taps in by_distance.items()
    }
    colours = [LOCAL if distance <= stage.local else LONG for distance in counts]
    axes.bar(list(counts), list(counts.values()), color=colours, width=0.8)
    axes.set_xlim(-0.6, max(4, *counts) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    total = sum(counts.values())
    long = sum(count for distance, count in counts.items() if distance > stage.local)
    _label(
        axes,
        f"{_count(total, 'connection')}\n{long / max(total, 1):.0%} beyond the local radius",
        "distance",
        "connections",
    )


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=7, colors=INK)


def _neurons(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def _cells(stage: Stage) -> int:
    return _neurons(stage.source) * _neurons(stage.target)


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" + ("" if n == 1 else "s")
