"""Figures of a run for papers: its front, the line of an individual, its generations, an individual's masks.

Drawn without a display or global state. Blue and orange are told apart by every eye, and neither says anything alone:
in grey a dash, a marker or a number says the same. A file is the same for the same run: text stays text, undated.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from evonet.errors import ConfigError, PackageError, StoreError
from evonet.evolution.front import front as front_of
from evonet.evolution.settings import ScoreSettings
from evonet.files import write_whole
from evonet.package import unpack
from evonet.plan import expand
from evonet.plugins import near
from evonet.report.ancestry import ancestry
from evonet.report.columns import Columns, individuals
from evonet.report.lines import lineage_figure
from evonet.report.pictures import INK, LOCAL, LONG, Picture, expansion_figure
from evonet.report.tables import best_of, config_of
from evonet.store import Run

Kind = Literal["front", "lineage", "masks", "generations"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMATS = ("svg", "png", "pdf")
MEASURES = (
    *("accuracy", "loss", "score", "bytes", "macs", "weights", "nonzero", "connections", "long_share", "seen"),
    *("corrupted_accuracy", "corrupted_loss", "milliseconds", "single_ms", "batched_ms"),
)
PALE = "#a9c3e0"
_MORE = ("accuracy", "score", "corrupted_accuracy")  # more is better
_SHARES = ("accuracy", "long_share", "corrupted_accuracy")
_LOGARITHMIC = ("bytes", "macs", "weights", "nonzero", "connections", "seen", "milliseconds", "single_ms", "batched_ms")
_UNITS = {
    "accuracy": "validation accuracy (%)",
    "loss": "validation loss (bits per label)",
    "bytes": "bytes of the file",
    "macs": "multiply-adds per image",
    "long_share": "long share (%)",
    "seen": "training examples seen",
    "corrupted_accuracy": "validation accuracy under corruptions (%)",
    "corrupted_loss": "validation loss under corruptions (bits per label)",
    "milliseconds": "predicted milliseconds per image",
    "single_ms": "milliseconds per image, one at a time",
    "batched_ms": "milliseconds per image, 64 at a time",
}
_STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "evonet",
    "pdf.fonttype": 42,
    "axes.unicode_minus": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}


def draw(run: Run, kind: Kind, *, id: int | None = None, x: str = "bytes", y: str = "accuracy") -> Figure:
    """A figure of the run.

    Args:
        id: of "lineage" and "masks": whose, else the best; in "front" it is marked.
        x, y: the measures of "front", among `MEASURES`.

    Raises:
        ConfigError: there is no such kind or measure.
        StoreError: there is no such individual, or nothing that could be drawn.
    """
    if kind not in KINDS:
        raise ConfigError(f"plot {kind!r}: {near(str(kind), KINDS)}expected one of {', '.join(KINDS)}.")
    if kind == "masks":
        return _masks(run, _chosen(run, id))
    with rc_context(_STYLE):
        if kind == "front":
            return _front(run, x, y, id)
        return _generations(run) if kind == "generations" else lineage_figure(ancestry(run, _chosen(run, id)), _figure)


def save(figure: Figure, path: Path) -> None:
    """Write the figure whole, in the form that the file's name ends in; raises as `check_format`."""
    write_whole(path, render(figure, check_format(path)))


def check_format(path: Path) -> str:
    """The form that a file's name ends in. Raises ConfigError for one that is not known."""
    form = path.suffix.lower().lstrip(".")
    if form not in FORMATS:
        raise ConfigError(f"{path}: expected a file name that ends in {', '.join(f'.{f}' for f in FORMATS)}.")
    return form


def render(figure: Figure, form: str) -> bytes:
    """The bytes of a file; equal for equal figures."""
    undated: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format=form, dpi=200, metadata=undated[form], facecolor="white")
    return buffer.getvalue()


# --- the front --------------------------------------------------------------------------------------------------------


def _front(run: Run, x: str, y: str, id: int | None) -> Figure:
    for name in (x, y):
        if name not in MEASURES:
            raise ConfigError(f"plot front: {name!r}, {near(name, MEASURES)}expected one of {', '.join(MEASURES)}.")
    columns = individuals(run, config_of(run).score)
    a, b = (_scaled(columns, name) for name in (x, y))
    if id is not None:
        run.individual(id)  # raises where there is none
    there = np.flatnonzero(~np.isnan(a) & ~np.isnan(b) & (a > 0 if x in _LOGARITHMIC else True))
    _expect(run, int((~np.isnan(columns["score"])).sum()))
    for name, values in ((x, a), (y, b)):
        if np.isnan(values).all():
            raise StoreError(f"{run.path}: {name} was not measured in this run; its section [score] can ask for it.")
    _expect(run, len(there))
    figure = _figure(4.4, 3.2)
    axes = figure.subplots()
    generation = columns["generation"][there]
    dots = axes.scatter(
        a[there],
        b[there],
        c=generation,
        cmap="cividis_r",
        s=9 if len(there) < 2000 else 3,
        linewidths=0,
        alpha=0.75,
        zorder=2,
        rasterized=len(there) > 5000,
    )
    best = _best(a, b, there, (x in _MORE, y in _MORE))
    axes.plot(a[best], b[best], color=LONG, linewidth=1.1, marker="o", markersize=4.5, markeredgecolor="white",
              markeredgewidth=0.6, drawstyle=_steps(x in _MORE), zorder=3, label="none is better in both")  # fmt: skip
    if id is not None and id in there:
        axes.plot(a[id], b[id], marker="D", markersize=7, markerfacecolor="none", markeredgecolor=INK, zorder=4)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
        axes.annotate(
            f"#{id}", (a[id], b[id]), xytext=(-7, 5), textcoords="offset points", fontsize=7, ha="right", bbox=box
        )
    _axis(axes.xaxis, axes.set_xscale, x)
    _axis(axes.yaxis, axes.set_yscale, y, log=False)
    axes.grid(color="#e6e9ed", linewidth=0.5, zorder=0)
    axes.legend(loc="lower right" if y in _MORE else "upper right", frameon=False, fontsize=7)
    bar = figure.colorbar(dots, ax=axes, pad=0.02, aspect=30)
    bar.set_label("generation")
    bar.ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar.outline.set_visible(False)
    return figure


