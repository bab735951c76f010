"""Hypothesis strategies that every test may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec.structs import replace

from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import valid
from evonet.genome.table import (
    EDITS_MAX,
    MOTIF,
    MOTIF_FIELDS,
    READOUT,
    READOUT_FIELDS,
    SACCADE,
    SHEET,
    SHEET_FIELDS,
    Field,
)

Strategy = st.SearchStrategy


def any_value(field: Field) -> Strategy[Any]:
    """Every value that format 1 can write in `field`."""
    one = st.sampled_from(list(field.values))
    if field.form == "vector":
        return st.tuples(*[one] * len(field.default))
    if field.form == "offsets":
        return st.lists(st.tuples(one, one), max_size=EDITS_MAX, unique=True).map(lambda o: tuple(sorted(o)))
    return one


def any_fields(fields: tuple[Field, ...]) -> Strategy[dict[str, Any]]:
    """Some fields, the rest at their defaults."""
    return st.fixed_dictionaries({}, optional={f.name: any_value(f) for f in fields})


def any_sheets() -> Strategy[SheetGene]:
    motifs = st.lists(any_fields(MOTIF).map(lambda f: MotifGene(**f)), min_size=1, max_size=4).map(tuple)
    return st.builds(lambda fields, motifs: SheetGene(motifs=motifs, **fields), any_fields(SHEET), motifs)


def any_genomes(*, sheets_max: int = 4) -> Strategy[Genome]:
    """Every genome in range, saccade included, whether or not it is computed yet."""
    return st.builds(
        Genome,
        sheets=st.lists(any_sheets(), min_size=1, max_size=sheets_max).map(tuple),
        readout=any_fields(READOUT).map(lambda f: ReadoutGene(**f)),
        saccade=st.none() | any_fields(SACCADE).map(lambda f: SaccadeGene(**f)),
    )


@st.composite
def genomes(
    draw: st.DrawFn, *, sheets_max: int = 3, channels: int = 12, taps: int = 25, reach: int = 9, repeats: int = 3
) -> Genome:
    """Genomes that pass `check`: all that this version computes, kept small by the given limits.

    Three in four or more expand on images of 8x8 and more, square or not, into ten classes; others say too much for
    them. Direct and Hadamard readouts get ten channels.
    """
    chain = _Chain(draw, taps=taps, reach=reach, repeats=repeats)
    readout = draw(st.builds(ReadoutGene, pooling=_any("pooling"), grid=st.integers(1, 3), kind=_any("kind")))
    if readout.kind == "direct":
        readout = replace(readout, grid=1, pooling="max" if readout.pooling == "max" else "mean")
    ladder = [v for v in (8, *SHEET_FIELDS["channels"].values) if v <= channels]
    count = draw(st.integers(1, sheets_max))
    sheets = [chain.sheet(ladder, last=False) for _ in range(count - 1)]
    sheets.append(chain.sheet(ladder if readout.kind == "linear" else [10], last=True))
    return Genome(sheets=tuple(sheets), readout=readout)


def _any(name: str) -> Strategy[Any]:
    return any_value({**SHEET_FIELDS, **MOTIF_FIELDS, **READOUT_FIELDS}[name])


def _mostly(plain: Any, others: Sequence[Any], often: int) -> Strategy[Any]:
    """`plain`, to which it shrinks, `often` times as likely as any of `others`."""
    return st.sampled_from([*[plain] * often, *others])


class _Placed(NamedTuple):
    """A motif, with the channels between which it lies."""

    motif: MotifGene
    channels: tuple[int, int]


class _Chain:
    """A genome in the making: what its sheets would be on images of 8x8, and its motifs in the order computed."""

    def __init__(self, draw: st.DrawFn, *, taps: int, reach: int, repeats: int) -> None:
        self.draw, self.taps, self.reach, self.repeats = draw, taps, reach, repeats
        self.channels, self.sides = [0], [8]  # of the images, whose channels are not known, then of every sheet
        self.motifs: list[_Placed] = []

    def sheet(self, ladder: list[int], *, last: bool) -> SheetGene:
        """The next sheet. A reduction to 1x1 leaves little to those behind it, so only the last one has it."""
        draw, index = self.draw, len(self.channels)
        channels = draw(st.sampled_from(ladder))
        sources = draw(st.lists(_mostly(1, range(1, index + 1), 3), min_size=1, max_size=3))
        own = draw(_mostly(0, (1, 2)[: 4 - len(sources)], 3))
        side = self.sides[-sources[0]]
        reduction = draw(_mostly("none", [*("stride", "max", "mean") * (side > 1), *["all"] * last], 4))
        side = {"none": side, "all": 1}.get(reduction, side // 2)
        self.channels.append(channels)
        self.sides.append(side)
        joined = max(len(sources), own) <= channels and draw(st.booleans())
        incoming = [self._motif(s, len(sources) if joined else 1) for s in sources]
        recurrent = [self._motif(0, own if joined else 1) for _ in range(own)]
        motifs = (*recurrent, *incoming) if draw(st.booleans()) else (*incoming, *recurrent)
        optional = {name: _any(name) for name in ("activation", "norm", "bias", "residual")}
        return SheetGene(
            channels=channels,
            reduction=reduction,
            join="concat" if joined else "add",
            repeats=draw(st.integers(1, self.repeats)) if own else 1,
            motifs=motifs,
            **draw(st.fixed_dictionaries({}, optional=optional)),
        )

    def _motif(self, source: int, parts: int) -> MotifGene:
        """The next motif of the sheet begun last, one of `parts` side by side."""
        inputs, outputs = self.channels[-1 - source], self.channels[-1]
        side = self.sides[-1 - source]
        motif = self.draw(_motifs(side, _common(inputs, outputs, parts), taps=self.taps, reach=self.reach))
        channels = (inputs, 0 if outputs % parts else outputs // parts)  # 0: uneven parts, which lend nothing
        like = [place for place, m in enumerate(self.motifs) if channels[1] and _lends(m, channels)]
        if like and self.draw(st.sampled_from([False, False, True])):
            place = self.draw(st.sampled_from(like))
            motif = replace(
                self.motifs[place].motif,
                seed=motif.seed,
                boundary="wrap" if motif.boundary == "wrap" else "zero",
                weights_from=len(self.motifs) - place,
            )
        if source == 0 and motif.boundary == "valid":
            motif = replace(motif, boundary="zero")
        self.motifs.append(_Placed(motif, channels))
        return replace(motif, source=source)


def _common(inputs: int, outputs: int, parts: int) -> list[int]:
    """The numbers of groups that divide source channels and each of the parts of the target's."""
    if outputs % parts or not inputs:
        return []
    return [g for g in MOTIF_FIELDS["groups"].values if inputs % g == 0 and outputs // parts % g == 0]


def _lends(placed: _Placed, channels: tuple[int, int]) -> bool:
    return placed.channels == channels and placed.motif.mixing != "identity"


@st.composite
def _motifs(draw: st.DrawFn, side: int, divisible: list[int], *, taps: int, reach: int) -> MotifGene:
    """Motifs that most often expand on a source of `side` x `side`; `divisible`: the groups its channels allow."""
    mixings = [v for v in MOTIF_FIELDS["mixing"].values if v != "grouped" or divisible]
    symmetries = [v for v in MOTIF_FIELDS["symmetry"].values if side > 1 or v in ("none", "even")]
    one = st.integers(-1, 1)
    optional: dict[str, Strategy[Any]] = {
        "radius": st.sampled_from([1, 1, 2, 0, 3, 7]),
        "taps": st.sampled_from([v for v in MOTIF_FIELDS["taps"].values if v <= taps]),
        "mixing": st.sampled_from(mixings),
        "seed": _any("seed"),
        "edits": st.lists(st.tuples(one, one), max_size=2 if side > 1 else 0, unique=True).map(
            lambda e: tuple(sorted(e))
        ),
        "sharing": _mostly("sheet", ("tile", "position"), 3),
        "tile": _any("tile"),
        "symmetry": _mostly("none", symmetries, 4),
        "boundary": _mostly("zero", ("wrap", "valid") if side > 2 else ("wrap",), 3),
    }
    fields = draw(st.fixed_dictionaries({"groups": st.sampled_from(divisible or [2])}, optional=optional))
    if side > 2 and draw(st.booleans()):
        near = [r for r in range(1, reach + 1) if 2 * r < side]
        fields["reach"] = draw(st.sampled_from([*near * 5, *range(1, reach + 1)]))
        fields |= draw(st.fixed_dictionaries({}, optional={n: _any(n) for n in ("long_share", "pattern", "basis")}))
    return _wired(MotifGene(**fields))


def _wired(motif: MotifGene) -> MotifGene:
    """A motif with a kernel: an odd one with more than its centre, no degenerate lattice, a small one if it crops."""
    plain = {"long_share": 0, "pattern": "box", "basis": MotifGene().basis}
    if motif.symmetry == "odd" or motif.edits:
        motif = replace(motif, radius=max(1, motif.radius), taps=max(4, motif.taps), **plain)
    if motif.boundary == "valid":
        motif = replace(motif, radius=min(1, motif.radius), **plain)
    return motif if valid(Genome(sheets=(SheetGene(motifs=(motif,)),))) else replace(motif, **plain)


@st.composite
def saccade_genomes(
    draw: st.DrawFn,
    *,
    forms: Sequence[str] = ("set", "conv"),
    routes: Sequence[str] = ("budget", "threshold", "every"),
    classes: Sequence[int] = (1, 2, 3),
) -> Genome:
    """Genomes with a saccade gene that pass `check`; nine in ten expand on images of 9x9 to 28x28.

    Eyes of one to three sheets, up to three classes, all mixings, symmetries and scattered taps; behind them up to two
    sheets, pointwise in a set.
    """
    form, route = draw(st.sampled_from(list(forms))), draw(st.sampled_from(list(routes)))
    kinds = 1 if route == "every" else draw(st.sampled_from(list(classes)))
    depth, tie = draw(st.sampled_from([1, 2, 2, 3])), draw(st.booleans())
    eye = [draw(_eye_sheets(kinds if k == 0 else draw(st.integers(1, kinds)), tie=tie)) for k in range(depth)]
    stride = 2 ** sum(sheet.reduction != "none" for sheet in eye)
    cell = draw(st.sampled_from([c for c in (4, 8) if c % stride == 0]))
    fixations = draw(st.sampled_from([0, 0, 2, 3])) if form == "set" and route != "every" else 0
    later = [draw(_later_sheets(k, form=form)) for k in range(draw(st.integers(0, 2)))]
    if fixations and later:
        later[-1] = replace(later[-1], repeats=1, bias="channel", residual=False)
    counts = [draw(_mostly(1, (2,), 3)), *[draw(st.sampled_from([0, 1])) for _ in range(kinds - 1)]]
    saccade = SaccadeGene(
        cell=cell,
        downsampling=draw(st.sampled_from([d for d in (1, 2, 4) if d <= cell])),
        glance=draw(st.sampled_from([2, 4])),
        depth=depth,
        form=form,
        route=route,
        budgets=(*counts, *[0] * (4 - kinds)),
        fixations=fixations,
        halting=draw(st.sampled_from([0, 1, 2])) if fixations else 0,
        fill=draw(st.sampled_from(["zero", "cheap"])) if form == "conv" and route != "every" else "zero",
        coordinates=draw(st.sampled_from(["xy", "none", "fourier", "relative"])),
        tie=tie,
    )
    readout = ReadoutGene(pooling=draw(_any("pooling")), grid=1 if form == "set" else draw(st.integers(1, 2)))
    return Genome(sheets=(*eye, *later), readout=readout, saccade=saccade)


@st.composite
def _eye_sheets(draw: st.DrawFn, motifs: int, *, tie: bool) -> SheetGene:
    optional = {name: _any(name) for name in ("activation", "bias")}
    return SheetGene(
        channels=draw(st.sampled_from([3, 4, 2])),
        reduction=draw(_mostly("none", ("stride", "max", "mean"), 3)),
        norm=draw(_mostly("none", ("rms",), 3)),
        motifs=tuple(draw(_eye_motifs(tie=tie)) for _ in range(motifs)),
        **draw(st.fixed_dictionaries({}, optional=optional)),
    )


@st.composite
def _eye_motifs(draw: st.DrawFn, *, tie: bool) -> MotifGene:
    near = st.integers(-2, 2)
    fields: dict[str, Any] = {"radius": draw(st.sampled_from([1, 2, 0])), "taps": draw(st.sampled_from([9, 1, 4, 25]))}
    if draw(st.booleans()):
        fields |= {"long_share": draw(st.integers(1, 12)), "reach": draw(st.integers(2, 4)), "seed": draw(_any("seed"))}
        fields["pattern"] = draw(st.sampled_from(["scatter", "box", "lattice"]))
    fields["edits"] = draw(st.lists(st.tuples(near, near), max_size=2, unique=True).map(lambda e: tuple(sorted(e))))
    if not tie:
        fields["mixing"] = draw(_mostly("full", ("depthwise", "separable", "identity"), 3))
        fields["symmetry"] = draw(_mostly("none", ("even", "odd", "orbit4"), 5))
    return _wired(MotifGene(**fields))


@st.composite
def _later_sheets(draw: st.DrawFn, place: int, *, form: str) -> SheetGene:
    """Sheet `place` behind the eye. It reads the one before it, and perhaps that one's source, or itself."""
    plain = MotifGene(radius=0, taps=1) if form == "set" else MotifGene()
    motifs = [replace(plain, mixing=draw(_mostly("full", ("separable", "depthwise", "identity"), 3)))]
    if place and draw(st.booleans()):
        motifs.append(replace(plain, source=2))
    if draw(st.booleans()):
        motifs.append(replace(plain, source=0, mixing="depthwise"))
    return SheetGene(
        channels=draw(st.sampled_from([4, 3, 6])),
        reduction="none" if form == "set" else draw(_mostly("none", ("max",), 2)),
        activation=draw(_any("activation")),
        norm=draw(_mostly("none", ("rms",), 2)),
        bias=draw(_any("bias")),
        residual=draw(st.booleans()),
        repeats=draw(st.integers(1, 2)) if motifs[-1].source == 0 else 1,
        motifs=tuple(motifs),
    )
