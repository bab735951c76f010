"""Packages of version 2 for the tests of this folder."""

from dataclasses import replace
from math import prod

import numpy as np
from hypothesis import strategies as st
from package.package_examples import drawn, filled, packages

from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.package import Book, Coded, Half, Package, Quantised, Transformed
from evonet.plan import expand
from evonet.seeds import Stream

#: Its weights over 1x28x28 have every form in `forms_package`, one of them so many that they are coded in runs.
FORMS = Genome(
    sheets=(
        SheetGene(channels=4, reduction="max", motifs=(MotifGene(radius=2, taps=25),)),
        SheetGene(channels=6, reduction="all"),
    ),
    readout=ReadoutGene(),
)

#: Over 1x8x8, some dozen weights: a package whose every flip can be tried.
TINY = Genome(sheets=(SheetGene(channels=2, reduction="max"),), readout=ReadoutGene())


def forms_package() -> Package:
    plan = expand(FORMS, input=(1, 28, 28), classes=10)
    stream = Stream("package", 2)

    def codes(shape: tuple[int, ...], spread: int) -> np.ndarray:
        return np.array([drawn(stream, spread) for _ in range(prod(shape))], dtype=np.int16).reshape(shape)

    kernels, biases, large, zeros, readout, readout_bias = (tensor.shape for tensor in plan.tensors)
    tensors = (
        Transformed(33, codes(kernels, 9), (5, 5)),
        Half((codes(biases, 99) / np.float16(64)).astype(np.float16)),
        Quantised(31, codes(large, 2)),
        Quantised(0, np.zeros(zeros, dtype=np.int16)),
        Book(
            np.array([-0.5, -0.0, 0.1, 2], dtype=np.float16),
            np.arange(prod(readout), dtype=np.int16).reshape(readout) % 4,
        ),
        Quantised(30, codes(readout_bias, 20)),
    )
    return Package(genome=FORMS, input=plan.input, classes=plan.classes, expression=plan.expression, tensors=tensors)


def tiny_package(*, forms: bool) -> Package:
    plan = expand(TINY, input=(1, 8, 8), classes=10)
    package = filled(plan, TINY, lambda k: (30 + k, np.arange(plan.tensors[k].size) % 5 - 2))
    if not forms:
        return package
    kernels, _, readout, _ = package.tensors
    book = Book(np.array([-1, 0, 0.5, 1, 1.5], dtype=np.float16), (readout.codes + 2).astype(np.int16))
    tensors = (
        Transformed(31, kernels.codes, (3, 3)),
        Half(np.array([[0.5, -0.0]], np.float16)),
        book,
        package.tensors[3],
    )
    return replace(package, tensors=tensors)


def coded(shape: tuple[int, ...], form: str, spread: float, numbers: np.random.Generator) -> Coded:
    """A tensor of `form`; zeros where the spread leaves nothing else."""
    codes = np.rint(numbers.normal(0, 1, shape) * spread).clip(-127, 127).astype(np.int16)
    zeros = Quantised(0, np.zeros(shape, dtype=np.int16))
    if form == "half":
        half = Half((codes * numbers.normal(0, 1, shape)).clip(-60000, 60000).astype(np.float16))
        return zeros if half.zeros else half
    if not codes.any():
        return zeros
    step = int(numbers.integers(64))
    if form == "dct":
        length = shape[-1]
        sides = [(r, c) for r in range(1, 16) for c in range(1, 16) if length % (r * c) == 0]
        return Transformed(step, codes, sides[int(numbers.integers(len(sides)))])
    used, indices = np.unique(codes.clip(-8, 7), return_inverse=True)
    if form == "book" and len(used) > 1:
        levels = np.unique(numbers.normal(0, 1, 99).astype(np.float16))[: len(used)]
        return Book(levels, indices.astype(np.int16).reshape(shape))
    return Quantised(step, codes)


@st.composite
def packages_of_forms(draw: st.DrawFn) -> Package:
    """As `packages`, of all forms."""
    package, numbers = draw(packages()), np.random.default_rng(draw(st.integers(0, 2**32)))
    forms = draw(st.lists(st.sampled_from(["grid", "dct", "book", "half"]), min_size=1, max_size=4))
    spreads = draw(st.lists(st.sampled_from([0.0, 0.2, 0.7, 3.0, 40.0]), min_size=1, max_size=4))
    tensors = tuple(
        coded(value.shape, forms[k % len(forms)], spreads[k % len(spreads)], numbers)
        for k, value in enumerate(package.tensors)
    )
    return replace(package, tensors=tensors)


@st.composite
def large_packages(draw: st.DrawFn) -> Package:
    """Two tensors of more than 4,096 weights, or some that are so many together, of any forms, and small ones."""
    row = (MotifGene(),) * 3
    sheets = draw(
        st.sampled_from(
            [
                (SheetGene(channels=8, reduction="all"), SheetGene(reduction="all", motifs=(MotifGene(source=2),))),
                (SheetGene(channels=24, reduction="all"), SheetGene(channels=3, motifs=(MotifGene(source=2),))),
                (SheetGene(channels=20), SheetGene(channels=20, motifs=row), SheetGene(channels=4, motifs=row)),
            ]
        )
    )
    genome = Genome(sheets=sheets, readout=ReadoutGene())
    plan, numbers = expand(genome, input=(1, 28, 28), classes=10), np.random.default_rng(draw(st.integers(0, 2**32)))
    forms = draw(st.lists(st.sampled_from(["grid", "dct", "book", "half"]), min_size=1, max_size=4))
    spreads = draw(st.lists(st.sampled_from([0.01, 0.2, 0.7, 3.0, 40.0]), min_size=1, max_size=4))
    tensors = tuple(
        coded(tensor.shape, forms[k % len(forms)], spreads[k % len(spreads)], numbers)
        for k, tensor in enumerate(plan.tensors)
    )
    return Package(genome=genome, input=plan.input, classes=plan.classes, expression=plan.expression, tensors=tensors)
