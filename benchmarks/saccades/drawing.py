"""Error against MACs and against milliseconds, one panel a task; a line joins the frontier of validation."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from clock import milliseconds
from jobs import finished
from matplotlib.axes import Axes
from results import Point, Row, chosen, is_dense, is_mixed, rows, side_of


def draw(out: Path, path: Path, *, batch: int = 1, threads: int = 1) -> None:
    """Raises ValueError where nothing has been trained."""
    found = [
        row for row in rows(finished(out).values()) if not (row.model.startswith("glance-") or is_mixed(row.model))
    ]
    tasks = sorted({row.task for row in found}, key=side_of)
    if not tasks:
        raise ValueError(f"{out / 'models.jsonl'}: no trained classifier in it, expected some; train first")
    times = milliseconds(out)
    grid = plt.subplots(2, len(tasks), figsize=(1 + 4 * len(tasks), 7), layout="constrained", squeeze=False)
    figure, axes = grid
    for place, task in enumerate(tasks):
        of_task = [row for row in found if row.task == task]
        _panel(axes[0][place], of_task, [row.macs / 1e6 for row in of_task])
        axes[0][place].set(title=task, xlabel="million MACs")
        timed = [row for row in of_task if (task, row.model, batch, threads) in times]
        _panel(axes[1][place], timed, [times[task, row.model, batch, threads] for row in timed])
        axes[1][place].set(xlabel=f"ms an image, batch {batch}, {threads} thread" + "s" * (threads > 1))
    for row_of_axes in axes:
        row_of_axes[0].set_ylabel("test error, %")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Axes, found: list[Row], costs: list[float]) -> None:
    points = [Point(cost, 100 * row.mean(), row.model) for row, cost in zip(found, costs, strict=True)]
    front = chosen((cost, row) for row, cost in zip(found, costs, strict=True) if is_dense(row.model))
    axes.step([p.cost for p in front], [p.error for p in front], where="post", color="0.7", zorder=0)
    for kind, marker in (("ladder", "o"), ("with boxes", "^"), ("saccade", "*")):
        some = [p for p in points if _kind(p.model) == kind]
        axes.scatter([p.cost for p in some], [p.error for p in some], marker=marker, s=24 + 60 * (kind == "saccade"))
        for p in some:
            name = p.model.rpartition("/")[2]
            axes.annotate(name, (p.cost, p.error), xytext=(4, 3), textcoords="offset points", fontsize=6)
    if points:
        axes.set(xscale="log", yscale="log" if min(p.error for p in points) > 0 else "linear")
    axes.grid(alpha=0.3)


def _kind(model: str) -> str:
    return "saccade" if model.startswith("saccade:") else "with boxes" if "@" in model else "ladder"
