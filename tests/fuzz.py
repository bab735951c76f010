"""Mutated files and texts: each gives a value or the one error of its kind, soon, in little memory, and runs no code.

    make fuzz [COUNT=n]        (or: PYTHONPATH=tests .venv/bin/python tests/fuzz.py 100000 --first 0)

Input k is a function of k alone, so that `tests/fuzz.py 1 --first k` is the one that failed. The process may not have
256 MB more than after its first inputs (RLIMIT_AS), and its audit hook refuses imports, files, processes and what
compiles. A second is one of the processor's, so that other work on the machine does not count.
"""

import argparse
import random
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from package.forms_examples import forms_package, tiny_package
from package.named_examples import named_examples, wide_examples
from package.package_examples import filled, small_package

from evonet.errors import EvonetError, GenomeError, PackageError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.code import decode, encode
from evonet.genome.text import from_toml, to_toml
from evonet.package import pack, unpack
from evonet.package.named import pack_named, unpack_named
from evonet.plan import expand

SECONDS = 1.0
MEGABYTES = 256
GENOMES = Path(__file__).parents[1] / "genomes"


class Kind(NamedTuple):
    """One reader and what its inputs are made of."""

    name: str
    seeds: Sequence[bytes]
    large: Sequence[bytes]  # as valid as the others, but slow: one input in 500
    read: Callable[[bytes], object]
    error: type[EvonetError]
    sealed: bool  # whether a CRC-32 ends it


class Found(NamedTuple):
    """What became of one input."""

    kind: str
    taken: bool
    seconds: float
    failure: str | None  # None: a value, or the right error


def kinds() -> list[Kind]:
    one = [pack(tiny_package(forms=False)), pack(small_package(spread=1))]
    two = [pack(tiny_package(forms=True)), pack(tiny_package(forms=False), version=2)]
    files = sorted(GENOMES.glob("*.toml"))
    genomes = [from_toml(file.read_text(), file.name) for file in files]
    return [
        Kind("evo 1", one, [wide_package(1, 32000, 0), wide_package(1, 2**13, 15)], unpack, PackageError, True),
        Kind("evo 2", two, [pack(forms_package()), wide_package(2, 2**17, 0)], unpack, PackageError, True),
        Kind(
            "evw",
            [pack_named(tensors) for tensors in named_examples()],
            [pack_named(tensors) for tensors in wide_examples()],
            unpack_named,
            PackageError,
            True,
        ),
        Kind("genome code", [encode(genome) for genome in genomes], [], _expanded, GenomeError, False),
        Kind("genome text", [to_toml(genome).encode() for genome in genomes], [], _text, GenomeError, False),
    ]


def wide_package(version: int, weights: int, code: int) -> bytes:
    """A package of about so many weights, all of them `code` but the last of each tensor."""
    channels = 8
    genome = Genome(
        sheets=(SheetGene(channels=1), *[SheetGene(channels=channels, reduction="all", motifs=(MotifGene(),))]),
        readout=ReadoutGene(),
    )
    side = max(2, int((weights / channels) ** 0.5))
    plan = expand(genome, input=(1, side, side), classes=10)

    def codes(k: int) -> tuple[int, np.ndarray]:
        flat = np.full(plan.tensors[k].size, code)
        flat[-1] = 1
        return 40, flat

    return pack(filled(plan, genome, codes), version=version)  # type: ignore[arg-type]


def _expanded(code: bytes) -> object:
    return expand(decode(code), input=(1, 28, 28), classes=10)


def _text(text: bytes) -> object:
    return from_toml(text.decode(errors="replace"))


def mutated(kind: Kind, draw: random.Random) -> bytes:
    """One input of a kind."""
    if draw.random() < 0.05:
        body = draw.randbytes(draw.randrange(200))
        body = (draw.choice(kind.seeds)[:1] if kind.sealed else b"") + body
        return seal(body) if kind.sealed else body
    large = kind.large and draw.random() < 0.002
    data = bytearray(draw.choice(kind.large if large else kind.seeds))
    end = draw.randrange(4) and kind.sealed
    if end:
        del data[-4:]
    for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 8))):
        draw.choice(MUTATIONS)(data, draw, kind)
    return seal(bytes(data)) if end else bytes(data)


