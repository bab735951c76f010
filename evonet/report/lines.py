"""The line of an individual as a figure: its births from the founder down, and what each changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evonet.report.ancestry import Ancestry, Birth
from evonet.report.pictures import INK, LOCAL, LONG

SOFT = "#5a636e"
WORDS = 76  # characters of a birth's edits
ROWS = 40  # births of a line that are drawn; of a longer one the last


def lineage_figure(found: Ancestry, make: Callable[[float, float], Figure]) -> Figure:
    """`make` gives an empty figure of so many inches in width and height."""
    births = found.births[-ROWS:]
    figure = make(7.0, 0.75 + 0.36 * (len(births) + 1))
    tree, *rest = figure.subplots(1, 3, sharey=True, width_ratios=(3.2, 1, 1))
    _tree(tree, found, births)
    _changes(rest[0], births, "accuracy", "change of accuracy (points)", 100.0)
    _changes(rest[1], births, "bytes", "change of bytes", 1.0)
    tree.set_ylim(len(births) + 0.6, -0.6)
    return figure


def _tree(axes: Axes, found: Ancestry, births: Sequence[Birth]) -> None:
    last = len(births)
    axes.plot([0] * (last + 1), range(last + 1), color=LOCAL, linewidth=1.6, marker="o", markersize=5, zorder=3)
    first = f"#{found.founder.id}  {found.founder.operator or found.founder.kind}"
    if len(births) < len(found.births):
        first = f"#{births[0].parents[0]}  after {len(found.births) - last} earlier births from #{found.founder.id}"
    axes.text(0.35, 0, first, va="center", fontsize=8)
    for place, birth in enumerate(births, 1):
        others = birth.parents[1:]
        if others:
            axes.plot([-0.55, 0], [place - 0.5, place], color=LONG, linewidth=1.0, linestyle="--", zorder=2)
            axes.plot(-0.55, place - 0.5, marker="s", markersize=4, color=LONG, zorder=3)
            told = " ".join(f"#{p}" for p in others)
            axes.text(-0.8, place - 0.5, told, ha="right", va="center", fontsize=7, color=SOFT)
        name = f"#{birth.id}  {birth.operator.replace('+', ' + ')}"
        axes.text(0.35, place - 0.04, name, va="center", fontsize=8)
        axes.text(0.35, place + 0.36, _edits(birth), va="center", fontsize=6, color=SOFT)
    axes.set_xlim(-1.8, 8.5)
    axes.axis("off")


def _edits(birth: Birth) -> str:
    """The edits of a birth in one line, cut to what there is room for."""
    words = "; ".join(re.sub(r" \(gene [^)]*\)", "", line) for step in birth.steps for line in step.words)
    words = words or "no edit that was not undone later"
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"


def _changes(axes: Axes, births: Sequence[Birth], name: str, label: str, scale: float) -> None:
    """A bar a birth; outlined where parent and child do not compare."""
    axes.axvline(0, color=INK, linewidth=0.6)
    for place, birth in enumerate(births, 1):
        if birth.change is None:
            continue
        value = scale * getattr(birth.change, name)
        better = value >= 0 if name == "accuracy" else value <= 0
        colour, whole = (LOCAL if better else LONG), not birth.change.reason
        axes.barh(place, value, height=0.5, facecolor=colour if whole else "none", edgecolor=colour, linewidth=0.9)
        text = f"{value:+,.1f}" if name == "accuracy" else f"{value:+,.0f}"
        axes.annotate(text, (value, place), xytext=(3 if value >= 0 else -3, 0), textcoords="offset points",
                      ha="left" if value >= 0 else "right", va="center", fontsize=7)  # fmt: skip
    axes.margins(x=0.45)
    axes.set_xlabel(label, fontsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.spines[["left"]].set_visible(False)
    axes.tick_params(left=False)
