"""What a cluttered canvas is: its side and its clutter, in integers. No torch here; `canvases` composes the pixels.

Cluttered translated MNIST: Mnih et al. 2014, "Recurrent models of visual attention", section 4.1: a digit in a random
place of a canvas, among 8x8 pieces of other digits; 4 pieces on 60x60 and 8 on 100x100 there. Other sides have them at
the density of 100x100.
"""

from __future__ import annotations

import re
from math import isqrt
from typing import Literal

import msgspec

from evonet.errors import DataError

SIDES = range(32, 2049)
DIGIT, PIECE, TILE = 28, 8, 7  # pixels: sides of a digit's frame, of a piece, of a tile
Clutter = Literal["pieces", "ink"]


class Canvas(msgspec.Struct, frozen=True, array_like=True):
    """A square canvas of `side` pixels that holds one digit among `count` pieces or distractors.

    pieces: 8x8 cut-outs of random digits in random places. Some are blank, because digits have margins.
    ink: distractors are whole digits whose sixteen 7x7 tiles are each turned by a quarter, left or right. Tile by tile
        they have the ink of a digit, and only structure tells them from one; at the edge ink may reach 6 pixels
        farther out. Each of them, and the digit, has a slot of the canvas to itself: the 28x28 frames never overlap.
    """

    side: int
    clutter: Clutter
    count: int

    @property
    def name(self) -> str:
        return f"clutter:{self.side}" + (":ink" if self.clutter == "ink" else "")

    @property
    def slots(self) -> int:
        """Rows and columns of the slots that frames lie in (ink): the fewest that leave a fifth of them free."""
        return _root(-(-5 * (self.count + 1) // 4))


def canvas_of(text: str) -> Canvas:
    """The canvas of `clutter:TEXT`, TEXT being SIDE or SIDE:ink.

    Raises:
        DataError: no such side, or no room for distractors.
    """
    found = re.fullmatch(r"([1-9]\d{1,3})(:ink)?", text, re.ASCII)
    if found is None or int(found[1]) not in SIDES:
        raise DataError(
            f"data 'clutter:{text}' is unknown, expected clutter:SIDE or clutter:SIDE:ink with SIDE in "
            f"{SIDES[0]}..{SIDES[-1]}."
        )
    return inked(int(found[1])) if found[2] else scattered(int(found[1]))


def scattered(side: int, pieces: int | None = None) -> Canvas:
    """A canvas with `pieces` pieces; None: those of the published densities."""
    return Canvas(side, "pieces", pieces_on(side) if pieces is None else pieces)


def inked(side: int, distractors: int | None = None) -> Canvas:
    """A canvas with `distractors` distractors of matched ink; None: one for every two pieces, at least two.

    Raises:
        DataError: the canvas has not that many slots of 28x28.
    """
    canvas = Canvas(side, "ink", max(2, pieces_on(side) // 2) if distractors is None else distractors)
    least = canvas.slots * DIGIT
    if least > side:
        raise DataError(
            f"data {canvas.name!r}: {canvas.count} distractors and a digit have slots of {DIGIT}x{DIGIT}, expected a "
            f"side of {least} or more."
        )
    return canvas


def pieces_on(side: int) -> int:
    """4 on 60, 8 on 100 as published; else 8e-4 a pixel, rounded: 52 on 256, 839 on 1024 (838.86)."""
    return 4 if side == 60 else (8 * side * side + 5000) // 10_000


def _root(n: int) -> int:
    """The square root of n, rounded up."""
    return isqrt(n - 1) + 1
