"""Package <-> `.evo` bytes, versions 1 and 2; docs/format.md is the description for other languages.

version byte, one range-coded stream (input, genome, expression, tensors), CRC-32. One network has one package of
each version: `unpack` writes what it read again and refuses bytes that differ.
"""

import zlib

from evonet.errors import GenomeError, PackageError
from evonet.genome import Genome
from evonet.package import coder, runs, words
from evonet.package.check import check_tensors
from evonet.package.parts import (
    read_expression,
    read_genome,
    read_input,
    write_expression,
    write_genome,
    write_input,
)
from evonet.package.symbols import ManyReader, ManyWriter, Reader, Writer
from evonet.package.tensors import Version, read_forms, read_tensors, version_of, write_forms, write_tensors
from evonet.package.types import Package
from evonet.plan import Budget, Expression, Plan, Shape, expand

#: The first byte of a file is this plus its version.
FAMILY = 0xE0
VERSIONS: tuple[Version, ...] = (1, 2)
CHECK_SIZE = 4
#: At most so many weights, so that the slowest hostile file is read within seconds.
BUDGET = Budget(weights=2**18)


def pack(package: Package, *, version: Version | None = None) -> bytes:
    """The package's bytes, the same on every machine.

    version: by default 1 where all tensors are zeros or grids of at most 4,096 weights, else 2. Version 1 can hold
    larger grids, version 2 everything.

    Raises PackageError: a genome, expression, tensor shape, form, step, code, level or value that does not fit.
    """
    plan = _expand(package.genome, package.input, package.classes)
    if package.expression != plan.expression:
        plan = _expand(package.genome, package.input, package.classes, package.expression)
    version = version_of(package.tensors) if version is None else version
    if version not in VERSIONS:
        raise PackageError(f"package: format {version}, expected one of {VERSIONS}")
    check_tensors(package.tensors, plan, version)
    body = bytes([FAMILY + version]) + _stream(package, plan, version)
    return body + zlib.crc32(body).to_bytes(CHECK_SIZE, "little")


def _stream(package: Package, plan: Plan, version: Version) -> bytes:
    if version == 1:
        encoder = coder.Encoder()
        _write_head(encoder, package, plan)
        write_tensors(encoder, package.tensors, plan)
        return encoder.finish()
    writer = _writer(plan)
    _write_head(writer, package, plan)
    write_forms(writer, package.tensors, plan)
    return writer.finish()


def _write_head(encoder: Writer, package: Package, plan: Plan) -> None:
    write_input(encoder, package.input, package.classes)
    write_genome(encoder, package.genome)
    write_expression(encoder, plan)


def unpack(data: bytes) -> Package:
    """The package that `pack` wrote as `data`, in either version; its arrays are read-only.

    Raises PackageError: not a package, an unknown version, damaged bytes, contents that are no valid network, or
    bytes that are not the ones `pack` writes for it.
    """
    version, stream = _checked(data)
    if version == 1:
        decoder = coder.Decoder(stream)
        head, plan = _read_head(decoder)
        tensors = read_tensors(decoder, plan)
    else:
        begun = words.Decoder(stream)
        head, plan = _read_head(begun)
        tensors = read_forms(_reader(begun, plan), plan)
    genome, input, classes = head
    package = Package(genome=genome, input=input, classes=classes, expression=plan.expression, tensors=tensors)
    again = pack(package, version=version)
    if again != data:
        raise PackageError(
            f"package: these {len(data)} bytes are not the ones evonet writes for their network ({len(again)} bytes): "
            "pack it again from its source"
        )
    return package


def _read_head(decoder: Reader) -> tuple[tuple[Genome, Shape, int], Plan]:
    input, classes = read_input(decoder)
    genome = read_genome(decoder)
    plan = _expand(genome, input, classes)
    expression = read_expression(decoder, plan)
    if expression != plan.expression:
        plan = _expand(genome, input, classes, expression)
    return (genome, input, classes), plan


def _writer(plan: Plan) -> ManyWriter:
    """constriction where tensors may be coded in runs; without them Python is as quick, and imports nothing."""
    if not _has_runs(plan):
        return words.Encoder()
    from evonet.package import fast

    return fast.Encoder()


def _reader(begun: words.Decoder, plan: Plan) -> ManyReader:
    if not _has_runs(plan):
        return begun
    from evonet.package import fast

    return fast.Decoder(begun)


def _has_runs(plan: Plan) -> bool:
    return runs.possible([tensor.size for tensor in plan.tensors])


def _checked(data: bytes) -> tuple[Version, bytes]:
    """Version and stream of a file whose check is right."""
    version = data[0] - FAMILY if data else 0
    if version not in VERSIONS:
        raise PackageError(f"package: {_came(data)}; this evonet reads formats {' and '.join(map(str, VERSIONS))}")
    body, check = data[:-CHECK_SIZE], data[-CHECK_SIZE:]
    computed = zlib.crc32(body)
    if not body or int.from_bytes(check, "little") != computed:
        raise PackageError(
            f"package: damaged: its last {CHECK_SIZE} bytes are {check.hex()}, expected "
            f"{computed.to_bytes(CHECK_SIZE, 'little').hex()} (CRC-32 of the {len(body)} before): copy the file again"
        )
    return version, body[1:]


def _came(data: bytes) -> str:
    if not data:
        return "an empty file"
    if FAMILY < data[0] < FAMILY + 16:
        return f"byte 0 is {data[0]:#04x}, format {data[0] - FAMILY} of a newer evonet"
    return f"byte 0 is {data[0]:#04x}, which no evonet wrote"


def _expand(genome: Genome, input: Shape, classes: int, expression: Expression | None = None) -> Plan:
    try:
        return expand(genome, input=input, classes=classes, expression=expression, budget=BUDGET)
    except GenomeError as error:
        raise PackageError(f"package: its genome does not expand: {error}") from error
