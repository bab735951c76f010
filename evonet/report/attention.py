"""Where a network looked, as a picture: the image, the map of its cells, what it read, and its path.

The picture shows which evidence an answer used. It does not show why these cells were chosen.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from evonet.files import write_whole
from evonet.genome.genes import SaccadeForm
from evonet.report.pictures import INK, Picture

#: Of classes 1, 2, ...: blue, red, and so on, told apart by every eye (Tol 2021, "Colour schemes", vibrant). A class
#: has a hatch of its own too, so that a print in grey says the same.
COLOURS = ("#0077bb", "#cc3311", "#009988", "#ee7733", "#33bbee", "#ee3377")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")  # one fewer than colours: 30 pairs
NONE = "#a0aec0"  # cells that were not looked at
UNREAD = "#b3c0d1"  # bluish, so that it is no grey of a grey image
BOX, PATH = "#f0e442", "#1a202c"
PER_LINE = 6  # numbers under a panel
PANEL, DPI, DENSEST = 3.3, 110, 400  # inches, dots per inch, and the most of them

Array = NDArray[Any]
Window = tuple[int, int, int, int]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a cell."""

    number: int  # from 1: by time, at equal times by weight
    fixation: int  # from 1, may be several looks; 0 where all looks are at once
    kind: int  # class 1..K: which motif of each sheet of the eye
    cell: tuple[int, int]  # row and column in the grid
    window: Window  # pixels it could read: y0, x0, y1, x1, half open, cut off at the image
    weight: float  # sums to one in each fixation: in the mean of a set; in a grid it only ranks


class Attended(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer for one image rests on."""

    data: str
    split: str
    index: int  # in the split
    label: int
    answer: int
    probability: float  # of the answer
    form: SaccadeForm
    alone: bool  # whether nothing of the image but what was read reaches the answer, once the cells are chosen
    fixations: int  # used; 0: all looks at once
    cell: int  # side of a cell in pixels
    grid: tuple[int, int]  # rows, columns
    cells: int  # looked at
    pixels: float  # share of the image that was read, in [0, 1]
    macs: int  # multiply-adds for one image, by the plan; with fixations, of as many as the genome allows
    looks: tuple[Look, ...]  # by number
    probabilities: tuple[float, ...]  # of the answer, after each fixation; one where all looks are at once
    classes: tuple[str, ...]  # what the looks of class 1, 2, ... are
    box: Window | None  # of the object, where the data know it


def read_mask(attended: Attended, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of an image (height, width) any look could read."""
    mask = np.zeros(shape, bool)
    for look in attended.looks:
        y0, x0, y1, x1 = look.window
        mask[y0:y1, x0:x1] = True
    return mask


def as_read(image: Array, mask: NDArray[np.bool_]) -> Array:
    """An image (C, H, W) in [0, 1] as RGB (H, W, 3), with everything that could not be read in one flat colour."""
    return np.where(mask[:, :, None], _rgb(image), to_rgb(UNREAD))


def cell_map(attended: Attended) -> NDArray[np.int64]:
    """The class of every cell (rows, columns), 0 where none was looked at."""
    kinds = np.zeros(attended.grid, np.int64)
    for look in attended.looks:
        kinds[look.cell] = look.kind
    return kinds


def draw_attention(shown: Sequence[tuple[Attended, Array]], path: Path, *, title: str = "") -> None:
    """Write `attention_figure` as a PNG."""
    buffer = io.BytesIO()
    attention_figure(shown, title=title).savefig(buffer, format="png")
    write_whole(Path(path), buffer.getvalue())


def attention_figure(shown: Sequence[tuple[Attended, Array]], *, title: str = "") -> Picture:
    """One row of four panels per image (C, H, W) in [0, 1]: image, map of the cells, what was read, path."""
    rows, sides = len(shown), [side for _, image in shown for side in image.shape[1:]]
    dpi = min(DENSEST, max(DPI, int(max(sides) / PANEL) + 1))  # a dot for every pixel of the image, or more
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Picture(figsize=(4 * PANEL + 0.6, rows * (PANEL + 0.75) + 0.9), dpi=dpi, facecolor="white", layout=layout)
    figure.suptitle(title, fontsize=12, color=INK)
    for axes, (attended, image) in zip(figure.subplots(rows, 4, squeeze=False), shown, strict=True):
        for panel, draw in zip(axes, (_image, _map, _read, _path), strict=True):
            _frame(panel, image)
            draw(panel, attended, image)
    figure.legend(
        handles=_legend(shown), loc="outside lower center", ncols=4, fontsize=8, frameon=False, labelcolor=INK
    )
    return figure


def _image(axes: Axes, attended: Attended, image: Array) -> None:
    _show(axes, _rgb(image))
    if attended.box:
        y0, x0, y1, x1 = attended.box
        corner = (x0 - 0.5, y0 - 0.5)
        axes.add_patch(Rectangle(corner, x1 - x0, y1 - y0, fill=False, edgecolor=BOX, linewidth=1, linestyle="--"))
    where = f"{attended.data} {attended.split}, image {attended.index}"
    _label(axes, where, f"label {attended.label}" + (", its box dashed" if attended.box else ""))


def _map(axes: Axes, attended: Attended, image: Array) -> None:
    """The image, and over it the class of each cell; cells reach over the border where the sides are no multiples."""
    _show(axes, _rgb(image))
    palette = np.array([to_rgba(NONE, 0.45), *(to_rgba(_colour(k), 0.5) for k in range(1, len(attended.classes) + 1))])
    rows, columns = attended.grid
    side = attended.cell
    extent = (-0.5, columns * side - 0.5, rows * side - 0.5, -0.5)
    axes.imshow(palette[cell_map(attended)], extent=extent, interpolation="nearest")
    for look in attended.looks:
        corner = (look.cell[1] * side - 0.5, look.cell[0] * side - 0.5)
        colour, hatch = _colour(look.kind), HATCHES[(look.kind - 1) % len(HATCHES)]
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, hatch=hatch, linewidth=1.2))
    _limits(axes, image)
    share = f"{attended.cells} of {rows * columns} cells of {side}x{side} pixels"
    _label(axes, "where it looked", share)


