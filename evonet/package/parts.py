"""The parts of the stream, each as a pair: `write_*` and the `read_*` that undoes it."""

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

#: (input, classes) with a short name in the file; any other is spelled out.
COMMON: tuple[tuple[Shape, int], ...] = (((1, 28, 28), 10), ((1, 8, 8), 10), ((3, 32, 32), 10))
LONGEST_GENOME = 4096  # bytes
LONGEST_NUMBER = 24  # bits
NEWER = (255, 1)  # chances (no, yes) of the reserved bit
LIVE_STAGE = (8, 24)  # starting counts (no, yes) of: all taps of this stage live
LIVE_TAP = (8, 8)


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
    encoder.bit(False, *NEWER)
    stage_counts, tap_counts = list(LIVE_STAGE), list(LIVE_TAP)
    for taps, choice in zip(plan.expression, _choices(plan), strict=True):
        if not choice:
            continue
        answer(encoder, stage_counts, all(taps))
        if not all(taps):
            for tap in taps:
                answer(encoder, tap_counts, tap)


def _choices(plan: Plan) -> list[bool]:
    """Per stage: whether its taps can be switched off at all; one tap cannot, and taps without weights cannot."""
    return [len(stage.all_taps) > 1 and stage.weight is not None for stage in plan.stages]


def read_expression(decoder: Decoder, plan: Plan) -> Expression:
    """`plan`: of the whole genome, all taps live."""
    if decoder.bit(*NEWER):
        raise PackageError("package: its expression has per-channel bits: written by a newer evonet, update this one")
    stage_counts, tap_counts = list(LIVE_STAGE), list(LIVE_TAP)
    expression = []
    for taps, choice in zip(plan.expression, _choices(plan), strict=True):
        live = not choice or ask(decoder, stage_counts)
        expression.append(taps if live else tuple(ask(decoder, tap_counts) for _ in taps))
    return tuple(expression)


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