def _best(a: NDArray[Any], b: NDArray[Any], there: NDArray[Any], more: tuple[bool, bool]) -> list[int]:
    """Who is not dominated, by x."""
    signs = [1.0 if one else -1.0 for one in more]
    found = front_of(there.tolist(), lambda i: (signs[0] * a[i], signs[1] * b[i]))
    return sorted(found, key=lambda i: (a[i], b[i]))


def _steps(more: bool) -> str:
    """What a staircase holds: the best y for at most, or at least, so much x."""
    return "steps-pre" if more else "steps-post"


def _scaled(columns: Columns, name: str) -> NDArray[Any]:
    return columns[name] * (100.0 if name in _SHARES else 1.0)


def _axis(axis: Any, scale: Callable[[str], None], name: str, log: bool = True) -> None:
    axis.set_label_text(_UNITS.get(name, name))
    if log and name in _LOGARITHMIC:
        scale("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


# --- the generations --------------------------------------------------------------------------------------------------


def _generations(run: Run) -> Figure:
    columns = individuals(run, config_of(run).score)
    _expect(run, int((~np.isnan(columns["score"])).sum()))
    figure = _figure(4.4, 4.2)
    above, below = figure.subplots(2, 1, sharex=True)
    _bands(above, columns, "score", best=np.nanmax)
    _bands(below, columns, "bytes", best=None)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    below.set_xlabel(f"generation (of {run.population} individuals)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _bands(axes: Axes, columns: Columns, name: str, best: Any) -> None:
    """Quantiles of a measure by generation: 10 to 90 %, 25 to 75 %, the median, and the best."""
    values, of = columns[name], columns["generation"]
    known = [g for g in range(int(of.max()) + 1) if not np.isnan(values[of == g]).all()]
    quantiles = np.array([np.nanquantile(values[of == g], (0.1, 0.25, 0.5, 0.75, 0.9)) for g in known])
    marker = "o" if len(known) < 30 else ""
    axes.fill_between(known, quantiles[:, 0], quantiles[:, 4], color=PALE, alpha=0.45, linewidth=0, label="10 to 90 %")
    axes.fill_between(known, quantiles[:, 1], quantiles[:, 3], color=PALE, linewidth=0, label="25 to 75 %")
    axes.plot(known, quantiles[:, 2], color=LOCAL, linewidth=1.4, marker=marker, markersize=3, label="median")
    tops = list(quantiles[:, 4])
    if best is not None:
        tops = [float(best(values[of == g])) for g in known]
        axes.plot(known, tops, color=LONG, linewidth=1.2, linestyle="--", marker=marker, markersize=3, label="best")
    _limits(axes, quantiles, tops)
    axes.grid(color="#e6e9ed", linewidth=0.5, zorder=0)
    axes.set_ylabel({"score": "score (greater is better)"}.get(name, _UNITS.get(name, name)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _limits(axes: Axes, quantiles: NDArray[Any], tops: Sequence[float]) -> None:
    """Room for all middle halves and the best; the lower tenths where they fit within three times that."""
    inner, high = float(quantiles[:, 1].min()), float(max(np.max(tops), quantiles[:, 4].max()))
    span = (high - inner) or max(abs(high), 1.0)
    low = max(float(quantiles[:, 0].min()), inner - span)
    axes.set_ylim(low - 0.06 * span, high + 0.08 * span)


# --- masks ------------------------------------------------------------------------------------------------------------


def _masks(run: Run, id: int) -> Figure:
    package = run.package(id)
    if package is None:
        raise StoreError(f"{run.path}: individual {id} was never scored, so it has no weights to draw.")
    try:
        held = unpack(package)
    except PackageError as error:
        raise PackageError(f"{run.path}: individual {id}: {error}") from None
    plan = expand(held.genome, input=held.input, classes=held.classes, expression=held.expression)
    return expansion_figure(plan, weights=[tensor.weights for tensor in held.tensors], title=f"#{id}")


# --- shared -----------------------------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Figure:
    """Inches, as wide as a column or a page of a paper."""
    return Picture(figsize=(width, height), facecolor="white", layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05))


def _expect(run: Run, count: int) -> None:
    if not count:
        raise StoreError(f"{run.path}: no individual has been scored yet, so there is nothing to draw.")


def _chosen(run: Run, id: int | None) -> int:
    if id is not None:
        return id
    settings: ScoreSettings = config_of(run).score
    best = best_of(run, settings)
    _expect(run, best is not None)
    return best.id if best else 0
