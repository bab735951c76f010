"""Data sets made on the fly, whose best wiring is known: does the ratio of local to long connections learn?

lag:R      A torus of 32x32 fair coins. The class is a displacement d, one of (0, R), (R, 0), (R, R), (R, -R): along
           every orbit p, p + d, p + 2d, ... the pixels are disjoint pairs, and the second of a pair repeats the first
           with probability 0.7, else it is its opposite. So the correlation of pixels is 0.4 / 2 = 0.2 at d and -d and
           exactly zero anywhere else, and what lies in a window no wider than R is fair coins in every class.
scramble:  MNIST on a torus of 29x29, pixel p moved to A p mod 29. Translations stay translations, so a convolution
           whose taps are moved by A too computes what the original computed, at moved places: the oracle's wiring is
           known.
permuted   MNIST under a uniform permutation of the pixels: no wiring is better than another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from evonet import seeds
from evonet.errors import DataError
from evonet.training.sources import Bytes, Source, read_named_idx
from evonet.training.words import bits, fractions, permutation

Indices = npt.NDArray[np.int64]
Matrix = tuple[tuple[int, int], tuple[int, int]]

SIDE = 32  # of a `lag` image
LAGS = range(1, SIDE // 2)  # the displacement back is as long as the one there, so half a turn is the longest
REPEATS = 0.7  # probability that the second of a pair repeats the first
TRAIN, HELD, TEST = 20_000, (2_500, 2_500), 10_000  # images; HELD: validation and choice

TORUS = 29  # prime, so that every matrix with a determinant other than 0 is a permutation of the pixels
SCRAMBLES: dict[str, Matrix] = {"lattice": ((12, 0), (0, 12)), "scatter": ((5, 11), (13, 7))}


def displacements(lag: int) -> tuple[tuple[int, int], ...]:
    """(dy, dx) of every class of `lag:R`."""
    return (0, lag), (lag, 0), (lag, lag), (lag, -lag)


def make_lag(lag: int) -> Source:
    """35,000 images of the task `lag:R`; image i is of class i mod 4. Raises DataError unless R is in 1..15."""
    if lag not in LAGS:
        raise DataError(f"data 'lag:{lag}': expected a distance of {LAGS[0]}..{LAGS[-1]} on a torus of side {SIDE}.")
    count = TRAIN + sum(HELD) + TEST
    classes = displacements(lag)
    images = np.empty((count, SIDE * SIDE), np.uint8)
    for label, step in enumerate(classes):
        images[label :: len(classes)] = _paired(step, count // len(classes), seed=seeds.key("lag", 1, lag, label))
    labels = (np.arange(count) % len(classes)).astype(np.uint8)
    return Source(f"lag:{lag}", images.reshape(count, 1, SIDE, SIDE), labels, TEST, 255.0, HELD)


def _paired(step: tuple[int, int], count: int, *, seed: int) -> Bytes:
    """Images (count, SIDE * SIDE) of 0 and 255 whose pixels are pairs at displacement `step`."""
    lines = orbits(step)
    pairs = (count, len(lines), lines.shape[1] // 2)
    flip = fractions(int(np.prod(pairs)), seed=seeds.key(seed, "flip")).reshape(pairs) >= round(REPEATS * 2**16)
    first = bits(int(np.prod(pairs)), seed=seeds.key(seed, "first")).reshape(pairs)
    values = np.stack([first, first ^ flip], axis=-1).reshape(count, *lines.shape)
    late = bits(count * len(lines), seed=seeds.key(seed, "phase")).reshape(count, len(lines), 1)
    values = np.where(late == 1, np.roll(values, 1, axis=-1), values)  # pairs begin at odd places instead of even ones
    images = np.empty((count, lines.size), np.uint8)
    images[:, lines.ravel()] = values.reshape(count, -1) * np.uint8(255)
    return images


def orbits(step: tuple[int, int]) -> Indices:
    """Pixels (orbits, length), by row * SIDE + column, each orbit in the order p, p + step, ...; its length is even.

    All orbits have one length, the order of `step` in the group of the torus: a power of two, for SIDE is one.
    """
    length = SIDE // int(np.gcd.reduce([SIDE, *step]))
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    along = np.arange(length)
    lines: Indices = (rows[:, None] + along * step[0]) % SIDE * SIDE + (columns[:, None] + along * step[1]) % SIDE
    first: npt.NDArray[np.bool_] = lines[:, 0] == lines.min(axis=1)
    return lines[first]


def make_scramble(kind: str, data_dir: Path | None) -> Source:
    """MNIST scrambled by the matrix `kind` names. Raises DataError if there is no such matrix, or no MNIST."""
    if kind not in SCRAMBLES:
        raise DataError(f"data 'scramble:{kind}' is unknown, expected scramble:{' or scramble:'.join(SCRAMBLES)}.")
    source = read_named_idx("mnist", data_dir)
    return Source(
        f"scramble:{kind}", scrambled(source.images, SCRAMBLES[kind]), source.labels, source.own_test, source.scale
    )


def scrambled(images: Bytes, matrix: Matrix) -> Bytes:
    """Images (N, C, H, W) with sides up to 29, on the torus of 29x29 (zeros below and to the right), moved."""
    padded = np.zeros((*images.shape[:2], TORUS, TORUS), np.uint8)
    padded[:, :, : images.shape[2], : images.shape[3]] = images
    moved = np.empty_like(padded)
    rows, columns = np.divmod(np.arange(TORUS * TORUS), TORUS)
    to = [move(int(y), int(x), matrix) for y, x in zip(rows, columns, strict=True)]
    moved[:, :, [y for y, _ in to], [x for _, x in to]] = padded.reshape(*images.shape[:2], -1)
    return moved


def move(y: int, x: int, matrix: Matrix) -> tuple[int, int]:
    """Where the scramble moves pixel (y, x); as it is linear, also where it moves a tap, each of -14..14 mod 29."""
    (a, b), (c, d) = matrix
    return (a * y + b * x) % TORUS, (c * y + d * x) % TORUS


def make_permuted(data_dir: Path | None) -> Source:
    """MNIST with its pixels in one uniform random order. Raises DataError if there is no MNIST."""
    source = read_named_idx("mnist", data_dir)
    pixels = source.images.reshape(len(source.images), -1)
    order = permutation(pixels.shape[1], seed=seeds.key("permuted", 1))
    return Source(
        "permuted", pixels[:, order].reshape(source.images.shape), source.labels, source.own_test, source.scale
    )
