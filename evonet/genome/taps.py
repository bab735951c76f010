"""Which offsets a motif takes: nested by integer keys, so that one step of count or share moves no other tap.

Local taps: the centre, then by key inside the radius. Long taps, outside the radius and within reach:
box: nearest ring first, then by key. lattice: integer combinations of the basis, nearest lattice ring first, then
by key. scatter: least key x distance first, a density that falls with distance as in small-world wiring
(Kleinberg 2000). Ties break by (dy, dx). Edits toggle single offsets last.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evonet.genome.check import long_taps
from evonet.genome.genes import MotifGene
from evonet.genome.hashing import tap_keys

Tap = tuple[int, int]
Grid = NDArray[np.int64]
Window = tuple[int, int, int, int]  # first and last dy, first and last dx
ANYWHERE: Window = (-(2**15), 2**15, -(2**15), 2**15)


def select_taps(motif: MotifGene, window: Window = ANYWHERE) -> tuple[Tap, ...]:
    """The motif's taps within `window`, sorted by (dy, dx); at most as many as exist there.

    `window`: the offsets that can lie inside the motif's source. On a sheet of height 1 a motif of three taps is a
    row of three.
    """
    return _select(
        motif.radius,
        motif.taps,
        long_taps(motif),
        max(motif.reach, motif.radius),
        motif.pattern,
        motif.seed,
        motif.basis,
        motif.edits,
        window,
    )


@lru_cache(maxsize=4096)
def _select(
    radius: int,
    taps: int,
    n_long: int,
    reach: int,
    pattern: str,
    seed: int,
    basis: tuple[int, int, int, int],
    edits: tuple[Tap, ...],
    window: Window,
) -> tuple[Tap, ...]:
    dy, dx = _square(radius, window)
    local = _best(dy, dx, n=taps - n_long, ring=(np.maximum(abs(dy), abs(dx)) > 0).astype(np.int64), seed=seed)
    dy, dx = _square(reach if n_long else 0, window)
    outside = np.maximum(abs(dy), abs(dx)) > radius
    dy, dx = dy[outside], dx[outside]
    if pattern == "lattice":
        dy, dx, ring = _on_lattice(dy, dx, basis)
        far = _best(dy, dx, n=n_long, ring=ring, seed=seed)
    elif pattern == "box":
        far = _best(dy, dx, n=n_long, ring=np.maximum(abs(dy), abs(dx)), seed=seed)
    else:
        distance = np.maximum(abs(dy), abs(dx)).astype(np.uint64)
        keys = (tap_keys(seed, dy, dx) + np.uint64(1)) * distance
        far = _take(dy, dx, np.lexsort((dx, dy, keys))[:n_long])
    return tuple(sorted({*local, *far} ^ set(edits)))


def _square(radius: int, window: Window) -> tuple[Grid, Grid]:
    y = np.arange(max(-radius, window[0]), min(radius, window[1]) + 1, dtype=np.int64)
    x = np.arange(max(-radius, window[2]), min(radius, window[3]) + 1, dtype=np.int64)
    dy, dx = np.meshgrid(y, x, indexing="ij")
    return dy.ravel(), dx.ravel()


def _best(dy: Grid, dx: Grid, *, n: int, ring: Grid, seed: int) -> list[Tap]:
    """The first n offsets by ring, then key, then (dy, dx)."""
    return _take(dy, dx, np.lexsort((dx, dy, tap_keys(seed, dy, dx), ring))[:n])


def _take(dy: Grid, dx: Grid, order: NDArray[np.intp]) -> list[Tap]:
    return list(zip(dy[order].tolist(), dx[order].tolist(), strict=True))


def _on_lattice(dy: Grid, dx: Grid, basis: tuple[int, int, int, int]) -> tuple[Grid, Grid, Grid]:
    """The offsets that are i*a + j*b with integers i, j, and their lattice ring max(|i|, |j|), by Cramer's rule."""
    ay, ax, by, bx = basis
    det = ay * bx - ax * by
    i, j = dy * bx - dx * by, ay * dx - ax * dy
    on = (i % det == 0) & (j % det == 0)
    i, j = i[on] // det, j[on] // det
    return dy[on], dx[on], np.maximum(abs(i), abs(j))
