"""The parts of the stream, each as a pair: `write_*` and the `read_*` that undoes it."""

from collections.abc import Iterator

import numpy as np

from evonet.errors import GenomeError, PackageError
from evonet.genome import Genome
from evonet.genome.code import decode as decode_genome
from evonet.genome.code import encode as encode_genome
from evonet.package.coder import Decoder, Encoder
from evonet.package.models import (
    KINDS,
    START,
    ZEROS,
    Steps,
    answer,
    ask,
    decode_codes,
    encode_codes,
    kind_of,
    step_frequencies,
)
from evonet.package.types import Quantised
from evonet.plan import Expression, Plan, Shape, Tensor
from evonet.plan.types import Bits

#: (input, classes) with a short name in the file; any other is spelled out.
COMMON: tuple[tuple[Shape, int], ...] = (((1, 28, 28), 10), ((1, 8, 8), 10), ((3, 32, 32), 10))
LONGEST_GENOME = 4096  # bytes
LONGEST_NUMBER = 24  # bits
CHANNELS_OFF = (255, 1)  # chances (no, yes) that any channel is off
LIVE_ROW = (8, 24)  # starting counts (no, yes) of: all taps of this stage, all channels of this sheet live
LIVE_BIT = (8, 8)


def write_input(encoder: Encoder, input: Shape, classes: int) -> None:
    if (input, classes) in COMMON:
        encoder.uniform(COMMON.index((input, classes)), len(COMMON) + 1)
        return
    encoder.uniform(len(COMMON), len(COMMON) + 1)
    for number in (*input, classes):
        _write_number(encoder, number)


def read_input(decoder: Decoder) -> tuple[Shape, int]:
    name = decoder.uniform(len(COMMON) + 1)
    if name < len(COMMON):
        return COMMON[name]
    channels, height, width, classes = (_read_number(decoder) for _ in range(4))
    return (channels, height, width), classes


def _write_number(encoder: Encoder, number: int) -> None:
    """Elias's gamma code of a number >= 1: a zero for each bit after the first, then the bits, the first one first."""
    length = number.bit_length()
    for place in range(2 * length - 2, -1, -1):
        encoder.uniform(number >> place & 1, 2)


def _read_number(decoder: Decoder) -> int:
    length = 1
    while not decoder.uniform(2):
        length += 1
        if length > LONGEST_NUMBER:
            raise PackageError(
                f"package: a number of more than {LONGEST_NUMBER} bits in its head, so no evonet wrote it"
            )
    number = 1
    for _ in range(length - 1):
        number = number << 1 | decoder.uniform(2)
    return number


