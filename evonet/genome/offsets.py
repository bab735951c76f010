"""Tap operators: which offsets a motif takes, moved in steps as small as one tap.

Taps are those of the gene on a source without edges; what the edges of a small source change is the plan's to say.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from evonet.genome.check import long_taps
from evonet.genome.genes import Genome, MotifGene
from evonet.genome.limits import Limits
from evonet.genome.steps import choose_motif, neighbour, put_motif, reads_long
from evonet.genome.table import MOTIF_FIELDS
from evonet.genome.taps import Tap, select_taps
from evonet.genome.wiring import lenders
from evonet.seeds import Stream

_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
_LONGEST_BASIS = 15  # of a number in format 1


def toggle_tap(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Add or remove one tap: within the radius, beside a tap, or anywhere within reach where long taps are."""
    found = choose_motif(genome, stream, lambda _: True)
    if found is None:
        return None
    k, m, motif = found
    reach = _reach(motif, limits)
    near = [_moved(tap, by) for tap in select_taps(motif) for by in ((0, 0), *_AROUND)]
    options = sorted({tap for tap in near if _length(tap) <= reach})
    if reads_long(motif) and stream.chance(0.5):
        options = [(stream.below(2 * reach + 1) - reach, stream.below(2 * reach + 1) - reach)]
    return _edited(genome, k, m, (stream.choice(options),), limits) if options else None


def shift_tap(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Move one tap by one: an edit takes it away, another puts it beside where it was."""
    found = choose_motif(genome, stream, lambda _: True)
    if found is None:
        return None
    k, m, motif = found
    taps, reach = select_taps(motif), _reach(motif, limits)
    pairs = [(tap, to) for tap in taps for by in _AROUND if (to := _moved(tap, by)) not in taps]
    pairs = [pair for pair in pairs if _length(pair[1]) <= reach]
    return _edited(genome, k, m, stream.choice(pairs), limits) if pairs else None


def grow_taps(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One or two taps more, where all taps so far stay what they are. New taps start at zero."""
    lent = lenders(genome)
    places = [
        (k, m, motif)
        for k, sheet in enumerate(genome.sheets)
        for m, motif in enumerate(sheet.motifs)
        if _grows(motif) and (k, m) not in lent and not (sheet.reduction == "all" and motif.source != 0)
    ]
    if not places:
        return None
    k, m, motif = stream.choice(places)
    taps = motif.taps + 1 + stream.below(2)
    grown = replace(motif, taps=min(taps, limits.taps_max))
    return put_motif(genome, k, m, grown) if len(select_taps(grown)) > len(select_taps(motif)) else None


def step_long_share(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Move the long share of one motif by a sixteenth. The first long taps of a motif draw their pattern."""
    found = choose_motif(genome, stream, lambda motif: motif.taps > 1)
    if found is None:
        return None
    k, m, motif = found
    share = neighbour(MOTIF_FIELDS["long_share"], motif.long_share, stream, limits)
    if share is None:
        return None
    if motif.long_share == 0:  # pattern and reach were idle until now, so they may lie outside the limits
        pattern = stream.choice(limits.patterns)
        motif = replace(motif, pattern=pattern, reach=min(motif.reach, limits.reach_max))
    return put_motif(genome, k, m, replace(motif, long_share=share))


def step_basis(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Move one number of one lattice vector by one."""
    found = choose_motif(genome, stream, _reads_basis)
    if found is None:
        return None
    k, m, motif = found
    i = stream.below(4)
    moved = neighbour(MOTIF_FIELDS["basis"], motif.basis[i], stream, limits)
    y0, x0, y1, x1 = (moved if j == i else v for j, v in enumerate(motif.basis))
    return put_motif(genome, k, m, replace(motif, basis=(y0, x0, y1, x1)))


def redraw_basis(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Draw one lattice vector of one motif anew, or both, anywhere within reach."""
    found = choose_motif(genome, stream, _reads_basis)
    if found is None:
        return None
    k, m, motif = found
    longest = min(_LONGEST_BASIS, limits.reach_max)
    drawn = tuple(stream.below(2 * longest + 1) - longest for _ in range(4))
    y0, x0, y1, x1 = stream.choice((drawn, drawn[:2] + motif.basis[2:], motif.basis[:2] + drawn[2:]))
    return put_motif(genome, k, m, replace(motif, basis=(y0, x0, y1, x1)))


def _reads_basis(motif: MotifGene) -> bool:
    return reads_long(motif) and motif.pattern == "lattice"


def _grows(motif: MotifGene) -> bool:
    """Whether one tap more leaves the others, their weights and the motif's grid as they are."""
    return (
        motif.mixing != "identity"  # the mean of its taps
        and motif.symmetry == "none"  # a new tap may be another's mirror image
        and motif.boundary != "valid"
        and motif.weights_from == 0
        and not motif.edits  # a tap added by an edit would be taken away
        and (motif.taps < (2 * motif.radius + 1) ** 2 or long_taps(motif) > 0)
    )


def _reach(motif: MotifGene, limits: Limits) -> int:
    """How far an edit may lie: one ring around the window, or as far as long taps do."""
    if not limits.long:
        return motif.radius
    return max(motif.radius, min(limits.reach_max, motif.reach if reads_long(motif) else motif.radius + 1))


def _edited(genome: Genome, k: int, m: int, toggled: Iterable[Tap], limits: Limits) -> Genome | None:
    motif = genome.sheets[k].motifs[m]
    edits = tuple(sorted({*motif.edits} ^ {*toggled}))
    if len(edits) > max(limits.edits_max, len(motif.edits)):
        return None
    return put_motif(genome, k, m, replace(motif, edits=edits))


def _moved(tap: Tap, by: Tap) -> Tap:
    return tap[0] + by[0], tap[1] + by[1]


def _length(tap: Tap) -> int:
    return max(abs(tap[0]), abs(tap[1]))
