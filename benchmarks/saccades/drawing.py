"""Error against MACs and against milliseconds, one column a task; a line joins the frontier of validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from clock import BATCHES, milliseconds
from jobs import finished
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from results import Row, chosen, is_dense, is_learned, is_mixed, rows, shown, side_of

#: Where a panel's names do not fit beside their marks: what is drawn is the ladder, the learned glance, and its bound.
DRAWN = (":learned", ":oracle")
WIDTH, HEIGHT = 4.4, 3.4  # inches of a panel, about
SIZE = 7  # points
PLACES = ((5, 3, "left"), (5, -9, "left"), (-5, 3, "right"), (-5, -9, "right"), (5, 11, "left"), (5, -17, "left"))


def draw(out: Path, path: Path, *, batches: Sequence[int] = BATCHES, threads: int = 1) -> None:
    """Raises ValueError where nothing has been trained."""
    found = [row for row in rows(finished(out).values()) if _drawn(row.model)]
    tasks = sorted({row.task for row in found}, key=side_of)
    if not tasks:
        raise ValueError(f"{out / 'models.jsonl'}: no trained classifier in it, expected some; train first")
    times = milliseconds(out)
    size = (1 + 5 * len(tasks), 4 * (1 + len(batches)))
    figure, axes = plt.subplots(1 + len(batches), len(tasks), figsize=size, layout="constrained", squeeze=False)
    for place, task in enumerate(tasks):
        of_task = [row for row in found if row.task == task]
        _panel(axes[0][place], of_task, [row.macs / 1e6 for row in of_task])
        axes[0][place].set(title=task, xlabel="million MACs")
        for below, batch in enumerate(batches, start=1):
            timed = [row for row in of_task if (task, row.model, batch, threads) in times]
            _panel(axes[below][place], timed, [times[task, row.model, batch, threads] for row in timed])
            axes[below][place].set(xlabel=f"ms an image, batch {batch}, {threads} thread" + "s" * (threads > 1))
    for row_of_axes in axes:
        row_of_axes[0].set_ylabel("test error, %")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Axes, found: list[Row], costs: list[float]) -> None:
    if not found:
        axes.text(0.5, 0.5, "not timed", ha="center", va="center", transform=axes.transAxes, color="0.5")
        axes.set(xticks=[], yticks=[])
        return
    front = chosen((cost, row) for row, cost in zip(found, costs, strict=True) if is_dense(row.model))
    axes.step([p.cost for p in front], [100 * p.error for p in front], where="post", color="0.75", zorder=0)
    for kind, marker in (("ladder", "o"), ("saccade", "*"), ("told where", "P")):
        some = [(cost, row) for row, cost in zip(found, costs, strict=True) if _kind(row.model) == kind]
        errors = [100 * row.mean() for _, row in some]
        axes.scatter([cost for cost, _ in some], errors, marker=marker, s=24 + 60 * (kind != "ladder"))
    axes.set(xscale="log", yscale="log" if all(row.mean() > 0 for row in found) else "linear")
    axes.margins(x=0.25, y=0.1)
    _name(axes, found, costs)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


def _name(axes: Axes, found: list[Row], costs: list[float]) -> None:
    """Names beside the marks, each where it covers no other name, if there is such a place."""
    steps = [row.steps for row in found]
    usual = max(steps, key=steps.count)
    taken: list[Bbox] = []
    for row, cost in zip(found, costs, strict=True):
        name = shown(row.model).removesuffix(", learned").replace(", oracle", ", told where")
        name += f", {row.steps:,} steps" * (row.steps != usual)
        at = (cost, 100 * row.mean())
        boxes = [_box(axes, at, place, name) for place in PLACES]
        free = (k for k, box in enumerate(boxes) if not any(box.overlaps(other) for other in taken))
        k = next(free, 0)
        taken.append(boxes[k])
        x, y, side = PLACES[k]
        axes.annotate(name, at, xytext=(x, y), textcoords="offset points", fontsize=SIZE, ha=side)


def _box(axes: Axes, at: tuple[float, float], place: tuple[int, int, str], name: str) -> Bbox:
    """Where a name would be, in points; its width is estimated."""
    x, y = axes.transLimits.transform(axes.transScale.transform(at)) * (72 * WIDTH, 72 * HEIGHT)
    width = 0.6 * SIZE * len(name)
    left = x + place[0] - width * (place[2] == "right")
    return Bbox.from_bounds(left, y + place[1], width, SIZE)


def _drawn(model: str) -> bool:
    return (is_dense(model) and not is_mixed(model)) or (model.startswith("saccade:") and model.endswith(DRAWN))


def _kind(model: str) -> str:
    return "ladder" if not model.startswith("saccade:") else "saccade" if is_learned(model) else "told where"
