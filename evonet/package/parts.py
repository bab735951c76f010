"""The parts of the stream before the tensors, the same in all versions: `write_*` and the `read_*` that undoes it."""

from collections.abc import Iterator

from evonet.errors import GenomeError, PackageError
from evonet.genome import Genome
from evonet.genome.code import decode as decode_genome
from evonet.genome.code import encode as encode_genome
from evonet.package.models import answer, ask
from evonet.package.symbols import Reader, Writer
from evonet.plan import Expression, Plan, Shape
from evonet.plan.types import Bits

#: (input, classes) with a short name in the file; any other is spelled out.
COMMON: tuple[tuple[Shape, int], ...] = (((1, 28, 28), 10), ((1, 8, 8), 10), ((3, 32, 32), 10))
LONGEST_GENOME = 4096  # bytes
LONGEST_NUMBER = 24  # bits
CHANNELS_OFF = (255, 1)  # chances (no, yes) that any channel is off
LIVE_ROW = (8, 24)  # starting counts (no, yes) of: all taps of this stage, all channels of this sheet live
LIVE_BIT = (8, 8)


def write_input(encoder: Writer, input: Shape, classes: int) -> None:
    if (input, classes) in COMMON:
        encoder.uniform(COMMON.index((input, classes)), len(COMMON) + 1)
        return
    encoder.uniform(len(COMMON), len(COMMON) + 1)
    for number in (*input, classes):
        write_number(encoder, number)


def read_input(decoder: Reader) -> tuple[Shape, int]:
    name = decoder.uniform(len(COMMON) + 1)
    if name < len(COMMON):
        return COMMON[name]
    channels, height, width, classes = (read_number(decoder) for _ in range(4))
    return (channels, height, width), classes


def write_number(encoder: Writer, number: int) -> None:
    """Elias's gamma code of a number >= 1: a zero for each bit after the first, then the bits, the first one first."""
    length = number.bit_length()
    for place in range(2 * length - 2, -1, -1):
        encoder.uniform(number >> place & 1, 2)


def read_number(decoder: Reader) -> int:
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


def write_genome(encoder: Writer, genome: Genome) -> None:
    code = encode_genome(genome)
    write_number(encoder, len(code) // 8 + 1)
    encoder.uniform(len(code) % 8, 8)
    for byte in code:
        encoder.uniform(byte, 256)


def read_genome(decoder: Reader) -> Genome:
    length = 8 * (read_number(decoder) - 1) + decoder.uniform(8)
    if length > LONGEST_GENOME:
        raise PackageError(f"package: a genome of {length} bytes, expected at most {LONGEST_GENOME}")
    code = bytes(decoder.uniform(256) for _ in range(length))
    try:
        return decode_genome(code)
    except GenomeError as error:
        raise PackageError(f"package: its genome is not valid: {error}") from error


def write_expression(encoder: Writer, plan: Plan) -> None:
    """`plan`: with its expression. A bit says whether any channel is off; without, files are as before channel bits."""
    expression = plan.expression
    some_off = not all(map(all, expression.channels))
    encoder.bit(some_off, *CHANNELS_OFF)
    if some_off:
        write_bits(encoder, expression.channels, [sheet.cuttable for sheet in plan.sheets])
    write_bits(encoder, expression.taps, tap_choices(plan))


def write_bits(encoder: Writer, rows: tuple[Bits, ...], choices: list[bool]) -> None:
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


def read_expression(decoder: Reader, plan: Plan) -> Expression:
    """`plan`: of the whole genome, all taps and channels live."""
    whole = plan.expression
    channels = whole.channels
    if decoder.bit(*CHANNELS_OFF):
        channels = _read_bits(decoder, channels, [sheet.cuttable for sheet in plan.sheets])
    taps = _read_bits(decoder, whole.taps, tap_choices(plan))
    return Expression(taps=tuple(_lent(taps, plan)), channels=channels)


def _read_bits(decoder: Reader, whole: tuple[Bits, ...], choices: list[bool]) -> tuple[Bits, ...]:
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
