"""Package <-> `.evo` bytes, versions 1 and 2; docs/format.md is the description for other languages.

version byte, one range-coded stream (input, genome, expression, tensors), CRC-32. One network has one package of
each version: `unpack` writes what it read again and refuses bytes that differ.
"""

from typing import cast

from evonet.errors import GenomeError, PackageError
from evonet.genome import Genome
from evonet.package import coder, words
from evonet.package.check import check_tensors
from evonet.package.frame import NETWORKS, opened, seal
from evonet.package.parts import (
    read_expression,
    read_genome,
    read_input,
    write_expression,
    write_genome,
    write_input,
)
from evonet.package.stream import reader_of, writer_of
from evonet.package.symbols import Reader, Writer
from evonet.package.tensors import Version, read_forms, read_tensors, slots_of, version_of, write_forms, write_tensors
from evonet.package.types import Package
from evonet.plan import Budget, Expression, Plan, Shape, expand

VERSIONS: tuple[Version, ...] = (1, 2)
#: At most so many weights, so that the slowest hostile file is read within seconds.
BUDGET = Budget(weights=2**18)


def pack(package: Package, *, version: Version | None = None) -> bytes:
    """The package's bytes, the same on every machine.

    version: by default 1 where all tensors are zeros or grids of at most 4,096 weights and it has room for them, else
    2. Version 1 can hold larger grids, version 2 everything.

    Raises PackageError: a genome, expression, tensor shape, form, step, code, level or value that does not fit.
    """
    plan = _expand(package.genome, package.input, package.classes)
    if package.expression != plan.expression:
        plan = _expand(package.genome, package.input, package.classes, package.expression)
    version = version_of(package.tensors) if version is None else version
    if version not in VERSIONS:
        raise PackageError(f"package: format {version}, expected one of {VERSIONS}")
    check_tensors(package.tensors, plan, version)
    return seal(bytes([NETWORKS + version]) + _stream(package, plan, version))


def _stream(package: Package, plan: Plan, version: Version) -> bytes:
    if version == 1:
        encoder = coder.Encoder()
        _write_head(encoder, package, plan)
        write_tensors(encoder, package.tensors, plan)
        return encoder.finish()
    writer = writer_of(_sizes(plan))
    _write_head(writer, package, plan)
    write_forms(writer, package.tensors, slots_of(plan))
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
    number, stream = opened(data, NETWORKS, VERSIONS)
    version = cast(Version, number)
    if version == 1:
        decoder = coder.Decoder(stream)
        head, plan = _read_head(decoder)
        tensors = read_tensors(decoder, plan)
    else:
        begun = words.Decoder(stream)
        head, plan = _read_head(begun)
        tensors = read_forms(reader_of(begun, _sizes(plan)), slots_of(plan))
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


def _sizes(plan: Plan) -> list[int]:
    return [tensor.size for tensor in plan.tensors]


def _expand(genome: Genome, input: Shape, classes: int, expression: Expression | None = None) -> Plan:
    try:
        return expand(genome, input=input, classes=classes, expression=expression, budget=BUDGET)
    except GenomeError as error:
        raise PackageError(f"package: its genome does not expand: {error}") from error
