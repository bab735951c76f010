"""Kernels of fewer stored weights: even, odd, and orbits, whose rotations and flips are channels.

Orbits: group convolution's lifting layer over p4 and p4m (Cohen & Welling 2016, arXiv:1602.07576, section 6).
"""

from collections.abc import Callable

from evonet.genome.genes import Symmetry
from evonet.plan.types import Tap, Tying

ORBITS: dict[Symmetry, int] = {"orbit4": 4, "orbit8": 8}


def stored(taps: tuple[Tap, ...], symmetry: Symmetry) -> tuple[Tap, ...]:
    """Which of a motif's taps have weights of their own: of an even or odd pair d, -d the first by (dy, dx).

    An odd kernel is zero at its centre, so there is no tap.
    """
    if symmetry not in ("even", "odd"):
        return taps
    all_of = set(taps)
    kept = (t for t in taps if t <= _minus(t) or _minus(t) not in all_of)
    return tuple(t for t in kept if symmetry == "even" or t != (0, 0))


def tie(
    taps: tuple[Tap, ...], own: tuple[Tap, ...], symmetry: Symmetry, inside: Callable[[Tap], bool]
) -> tuple[tuple[Tap, ...], Tying | None]:
    """The kernel's taps, sorted, and how its weights come of those stored at `own`.

    `taps`: all that the motif names; `own`: the live ones among `stored(taps)`.
    `inside`: which offsets can lie in the source; an orbit turns taps to no others.
    """
    if symmetry in ORBITS:
        return _orbit(own, ORBITS[symmetry], inside)
    if symmetry == "none":
        return own, None
    index = {tap: i for i, tap in enumerate(own)}
    kernel = tuple(t for t in taps if t in index or _minus(t) in index)
    sign = -1 if symmetry == "odd" else 1
    places = tuple(index[t] if t in index else index[_minus(t)] for t in kernel)
    signs = tuple(1 if t in index else sign for t in kernel)
    return kernel, Tying(taps=(places,), signs=(signs,))


def cut_out(taps: tuple[Tap, ...], own: tuple[Tap, ...]) -> tuple[tuple[Tap, ...], Tying]:
    """A kernel that has some of the stored weights, each at its own offset. One tap at least, if need be without
    a weight.

    `taps`: all that the motif names; `own`: the live ones of a larger kernel.
    """
    kernel = tuple(tap for tap in taps if tap in own) or taps[:1]
    places = tuple(own.index(tap) if tap in own else -1 for tap in kernel)
    return kernel, Tying(taps=(places,), signs=((1,) * len(kernel),))


def _orbit(own: tuple[Tap, ...], order: int, inside: Callable[[Tap], bool]) -> tuple[tuple[Tap, ...], Tying]:
    index = {tap: i for i, tap in enumerate(own)}
    turned = {tap for r in range(order) for tap in _turned(own, r)}  # a group: its inverses are among them
    kernel = tuple(sorted(filter(inside, turned)))
    places = tuple(tuple(index.get(tap, -1) for tap in _turned(kernel, r)) for r in range(order))
    return kernel, Tying(taps=places, signs=((1,) * len(kernel),) * order)


def _turned(taps: tuple[Tap, ...], r: int) -> list[Tap]:
    """Where kernel r of an orbit has the weights for `taps` in the stored kernel.

    Kernel r < 4 is torch.rot90(stored, r); kernel 4 + r is torch.rot90(stored.flip(-1), r).
    """
    yy, yx = ((1, 0), (0, 1), (-1, 0), (0, -1))[r % 4]  # (dy, dx) -> (dx, -dy), r times
    flip = -1 if r >= 4 else 1
    return [(yy * dy + yx * dx, flip * (yy * dx - yx * dy)) for dy, dx in taps]


def _minus(tap: Tap) -> Tap:
    return -tap[0], -tap[1]
