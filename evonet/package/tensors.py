"""The last part of the stream, the tensors, in either version: `write_*` and the `read_*` that undoes it."""

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evonet.errors import PackageError
from evonet.package import runs
from evonet.package.models import (
    DCT,
    KINDS,
    LARGEST,
    MOST_ASKED,
    MOST_WEIGHTS,
    START,
    ZEROS,
    Steps,
    asked,
    decode_codes,
    encode_codes,
    kind_of,
    step_frequencies,
)
from evonet.package.symbols import WHOLE, ManyReader, ManyWriter, Reader, Writer
from evonet.package.transform import LARGEST_SIDE
from evonet.package.types import Book, Coded, Half, Quantised, Transformed
from evonet.plan import Plan

Version = Literal[1, 2]

#: The forms of version 2, and how likely each is, of 256.
FORMS = ("grid", "zeros", "dct", "book", "half")
FORM_CHANCES = (240, 8, 4, 2, 2)
MOST_LEVELS = 16

#: Under which bytes are all equally likely.
BYTES = np.full(256, WHOLE // 256)
BYTES.setflags(write=False)


class Slot(NamedTuple):
    """What a reader knows of a tensor before it."""

    kind: str  # one of KINDS
    shape: tuple[int, ...]


def slots_of(plan: Plan) -> list[Slot]:
    return [Slot(kind_of(tensor), tensor.shape) for tensor in plan.tensors]


def form_of(value: Coded) -> str:
    """How version 2 writes it: one of FORMS."""
    if value.zeros:
        return "zeros"
    return {Quantised: "grid", Transformed: "dct", Book: "book", Half: "half"}[type(value)]


def version_of(tensors: Sequence[Coded]) -> Version:
    """The version that is written for such tensors: 1 where all are zeros or grids of at most 4,096 weights, if it has
    room for so many."""
    small = all(v.zeros or (form_of(v) == "grid" and prod(v.shape) <= runs.LARGE) for v in tensors)
    return 1 if small and room_in_1(tensors) is None else 2


def room_in_1(tensors: Sequence[Coded]) -> str | None:
    """What is too much about tensors of grids for version 1; None if nothing is."""
    weights = sum(prod(value.shape) for value in tensors)
    if weights > MOST_WEIGHTS:
        return f"{weights:,} weights, expected at most {MOST_WEIGHTS:,} in version 1"
    questions = sum(asked(value.codes) for value in tensors if isinstance(value, Quantised))
    return f"its codes ask {questions:,} questions, expected at most {MOST_ASKED:,}" if questions > MOST_ASKED else None


class Memory:
    """What tensors of a file teach those after them."""

    def __init__(self) -> None:
        self.counts, self.steps, self.pace = dict.fromkeys(KINDS, START), Steps(), runs.Pace()

    def write_step(self, encoder: Writer, kind: str, step: int) -> None:
        encoder.symbol(step, step_frequencies(self.steps.reference(kind)))
        self.steps.learn(kind, step)

    def read_step(self, decoder: Reader, kind: str) -> int:
        step = decoder.symbol(step_frequencies(self.steps.reference(kind)))
        self.steps.learn(kind, step)
        return step

    def write_codes(self, encoder: Writer, kind: str, codes: NDArray[np.integer]) -> None:
        self.counts[kind] = encode_codes(encoder, codes.ravel().tolist(), self.counts[kind])

    def read_codes(
        self, decoder: Reader, kind: str, shape: tuple[int, ...], most: float = float("inf")
    ) -> NDArray[np.int16]:
        codes, self.counts[kind] = decode_codes(decoder, prod(shape), self.counts[kind], most)
        return np.array(codes, dtype=np.int16).reshape(shape)

    def write_run_codes(self, encoder: ManyWriter, kind: str, codes: NDArray[np.integer]) -> None:
        """As `write_codes`, or in runs."""
        if not self.pace.in_runs(codes.size):
            self.write_codes(encoder, kind, codes)
            return
        learning = runs.Codes(self.counts[kind])
        runs.write(encoder, codes.ravel().astype(np.int64) + LARGEST, learning)
        self.counts[kind] = learning.counts

    def read_run_codes(self, decoder: ManyReader, kind: str, shape: tuple[int, ...]) -> NDArray[np.int16]:
        size = prod(shape)
        if not self.pace.in_runs(size):
            return self.read_codes(decoder, kind, shape)
        learning = runs.Codes(self.counts[kind])
        codes = runs.read(decoder, size, learning) - LARGEST
        self.counts[kind] = learning.counts
        return codes.astype(np.int16).reshape(shape)


def write_tensors(encoder: Writer, tensors: Sequence[Coded], plan: Plan) -> None:
    """Version 1: grids and zeros."""
    memory = Memory()
    for tensor, value in zip(plan.tensors, tensors, strict=True):
        encoder.bit(value.zeros, *ZEROS)
        if isinstance(value, Quantised) and not value.zeros:
            memory.write_step(encoder, kind_of(tensor), value.step)
            memory.write_codes(encoder, kind_of(tensor), value.codes)


def read_tensors(decoder: Reader, plan: Plan) -> tuple[Coded, ...]:
    """Raises PackageError: more weights or questions than version 1 has room for."""
    memory, left, tensors = Memory(), MOST_ASKED, list[Coded]()
    if (weights := sum(tensor.size for tensor in plan.tensors)) > MOST_WEIGHTS:
        raise PackageError(f"package: {weights:,} weights, expected at most {MOST_WEIGHTS:,} in version 1")
    for tensor in plan.tensors:
        if decoder.bit(*ZEROS):
            tensors.append(_no_weights(tensor.shape))
            continue
        step = memory.read_step(decoder, kind_of(tensor))
        codes = memory.read_codes(decoder, kind_of(tensor), tensor.shape, left)
        left -= asked(codes)
        tensors.append(Quantised(step, _frozen(codes)))
    return tuple(tensors)


def write_forms(encoder: ManyWriter, tensors: Sequence[Coded], slots: Sequence[Slot]) -> None:
    """Version 2: tensors of any form."""
    memory = Memory()
    for slot, value in zip(slots, tensors, strict=True):
        encoder.symbol(FORMS.index(form_of(value)), FORM_CHANCES)
        if not value.zeros:
            _write_form(encoder, slot.kind, value, memory)


def _write_form(encoder: ManyWriter, kind: str, value: Coded, memory: Memory) -> None:
    if isinstance(value, Quantised):
        memory.write_step(encoder, kind, value.step)
        memory.write_run_codes(encoder, kind, value.codes)
    elif isinstance(value, Transformed):
        memory.write_step(encoder, DCT, value.step)
        for side in value.block:
            encoder.uniform(side - 1, LARGEST_SIDE)
        memory.write_run_codes(encoder, DCT, value.codes)
    elif isinstance(value, Book):
        encoder.uniform(value.levels.size - 2, MOST_LEVELS - 1)
        _write_halves(encoder, value.levels)
        _write_indices(encoder, value.codes.ravel(), value.levels.size, memory.pace)
    else:
        _write_halves(encoder, value.values)


def read_forms(decoder: ManyReader, slots: Sequence[Slot]) -> tuple[Coded, ...]:
    memory = Memory()
    return tuple(_read_form(decoder, slot, memory) for slot in slots)


def _read_form(decoder: ManyReader, slot: Slot, memory: Memory) -> Coded:
    form, (kind, shape) = FORMS[decoder.symbol(FORM_CHANCES)], slot
    if form == "zeros":
        return _no_weights(shape)
    if form == "grid":
        step = memory.read_step(decoder, kind)
        return Quantised(step, _frozen(memory.read_run_codes(decoder, kind, shape)))
    if form == "dct":
        step = memory.read_step(decoder, DCT)
        block = (decoder.uniform(LARGEST_SIDE) + 1, decoder.uniform(LARGEST_SIDE) + 1)
        return Transformed(step, _frozen(memory.read_run_codes(decoder, DCT, shape)), block)
    if form == "book":
        levels = _read_halves(decoder, decoder.uniform(MOST_LEVELS - 1) + 2)
        codes = _read_indices(decoder, prod(shape), levels.size, memory.pace).reshape(shape)
        return Book(_frozen(levels), _frozen(codes))
    return Half(_frozen(_read_halves(decoder, prod(shape)).reshape(shape)))


def _write_halves(encoder: ManyWriter, values: NDArray[np.float16]) -> None:
    """The 16 bits of each, as two bytes, the first one with the sign."""
    encoder.many(np.frombuffer(np.asarray(values, ">f2").tobytes(), np.uint8), BYTES)


def _read_halves(decoder: ManyReader, number: int) -> NDArray[np.float16]:
    octets = decoder.many(2 * number, BYTES).astype(np.uint8).tobytes()
    return np.frombuffer(octets, dtype=">f2").astype(np.float16)


def _write_indices(encoder: ManyWriter, indices: NDArray[np.integer], levels: int, pace: runs.Pace) -> None:
    if pace.in_runs(indices.size):
        runs.write(encoder, indices.astype(np.int64), runs.Indices(levels))
        return
    counts = [1] * levels
    for index in indices.tolist():
        encoder.symbol(index, counts)
        counts[index] += 1


def _read_indices(decoder: ManyReader, size: int, levels: int, pace: runs.Pace) -> NDArray[np.int16]:
    if pace.in_runs(size):
        return runs.read(decoder, size, runs.Indices(levels)).astype(np.int16)
    counts, indices = [1] * levels, np.empty(size, dtype=np.int16)
    for place in range(size):
        index = decoder.symbol(counts)
        counts[index] += 1
        indices[place] = index
    return indices


def _no_weights(shape: tuple[int, ...]) -> Quantised:
    return Quantised(0, _frozen(np.zeros(shape, dtype=np.int16)))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
