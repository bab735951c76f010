"""Packages for the tests of this folder."""

from collections.abc import Callable, Iterator

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.package import Package, Quantised
from evonet.plan import Expression, Plan, expand
from evonet.seeds import Stream

INPUTS = (((1, 28, 28), 10), ((1, 8, 8), 10), ((3, 32, 32), 10), ((2, 1, 40), 3), ((1, 9, 8), 10))

SMALL = Genome(
    sheets=(
        SheetGene(channels=6, reduction="max", activation="abs"),
        SheetGene(
            channels=8,
            norm="rms",
            residual=True,
            repeats=2,
            motifs=(
                MotifGene(mixing="separable"),
                MotifGene(source=0, mixing="separable", taps=13, radius=1, long_share=5, reach=4, pattern="lattice"),
            ),
        ),
    ),
    readout=ReadoutGene(pooling="both"),
)

LOOKING = Genome(
    sheets=(
        SheetGene(channels=4, reduction="max"),
        SheetGene(channels=5, motifs=(MotifGene(taps=5), MotifGene(radius=2, taps=25))),
        SheetGene(channels=6, motifs=(MotifGene(radius=0, taps=1), MotifGene(source=0, radius=0, taps=1))),
    ),
    readout=ReadoutGene(pooling="both"),
    saccade=SaccadeGene(depth=2, budgets=(2, 1, 0, 0), fixations=3, halting=4, coordinates="relative", tie=True),
)


def drawn(stream: Stream, spread: int) -> int:
    """A bell-shaped integer; every choice is an integer's, so golden files do not hang on a library."""
    return sum(stream.below(2 * spread + 1) for _ in range(4)) // 4 - spread


def filled(plan: Plan, genome: Genome, make: Callable[[int], tuple[int, np.ndarray]]) -> Package:
    """The package of `plan` whose tensor k is make(k) = (step, codes of any shape)."""
    tensors = []
    for k, tensor in enumerate(plan.tensors):
        step, codes = make(k)
        tensors.append(Quantised(step, codes.astype(np.int16).reshape(tensor.shape)))
    return Package(
        genome=genome, input=plan.input, classes=plan.classes, expression=plan.expression, tensors=tuple(tensors)
    )


def small_package(*, genome: Genome = SMALL, expression: Expression | None = None, spread: int = 3) -> Package:
    plan = expand(genome, input=(1, 28, 28), classes=10, expression=expression)
    stream = Stream("package", spread)
    return filled(
        plan, genome, lambda k: (30 + k % 3, np.array([drawn(stream, spread) for _ in range(plan.tensors[k].size)]))
    )


def cut_expression(plan: Plan) -> Expression:
    """Every third tap of every stage off, the first one never."""
    whole = plan.expression
    return replace(whole, taps=tuple(tuple(k % 3 != 2 for k in range(len(taps))) for taps in whole.taps))


def random_expression(plan: Plan, numbers: np.random.Generator) -> Expression:
    """Some taps and channels off wherever they may be; borrowed taps as the lender's."""

    def some(bits: tuple[bool, ...]) -> tuple[bool, ...]:
        live = numbers.random(len(bits)) < 0.6
        live[numbers.integers(len(bits))] = True
        return tuple(bool(bit) for bit in live)

    taps: list[tuple[bool, ...]] = []
    for stage, bits in zip(plan.stages, plan.expression.taps, strict=True):
        if stage.lender is not None:
            taps.append(taps[stage.lender])
        else:
            taps.append(bits if stage.weight is None else some(bits))
    channels = tuple(some(sheet.alive) if sheet.cuttable else sheet.alive for sheet in plan.sheets)
    return Expression(taps=tuple(taps), channels=channels)


def sparse_codes(plan: Plan, numbers: np.random.Generator) -> list[Quantised]:
    """Codes of which most are zero, by single weights, whole slices, and whole tensors."""
    tensors = []
    for tensor in plan.tensors:
        codes = numbers.integers(-9, 10, tensor.shape)
        for axis in range(codes.ndim):
            slices = [slice(None)] * codes.ndim
            for place in range(codes.shape[axis]):
                if numbers.random() < 0.4:
                    slices[axis] = slice(place, place + 1)
                    codes[tuple(slices)] = 0
        tensors.append(Quantised(step=40, codes=codes.astype(np.int16)))
    return tensors


@st.composite
def packages(draw: st.DrawFn, of: st.SearchStrategy[Genome] | None = None) -> Package:
    """Packages of random genomes, expressions and codes of all sizes, zeros and extremes among them."""
    genome = draw(genomes() if of is None else of)
    (input, classes), numbers = draw(st.sampled_from(INPUTS)), np.random.default_rng(draw(st.integers(0, 2**32)))
    try:
        plan = expand(genome, input=input, classes=classes)
    except GenomeError:
        assume(False)
    assume(plan.costs.weights <= 3000)  # the coder is Python
    if draw(st.booleans()):
        expression = random_expression(plan, numbers)
        plan = expand(genome, input=input, classes=classes, expression=expression)
    spreads = draw(st.lists(st.sampled_from([0.0, 0.2, 0.7, 3.0, 40.0]), min_size=1, max_size=4))

    def make(k: int) -> tuple[int, np.ndarray]:
        codes = np.rint(numbers.normal(0, 1, plan.tensors[k].size) * spreads[k % len(spreads)]).clip(-127, 127)
        return (int(numbers.integers(64)) if codes.any() else 0), codes

    return filled(plan, genome, make)


def damaged(body: bytes, every: int = 1) -> Iterator[bytes]:
    """Every truncation of `body`, and flips of its bits, one in `every`."""
    for place in range(len(body)):
        yield body[:place]
    for flip in range(0, 8 * len(body), every):
        place, bit = divmod(flip, 8)
        yield body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]
