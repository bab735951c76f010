"""Canvases composed of digits, a batch at a time and wherever the digits are: nothing larger is ever stored.

A canvas is a function of (digits, its digit, its number, a key): all its draws are counters under a seed made of key
and number, so it does not depend on the batch it is composed in. Pixels meet by maximum, which is exact and knows no
order: the same bits on every machine and device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evonet.training.clutter import DIGIT, PIECE, TILE, Canvas
from evonet.training.draws import high, low, words

AT_ONCE = 2**20  # pixels pasted in one go: 40 bytes of working memory each

_PLACE, _CLUTTER = 0, 1  # what a canvas draws for: its digit's place, and the rest


class Scene(NamedTuple):
    """A batch of canvases. All on the device of the digits."""

    images: Tensor  # (B, 1, side, side) uint8
    labels: Tensor  # (B,) int64
    boxes: Tensor  # (B, 4) int64: y0, x0, y1, x1 of the digit's ink, y1 and x1 not included


class Paste(NamedTuple):
    """Squares to be put on canvases: P on each of B, `size` pixels wide."""

    size: int
    source: Tensor  # (B, P) index of the first pixel among the pixels of all digits
    target: Tensor  # (B, P) index of the first pixel among the pixels of one canvas
    turned: Tensor | None = None  # (B, P) bool: a quarter to the right where true, else to the left; None: as it is


def canvases(
    digits: Tensor,
    labels: Tensor,
    indices: Tensor,
    *,
    canvas: Canvas,
    key: int | Tensor,
    numbers: Tensor | None = None,
    clutter: int | Tensor | None = None,
) -> Scene:
    """A canvas for each of `indices`, showing that digit among clutter cut from all `digits`.

    Args:
        digits: (N, 28, 28) or (N, 1, 28, 28) uint8.
        labels: (N,) integers.
        indices: (B,) int64, on the device of the digits: the digit that each canvas shows.
        key: names all draws, as made by `evonet.seeds.key`; a tensor of one int64 where a CUDA graph needs it.
        numbers: (B,) int64: the canvases' numbers under that key; None: 0, 1, ..., B - 1.
        clutter: a key for the clutter alone, None: `key`. Another one leaves the digit where it is.
    """
    numbers = torch.arange(len(indices), device=digits.device) if numbers is None else numbers
    rest = _seeds(numbers, key if clutter is None else clutter, _CLUTTER)
    flat = digits.reshape(len(digits), DIGIT, DIGIT)
    images = torch.empty(len(indices), 1, canvas.side, canvas.side, dtype=torch.uint8, device=digits.device)
    size = max(1, AT_ONCE // (DIGIT * DIGIT + canvas.count * (PIECE**2 if canvas.clutter == "pieces" else DIGIT**2)))
    for start in range(0, len(indices), size):
        part = slice(start, start + size)
        at = places(canvas, numbers[part], key)
        _compose(images[part, 0], flat, indices[part], at, canvas, rest[part])
    return Scene(images, labels[indices].long(), boxes(digits, indices, canvas=canvas, key=key, numbers=numbers))


def boxes(digits: Tensor, indices: Tensor, *, canvas: Canvas, key: int | Tensor, numbers: Tensor) -> Tensor:
    """(B, 4): the boxes of `canvases` with these arguments, without composing them."""
    corner = places(canvas, numbers, key)
    return extents(digits[indices]) + torch.cat([corner, corner], dim=1)


def extents(digits: Tensor) -> Tensor:
    """(B, 4): y0, x0, y1, x1 around all that is not zero in each image, y1 and x1 not included; a blank one: zeros."""
    flat = digits.reshape(len(digits), *digits.shape[-2:])
    sides = [_ends(flat.amax(2) > 0), _ends(flat.amax(1) > 0)]
    return torch.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], dim=1)


def _ends(inked: Tensor) -> tuple[Tensor, Tensor]:
    """The first true place of each row of (B, n), and the place after the last; 0 and 0 if there is none."""
    here = inked.byte()
    first, last = here.argmax(1), here.shape[1] - here.flip(1).argmax(1)
    return first, torch.where(here.amax(1) > 0, last, 0)


def places(canvas: Canvas, numbers: Tensor, key: int | Tensor) -> Tensor:
    """(B, 2) int64: row and column of the upper left corner of each digit's frame.

    Uniform over all places inside the canvas (pieces), or over slots and the places inside one (ink).
    """
    seeds = _seeds(numbers, key, _PLACE)
    word = words(torch.zeros_like(seeds), seeds)
    if canvas.clutter == "pieces":
        free = canvas.side - DIGIT + 1
        return torch.stack([high(word, free), low(word, free)], dim=1)
    return _in_slot(canvas, high(word, canvas.slots**2), words(torch.ones_like(seeds), seeds))


def _seeds(numbers: Tensor, key: int | Tensor, purpose: int) -> Tensor:
    """A seed for the draws of each canvas for one purpose."""
    return words(2 * numbers + purpose, key)


def _compose(out: Tensor, digits: Tensor, indices: Tensor, at: Tensor, canvas: Canvas, seeds: Tensor) -> None:
    """Fill `out` (B, side, side) with zeros, the digits and the clutter."""
    out.zero_()
    digit = Paste(DIGIT, (indices * DIGIT * DIGIT)[:, None], (at[:, 0] * canvas.side + at[:, 1])[:, None])
    if canvas.count:
        rest = _pieces(canvas, len(digits), seeds) if canvas.clutter == "pieces" else _tiles(canvas, digits, at, seeds)
        _paste(out, digits, rest)
    _paste(out, digits, digit)


def _pieces(canvas: Canvas, count: int, seeds: Tensor) -> Paste:
    """Two words a piece: the digit it is cut from and where, and where it lies."""
    cut = words(2 * torch.arange(canvas.count, device=seeds.device), seeds[:, None])
    lie = words(2 * torch.arange(canvas.count, device=seeds.device) + 1, seeds[:, None])
    cuts, free = DIGIT - PIECE + 1, canvas.side - PIECE + 1
    corner = low(cut, cuts * cuts)
    source = high(cut, count) * (DIGIT * DIGIT) + corner // cuts * DIGIT + corner % cuts
    return Paste(PIECE, source, high(lie, free) * canvas.side + low(lie, free))


def _tiles(canvas: Canvas, digits: Tensor, at: Tensor, seeds: Tensor) -> Paste:
    """The sixteen tiles of each distractor, in their places, turned left or right."""
    slots, item = canvas.slots**2, torch.arange(canvas.count, device=seeds.device)
    own = _slot_of(canvas, at)
    order = words(torch.arange(slots, device=seeds.device), seeds[:, None])
    order.scatter_(1, own[:, None], torch.iinfo(torch.int64).max)  # the digit's slot comes last, and is not taken
    taken = order.argsort(dim=1, stable=True)[:, : canvas.count]
    corner = _in_slot(canvas, taken, words(slots + 2 * item, seeds[:, None]))
    word = words(slots + 2 * item + 1, seeds[:, None])
    tile = torch.arange(16, device=seeds.device)
    rows, columns = TILE * (tile // 4), TILE * (tile % 4)
    source = (high(word, len(digits)) * (DIGIT * DIGIT))[..., None] + rows * DIGIT + columns
    target = (corner[..., 0] * canvas.side + corner[..., 1])[..., None] + rows * canvas.side + columns
    turned = (word[..., None] >> tile) & 1
    return Paste(TILE, source.flatten(1), target.flatten(1), turned.flatten(1) == 1)


def _in_slot(canvas: Canvas, slot: Tensor, word: Tensor) -> Tensor:
    """(..., 2): corners of frames in `slot`, counted by rows, each in a place of its own there."""
    pitch = canvas.side // canvas.slots
    free = pitch - DIGIT + 1
    rows, columns = slot // canvas.slots * pitch + high(word, free), slot % canvas.slots * pitch + low(word, free)
    return torch.stack([rows, columns], dim=-1)


def _slot_of(canvas: Canvas, corner: Tensor) -> Tensor:
    pitch = canvas.side // canvas.slots
    return corner[:, 0] // pitch * canvas.slots + corner[:, 1] // pitch


def _paste(out: Tensor, digits: Tensor, paste: Paste) -> None:
    """Put the squares on `out` (B, side, side), each pixel the maximum of what meets there."""
    size, side = paste.size, out.shape[1]
    step = torch.arange(size, device=out.device)
    reading = (step[:, None] * DIGIT + step).reshape(-1)
    source = paste.source[..., None] + reading
    if paste.turned is not None:
        right, left = (torch.rot90(reading.reshape(size, size), k).reshape(-1) for k in (-1, 1))
        source = paste.source[..., None] + torch.where(paste.turned[..., None], right, left)
    target = paste.target[..., None] + (step[:, None] * side + step).reshape(-1)
    # `out` is a part of a contiguous batch, so this is a view.
    out.view(len(out), -1).scatter_reduce_(1, target.flatten(1), digits.reshape(-1)[source.flatten(1)], "amax")
