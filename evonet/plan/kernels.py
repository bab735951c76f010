"""Which offsets a motif's kernel has on a given source, and what is refused there."""

from collections.abc import Iterable

from evonet.errors import GenomeError
from evonet.genome.check import long_taps
from evonet.genome.genes import MotifGene, Symmetry
from evonet.genome.taps import Window, select_taps
from evonet.plan.symmetry import ORBITS, stored, tie
from evonet.plan.types import Tap

Size = tuple[int, int]


def window(motif: MotifGene, source: Size, grid: Size) -> Window:
    """The offsets that lie inside the source for some position of `grid`; every one once on a source that wraps."""
    height, width = source
    if motif.boundary == "wrap":
        y, x = (height - 1) // 2, (width - 1) // 2
        return -y, y, -x, x
    if motif.boundary == "valid":
        return 1 - height, height - 1, 1 - width, width - 1
    return -((grid[0] - 1) * height // grid[0]), height - 1, -((grid[1] - 1) * width // grid[1]), width - 1


def covering_window(source: Size) -> Window:
    """The offsets of a 1x1 target whose taps are the whole source."""
    return 0, source[0] - 1, 0, source[1] - 1


def within(tap: Tap, among: Window) -> bool:
    return among[0] <= tap[0] <= among[1] and among[2] <= tap[1] <= among[3]


def longest(among: Window) -> int:
    """The Chebyshev length of the longest offset."""
    return max(map(abs, among))


def named_taps(motif: MotifGene, among: Window, where: str) -> tuple[Tap, ...]:
    """The taps that the motif names within a window, sorted; at least one.

    Raises GenomeError where long taps or edits are asked for further out than there are any.
    """
    if long_taps(motif) and motif.reach > longest(among):
        raise GenomeError(
            f"{where}.reach = {motif.reach}, but no offset on its source is longer than {longest(among)}. "
            f"Expected reach <= {longest(among)}, or long_share = 0"
        )
    _check_edits(motif, among, where)
    return _some(select_taps(motif, among), where)


def covering_taps(motif: MotifGene, among: Window, where: str) -> tuple[Tap, ...]:
    """Every offset of a window, edits toggled; sorted, at least one."""
    _check_edits(motif, among, where)
    every = {(y, x) for y in range(among[1] + 1) for x in range(among[3] + 1)}
    return _some(sorted(every ^ set(motif.edits)), where)


def symmetry(motif: MotifGene) -> Symmetry:
    """The symmetry of the motif's weights: the mean has none to tie."""
    return "none" if motif.mixing == "identity" else motif.symmetry


def stored_taps(motif: MotifGene, taps: tuple[Tap, ...], source: Size, where: str) -> tuple[Tap, ...]:
    """Of a motif's taps those that have weights of their own; at least one."""
    tied = symmetry(motif)
    if tied in ORBITS and 1 in source:
        raise GenomeError(
            f"{where}.symmetry = {tied!r} would turn taps out of a source of {source[0]}x{source[1]}, expected "
            "two rows and columns at least: use 'none', 'even' or 'odd'"
        )
    own = stored(taps, tied)
    if not own:
        raise GenomeError(f"{where} has no tap: an odd kernel is zero at its centre. Use more taps")
    return own


def extent(motif: MotifGene, source: Size, where: str) -> Window:
    """First and last dy, first and last dx of the whole kernel of a motif that crops, whatever is expressed."""
    among = window(motif, source, source)
    taps = named_taps(motif, among, where)
    own = stored_taps(motif, taps, source, where)
    kernel, _ = tie(taps, own, symmetry(motif), lambda tap: within(tap, among))
    rows, columns = zip(*kernel, strict=True)
    return min(rows), max(rows), min(columns), max(columns)


def _some(taps: Iterable[Tap], where: str) -> tuple[Tap, ...]:
    found = tuple(taps)
    if not found:
        raise GenomeError(f"{where} has no tap on its source: raise radius or reach, or remove edits")
    return found


def _check_edits(motif: MotifGene, among: Window, where: str) -> None:
    for edit in motif.edits:
        if not within(edit, among):
            raise GenomeError(
                f"{where}.edits holds {edit}, expected dy in {among[0]}..{among[1]}, dx in {among[2]}..{among[3]}: "
                "beyond, nothing of the source is reached"
            )