def seal(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def _flip(data: bytearray, draw: random.Random, kind: Kind) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(data: bytearray, draw: random.Random, kind: Kind) -> None:
    if data:
        data[draw.randrange(len(data))] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))


def _truncate(data: bytearray, draw: random.Random, kind: Kind) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _cut(data: bytearray, draw: random.Random, kind: Kind) -> None:
    start = draw.randrange(len(data) + 1)
    del data[start : start + draw.randrange(1, 9)]


def _insert(data: bytearray, draw: random.Random, kind: Kind) -> None:
    start = draw.randrange(len(data) + 1)
    data[start:start] = draw.choice((bytes, b"\xff".__mul__, draw.randbytes))(draw.randrange(1, 20))


def _splice(data: bytearray, draw: random.Random, kind: Kind) -> None:
    other = draw.choice(kind.seeds)
    data[draw.randrange(len(data) + 1) :] = other[draw.randrange(len(other)) :]


def _repeat(data: bytearray, draw: random.Random, kind: Kind) -> None:
    start = draw.randrange(len(data) + 1)
    data[start:start] = data[start : start + draw.randrange(1, 40)] * draw.randrange(1, 5)


MUTATIONS = (_flip, _flip, _flip, _byte, _truncate, _cut, _insert, _splice, _repeat)


def tried(every: Sequence[Kind], k: int) -> Found:
    """Input k."""
    draw = random.Random(k)  # noqa: S311
    kind = every[k % len(every)]
    data = mutated(kind, draw)
    started, failure, taken = time.process_time(), None, False
    try:
        kind.read(data)
        taken = True
    except kind.error as error:
        if "\n" in str(error) and kind.name != "genome text":
            failure = f"its error is more than a line: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - started
    if seconds > SECONDS:
        failure = f"{seconds:.1f} s; {failure or 'else well'}"
    return Found(kind.name, taken, seconds, failure)


FORBIDDEN = ("import", "open", "compile", "marshal.", "code.", "os.", "subprocess.", "pickle.", "socket.", "ctypes.")
GENES = (Genome, SheetGene, MotifGene, ReadoutGene, SaccadeGene)
#: msgspec reads the annotations of genes, which are text in their source, for its messages.
OWN = {str(text).encode() for gene in GENES for text in gene.__annotations__.values()}


class Refused(BaseException):
    """What an input tried to do that none may."""


def watch() -> None:
    """From here on: no imports, files, processes or compilation, a limit to memory, an alarm for what hangs."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event.startswith(FORBIDDEN) and not (event == "compile" and arguments[0] in OWN):
            raise Refused(f"{event} {arguments[:1]}")

    def alarm(number: int, frame: object) -> None:
        raise Refused("it hangs")

    sys.addaudithook(hook)
    signal.signal(signal.SIGALRM, alarm)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEGABYTES * 2**20, resource.RLIM_INFINITY))
    watching[0] = True


watching = [False]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    every = kinds()
    for k in range(200):  # imports on use
        tried(every, k)
    for kind in every:
        for data in kind.large:
            kind.read(data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watch()
    inputs, taken, slowest, failures = Counter[str](), Counter[str](), dict[str, float](), 0
    for k in range(args.first, args.first + args.count):
        signal.alarm(10)
        found = tried(every, k)
        signal.alarm(0)
        inputs[found.kind] += 1
        taken[found.kind] += found.taken
        slowest[found.kind] = max(slowest.get(found.kind, 0.0), found.seconds)
        if found.failure:
            failures += 1
            print(f"input {k}, {found.kind}: {found.failure}", flush=True)
        if (k + 1) % 50_000 == 0:
            print(f"{k + 1:,} inputs, {failures} failures", flush=True)
    watching[0] = False
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    for name, count in inputs.items():
        print(f"{name}: {count:,} inputs, {taken[name]:,} taken, slowest {slowest[name]:.3f} s")
    print(f"{failures} failures; {grown:.0f} MB more than before at most")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