def _read(axes: Axes, attended: Attended, image: Array) -> None:
    _show(axes, as_read(image, read_mask(attended, (image.shape[1], image.shape[2]))))
    title = "all that it read" if attended.alone else "all that its looks read; the rest reaches it coarsely"
    _label(axes, title, f"{100 * attended.pixels:.1f} % of the pixels")


def _path(axes: Axes, attended: Attended, image: Array) -> None:
    """Numbers at the middles of the cells, by fixation or, of looks all at once, by weight."""
    _show(axes, 0.35 + 0.5 * _rgb(image))
    for (x0, y0), (x1, y1) in pairwise(_stations(attended)):
        axes.plot([x0, x1], [y0, y1], color=PATH, linewidth=1.4, zorder=3)
    cells = max(image.shape[1:]) / attended.cell  # along a panel
    size = float(np.clip(0.6 * 72 * PANEL / cells, 4.5, 9))  # points: as the cell allows, but legible
    outline = [withStroke(linewidth=0.24 * size, foreground="white")]
    for look in attended.looks:
        x, y = _centre(attended, look)
        axes.plot(x, y, marker="o", markersize=1.55 * size, color=_colour(look.kind), markeredgecolor="white", zorder=4)
        axes.text(
            x, y, str(look.fixation or look.number), ha="center", va="center_baseline", fontsize=size, color=INK,
            weight="bold", path_effects=outline, zorder=5,
        )  # fmt: skip
    _limits(axes, image)
    order = "in the order of its looks" if attended.fixations else "looks by weight"
    _label(axes, f"answer {attended.answer}: {100 * attended.probability:.1f} %, {order}", _after(attended))


def _centre(attended: Attended, look: Look) -> tuple[float, float]:
    """x, y in pixels."""
    return (look.cell[1] + 0.5) * attended.cell - 0.5, (look.cell[0] + 0.5) * attended.cell - 0.5


def _stations(attended: Attended) -> list[tuple[float, float]]:
    """Where each fixation was, the weighted mean of its cells; none where all looks are at once."""
    found = []
    for fixation in range(1, attended.fixations + 1):
        looks = [look for look in attended.looks if look.fixation == fixation]
        centres = np.array([_centre(attended, look) for look in looks])
        x, y = np.average(centres, axis=0, weights=[look.weight for look in looks])
        found.append((float(x), float(y)))
    return found


def _after(attended: Attended) -> str:
    """The answer's probability after each fixation; else the weights of the heaviest looks of a set."""
    if attended.fixations:
        values = [f"{n}: {p:.2f}" for n, p in enumerate(attended.probabilities, 1)]
        lines = ["  ".join(values[at : at + PER_LINE]) for at in range(0, len(values), PER_LINE)]
        return f"p({attended.answer}) after  " + "\n".join(lines)
    if attended.form == "conv":
        return "as the glance ranks them"
    return "weights  " + "  ".join(f"{look.number}: {look.weight:.2f}" for look in attended.looks[:PER_LINE])


def _legend(shown: Sequence[tuple[Attended, Array]]) -> list[Patch]:
    names = max((attended.classes for attended, _ in shown), key=len)
    classes = [
        Patch(
            facecolor=to_rgba(_colour(k), 0.5), edgecolor=_colour(k), hatch=HATCHES[(k - 1) % len(HATCHES)], label=name
        )
        for k, name in enumerate(names, 1)
    ]
    return [
        Patch(facecolor=to_rgba(NONE, 0.45), label="not looked at"),
        *classes,
        Patch(facecolor=UNREAD, label="not read"),
    ]


def _colour(kind: int) -> str:
    return COLOURS[(kind - 1) % len(COLOURS)]


def _rgb(image: Array) -> Array:
    """(C, H, W) as (H, W, 3): three channels are colours, any other number is shown as its mean."""
    planes = image if len(image) == 3 else np.repeat(image.mean(0, keepdims=True), 3, axis=0)
    return np.clip(planes.transpose(1, 2, 0), 0, 1)


def _show(axes: Axes, picture: Array) -> None:
    axes.imshow(picture, interpolation="nearest")


def _frame(axes: Axes, image: Array) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(NONE)
    _limits(axes, image)


def _limits(axes: Axes, image: Array) -> None:
    axes.set_xlim(-0.5, image.shape[2] - 0.5)
    axes.set_ylim(image.shape[1] - 0.5, -0.5)


def _label(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(below, fontsize=8, color=INK)