def write_genome(encoder: Encoder, genome: Genome) -> None:
    code = encode_genome(genome)
    _write_number(encoder, len(code) // 8 + 1)
    encoder.uniform(len(code) % 8, 8)
    for byte in code:
        encoder.uniform(byte, 256)


def read_genome(decoder: Decoder) -> Genome:
    length = 8 * (_read_number(decoder) - 1) + decoder.uniform(8)
    if length > LONGEST_GENOME:
        raise PackageError(f"package: a genome of {length} bytes, expected at most {LONGEST_GENOME}")
    code = bytes(decoder.uniform(256) for _ in range(length))
    try:
        return decode_genome(code)
    except GenomeError as error:
        raise PackageError(f"package: its genome is not valid: {error}") from error


def write_expression(encoder: Encoder, plan: Plan) -> None:
    """`plan`: with its expression. A bit says whether any channel is off; without, files are as before channel bits."""
    expression = plan.expression
    some_off = not all(map(all, expression.channels))
    encoder.bit(some_off, *CHANNELS_OFF)
    if some_off:
        write_bits(encoder, expression.channels, [sheet.cuttable for sheet in plan.sheets])
    write_bits(encoder, expression.taps, tap_choices(plan))


def write_bits(encoder: Encoder, rows: tuple[Bits, ...], choices: list[bool]) -> None:
    """The live bits of the rows that have a choice."""
    row_counts, bit_counts = list(LIVE_ROW), list(LIVE_BIT)
    for bits, choice in zip(rows, choices, strict=True):
        if not choice:
            continue
        answer(encoder, row_counts, all(bits))
        if not all(bits):
            for bit in bits:
                answer(encoder, bit_counts, bit)


def tap_choices(plan: Plan) -> list[bool]:
    """Per stage: whether its taps can be switched off at all; one tap cannot, nor taps without weights of their own."""
    return [len(s.all_taps) > 1 and s.weight is not None and s.lender is None for s in plan.stages]


def read_expression(decoder: Decoder, plan: Plan) -> Expression:
    """`plan`: of the whole genome, all taps and channels live."""
    whole = plan.expression
    channels = whole.channels
    if decoder.bit(*CHANNELS_OFF):
        channels = _read_bits(decoder, channels, [sheet.cuttable for sheet in plan.sheets])
    taps = _read_bits(decoder, whole.taps, tap_choices(plan))
    return Expression(taps=tuple(_lent(taps, plan)), channels=channels)


def _read_bits(decoder: Decoder, whole: tuple[Bits, ...], choices: list[bool]) -> tuple[Bits, ...]:
    row_counts, bit_counts = list(LIVE_ROW), list(LIVE_BIT)
    rows = []
    for bits, choice in zip(whole, choices, strict=True):
        live = not choice or ask(decoder, row_counts)
        rows.append(bits if live else tuple(ask(decoder, bit_counts) for _ in bits))
    return tuple(rows)


def _lent(taps: tuple[Bits, ...], plan: Plan) -> Iterator[Bits]:
    """Borrowed taps live where the lender's do; a lender may itself have borrowed."""
    rows: list[Bits] = []
    for own, stage in zip(taps, plan.stages, strict=True):
        rows.append(own if stage.lender is None else rows[stage.lender])
        yield rows[-1]


def write_tensors(encoder: Encoder, tensors: tuple[Quantised, ...], plan: Plan) -> None:
    counts, steps = dict.fromkeys(KINDS, START), Steps()
    for tensor, quantised in zip(plan.tensors, tensors, strict=True):
        kind = kind_of(tensor)
        zeros = not quantised.codes.any()
        encoder.bit(zeros, *ZEROS)
        if zeros:
            continue
        frequencies = step_frequencies(steps.reference(kind))
        step = quantised.step
        encoder.encode(sum(frequencies[:step]), frequencies[step], sum(frequencies))
        steps.learn(kind, step)
        counts[kind] = encode_codes(encoder, quantised.codes.ravel().tolist(), counts[kind])


def read_tensors(decoder: Decoder, plan: Plan) -> tuple[Quantised, ...]:
    counts, steps = dict.fromkeys(KINDS, START), Steps()
    tensors = []
    for tensor in plan.tensors:
        kind = kind_of(tensor)
        step, codes = 0, [0] * tensor.size
        if not decoder.bit(*ZEROS):
            step = _read_step(decoder, step_frequencies(steps.reference(kind)))
            steps.learn(kind, step)
            codes, counts[kind] = decode_codes(decoder, tensor.size, counts[kind])
        tensors.append(_quantised(tensor, step, codes))
    return tuple(tensors)


def _read_step(decoder: Decoder, frequencies: tuple[int, ...]) -> int:
    place, cumulative, step = decoder.peek(sum(frequencies)), 0, 0
    while place >= cumulative + frequencies[step]:
        cumulative += frequencies[step]
        step += 1
    decoder.drop(cumulative, frequencies[step])
    return step


def _quantised(tensor: Tensor, step: int, codes: list[int]) -> Quantised:
    array = np.array(codes, dtype=np.int16).reshape(tensor.shape)
    array.setflags(write=False)
    return Quantised(step, array)
