"""Package <-> `.evo` bytes, format 1; docs/format.md is the description for other languages.

version byte, one range-coded stream (input, genome, expression, tensors), CRC-32. One network has one package:
`unpack` writes what it read again and refuses bytes that differ.
"""

import zlib

from evonet.errors import GenomeError, PackageError
from evonet.genome import Genome
from evonet.package.coder import Decoder, Encoder
from evonet.package.models import LARGEST, STEP_COUNT
from evonet.package.parts import (
    read_expression,
    read_genome,
    read_input,
    read_tensors,
    write_expression,
    write_genome,
    write_input,
    write_tensors,
)
from evonet.package.types import Package, Quantised
from evonet.plan import Budget, Expression, Plan, Shape, expand

VERSION = 0xE1
CHECK_SIZE = 4
#: At most so many weights, so that the slowest hostile file is read within seconds.
BUDGET = Budget(weights=2**18)


def pack(package: Package) -> bytes:
    """The package's bytes, the same on every machine.

    Raises PackageError: a genome, expression, tensor shape, step or code that does not fit the format.
    """
    plan = _expand(package.genome, package.input, package.classes)
    live = plan
    if package.expression != plan.expression:
        live = _expand(package.genome, package.input, package.classes, package.expression)
    _check_tensors(package.tensors, live)
    encoder = Encoder()
    write_input(encoder, package.input, package.classes)
    write_genome(encoder, package.genome)
    write_expression(encoder, live)
    write_tensors(encoder, package.tensors, live)
    body = bytes([VERSION]) + encoder.finish()
    return body + zlib.crc32(body).to_bytes(CHECK_SIZE, "little")


def unpack(data: bytes) -> Package:
    """The package that `pack` wrote as `data`; its arrays are read-only.

    Raises PackageError: not a package, an unknown version, damaged bytes, contents that are no valid network, or
    bytes that are not the ones `pack` writes for it.
    """
    decoder = Decoder(_checked_body(data))
    input, classes = read_input(decoder)
    genome = read_genome(decoder)
    plan = _expand(genome, input, classes)
    expression = read_expression(decoder, plan)
    if expression != plan.expression:
        plan = _expand(genome, input, classes, expression)
    tensors = read_tensors(decoder, plan)
    package = Package(genome=genome, input=input, classes=classes, expression=expression, tensors=tensors)
    again = pack(package)
    if again != data:
        raise PackageError(
            f"package: these {len(data)} bytes are not the ones evonet writes for their network ({len(again)} bytes): "
            "pack it again from its source"
        )
    return package


def _checked_body(data: bytes) -> bytes:
    if not data or data[0] != VERSION:
        came = f"{data[0]:#04x}" if data else "an empty file"
        newer = " It may be written by a newer evonet." if data and data[0] >> 4 == VERSION >> 4 else ""
        raise PackageError(f"package: byte 0: expected {VERSION:#04x} (evonet, format 1), came {came}.{newer}")
    body, check = data[:-CHECK_SIZE], data[-CHECK_SIZE:]
    computed = zlib.crc32(body)
    if not body or int.from_bytes(check, "little") != computed:
        raise PackageError(
            f"package: damaged: its last {CHECK_SIZE} bytes are {check.hex()}, expected "
            f"{computed.to_bytes(CHECK_SIZE, 'little').hex()} (CRC-32 of the {len(body)} before): copy the file again"
        )
    return body[1:]


def _expand(genome: Genome, input: Shape, classes: int, expression: Expression | None = None) -> Plan:
    try:
        return expand(genome, input=input, classes=classes, expression=expression, budget=BUDGET)
    except GenomeError as error:
        raise PackageError(f"package: its genome does not expand: {error}") from error


def _check_tensors(tensors: tuple[Quantised, ...], plan: Plan) -> None:
    if len(tensors) != len(plan.tensors):
        raise PackageError(f"package: {len(tensors)} tensors, expected {len(plan.tensors)} as in the plan")
    for tensor, quantised in zip(plan.tensors, tensors, strict=True):
        codes = quantised.codes
        if codes.shape != tensor.shape:
            raise PackageError(f"package: {tensor.name}: codes of shape {codes.shape}, expected {tensor.shape}")
        if codes.dtype.kind != "i":
            raise PackageError(f"package: {tensor.name}: codes are {codes.dtype}, expected integers (int16)")
        if not 0 <= quantised.step < STEP_COUNT:
            raise PackageError(f"package: {tensor.name}: step {quantised.step}, expected 0..{STEP_COUNT - 1}")
        largest = max(int(codes.max(initial=0)), -int(codes.min(initial=0)))
        if largest > LARGEST:
            raise PackageError(
                f"package: {tensor.name}: |code| up to {largest}, expected at most {LARGEST}: use a larger step"
            )
