"""Motifs come and go, are copied, and share weights."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from evonet.genome.genes import Genome, Mixing, MotifGene
from evonet.genome.limits import Limits
from evonet.genome.steps import choose_motif, incoming, put_motif, put_sheet, self_motif
from evonet.genome.structure import GROWING, residual_is_free, small_motif
from evonet.genome.taps import select_taps
from evonet.genome.wiring import LooseMotif, Placed, disown, joins, lenders, loosened, placed, tightened
from evonet.seeds import Stream

_JOINED: dict[Mixing, float] = {"separable": 3, "depthwise": 2, "full": 2}
_CHEAP: dict[Mixing, float] = {"separable": 3, "depthwise": 3}
_POINT = 0.3  # of the motifs that join others have one tap: a skip


def add_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One more motif into one of the sheets, from any sheet before it or the images; it is added to the others.

    It comes behind the sheet's first motif, so that the grid stays. Where one motif lay alone, 'add' is as 'concat'.
    """
    places = [k for k, sheet in enumerate(genome.sheets) if len(sheet.motifs) < limits.motifs_max]
    places = [k for k in places if genome.sheets[k].join == "add" or not joins(genome.sheets[k])]
    motif = small_motif(stream, limits, _JOINED)
    if not places or motif is None or "add" not in limits.joins:
        return None
    if stream.chance(_POINT):
        motif = replace(motif, radius=0, taps=1)
    sheets, k = loosened(genome), stream.choice(places)
    back = 1 + stream.below(min(k + 1, limits.skip_max))
    sheets[k].gene = replace(sheets[k].gene, join="add")
    sheets[k].motifs.append(LooseMotif(motif, sheets[k - back] if back <= k else None))
    return tightened(genome, sheets)


def remove_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without one of the motifs that read other sheets, where there are several."""
    places = [(k, m) for k, sheet in enumerate(genome.sheets) for m in incoming(sheet) if len(incoming(sheet)) > 1]
    return _without(genome, [stream.choice(places)]) if places else None


def add_self_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """A motif from one of the sheets to itself, residual, with a bias of its own for every application.

    Only where that keeps the function: zero weights must be able to learn under the sheet's activation, and the sheet
    must not become residual over its source as well.
    """
    return _with_self_motif(genome, stream, limits, [s.activation in GROWING for s in genome.sheets])


def add_rough_self_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """The same for a sheet whose activation lets nothing learn from zero: the motif starts small instead."""
    return _with_self_motif(genome, stream, limits, [s.activation not in GROWING for s in genome.sheets])


def _with_self_motif(genome: Genome, stream: Stream, limits: Limits, applies: Sequence[bool]) -> Genome | None:
    places = [
        k
        for k, sheet in enumerate(genome.sheets)
        if applies[k] and self_motif(sheet) is None and len(sheet.motifs) < limits.motifs_max
    ]
    places = [k for k in places if residual_is_free(genome, k)]
    motif = small_motif(stream, limits, _CHEAP)
    if not places or motif is None:
        return None
    sheets, k = loosened(genome), stream.choice(places)
    gene = sheets[k].gene
    repeats = min(1 + stream.below(2), limits.repeats_max)
    bias = "repeat" if gene.bias == "channel" else gene.bias
    sheets[k].gene = replace(gene, repeats=repeats, residual=True, bias=bias)
    sheets[k].motifs.append(LooseMotif(motif, sheets[k]))
    return tightened(genome, sheets)


def remove_self_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """Without the motifs from one of the sheets to itself."""
    places = [k for k, sheet in enumerate(genome.sheets) if self_motif(sheet) is not None]
    if not places:
        return None
    k = stream.choice(places)
    genome = put_sheet(genome, k, replace(genome.sheets[k], repeats=1))
    return _without(genome, [(k, m) for m, motif in enumerate(genome.sheets[k].motifs) if motif.source == 0])


def copy_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif takes over the fields of another, on the place it had.

    It keeps its own id and so its own weights at the taps that both share; motifs that share weights stay as they are.
    """
    order, lent = placed(genome), lenders(genome)
    targets = [p for p in order if not p.motif.weights_from and (p.sheet, p.place) not in lent]
    if not targets:
        return None
    target, fields = stream.choice(targets), stream.choice(order).motif
    copied = replace(fields, source=target.motif.source, weights_from=0, id=target.motif.id)
    return put_motif(genome, target.sheet, target.place, copied)


def share_motif(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif takes over the fields of an earlier one between as many channels, and its weights."""
    pair = _borrowing(genome, stream, limits, alike=False)
    if pair is None:
        return None
    lender, here, distance = pair
    copied = replace(lender.motif, source=here.motif.source, weights_from=distance, id=here.motif.id)
    return put_motif(genome, here.sheet, here.place, copied)


def tie(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif takes the weights of an earlier one of its form, tap by tap, and keeps its own taps."""
    pair = _borrowing(genome, stream, limits, alike=True)
    if pair is None:
        return None
    _, here, distance = pair
    return put_motif(genome, here.sheet, here.place, replace(here.motif, weights_from=distance))


def untie(genome: Genome, stream: Stream, limits: Limits) -> Genome | None:
    """One motif gets weights of its own, which start as those that it had."""
    found = choose_motif(genome, stream, lambda motif: motif.weights_from > 0)
    return None if found is None else put_motif(genome, *found[:2], replace(found[2], weights_from=0))


def _without(genome: Genome, gone: list[tuple[int, int]]) -> Genome | None:
    sheets = loosened(genome)
    disown(sheets, [sheets[k].motifs[m] for k, m in gone])
    for k, m in reversed(gone):
        del sheets[k].motifs[m]
    return tightened(genome, sheets)


def _borrowing(genome: Genome, stream: Stream, limits: Limits, *, alike: bool) -> tuple[Placed, Placed, int] | None:
    """(lender, borrower, their distance): weights that fit. `alike`: the borrower's form as it is."""
    if not limits.lend:
        return None
    order, lent = placed(genome), lenders(genome)
    pairs = [
        (lender, here, i - j)
        for i, here in enumerate(order)
        for j, lender in enumerate(order[:i])
        if _fits(lender, here)
        and (_form(lender.motif) == _form(here.motif) if alike else (here.sheet, here.place) not in lent)
    ]
    return stream.choice(pairs) if pairs else None


def _fits(lender: Placed, here: Placed) -> bool:
    between = (lender.inputs, lender.outputs) == (here.inputs, here.outputs)
    return between and lender.motif.mixing != "identity" and here.motif.weights_from == 0


def _form(motif: MotifGene) -> tuple[object, ...]:
    """All that the shape of the weights depends on beside channels."""
    groups = motif.groups if motif.mixing == "grouped" else 0
    tile = motif.tile if motif.sharing == "tile" else 0
    return motif.mixing, groups, motif.sharing, tile, motif.symmetry, len(select_taps(motif))
