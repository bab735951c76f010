"""Canonical code: do random genomes, any in range, come back from their bytes, and what do damaged bytes become?

    python benchmarks/roundtrip.py --count 2000000

A genome is drawn field by field, each default or any value of its range; half of the genomes are rich, half nearly
plain. A failure is a genome that does not come back, or one bit flipped in its code that is read as a genome with
another code. A flipped bit must give another genome, or a GenomeError.
"""

import argparse
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import valid
from evonet.genome.code import decode, encode
from evonet.genome.table import EDITS_MAX, MOTIF, MOTIFS, READOUT, SACCADE, SHEET, SHEETS, Field

SHARES = (0.1, 0.6)  # of the fields that are drawn: nearly plain, rich


def drawer(field: Field, draw: random.Random) -> Callable[[], Any]:
    values = list(field.values)
    if field.form == "one":
        return lambda: draw.choice(values)
    if field.form == "vector":
        return lambda: tuple(draw.choices(values, k=len(field.default)))
    pairs = list(itertools.product(values, values))
    return lambda: tuple(sorted(set(draw.choices(pairs, k=draw.randrange(EDITS_MAX + 1)))))


class Genomes:
    """Random genomes, valid or not, all in range."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - no secret
        records = {"sheet": SHEET, "motif": MOTIF, "readout": READOUT, "saccade": SACCADE}
        self.drawers = {name: [(f.name, drawer(f, self.draw)) for f in fields] for name, fields in records.items()}

    def fields(self, record: str, share: float) -> dict[str, Any]:
        chance = self.draw.random
        return {name: value() for name, value in self.drawers[record] if chance() < share}

    def sheet(self, share: float) -> SheetGene:
        count = min(MOTIFS[-1], 1 + int(self.draw.expovariate(1.5)))
        motifs = tuple([MotifGene(**self.fields("motif", share)) for _ in range(count)])
        return SheetGene(motifs=motifs, **self.fields("sheet", share))

    def genome(self) -> Genome:
        share, count = self.draw.choice(SHARES), min(SHEETS[-1], 1 + int(self.draw.expovariate(0.6)))
        return Genome(
            sheets=tuple([self.sheet(share) for _ in range(count)]),
            readout=ReadoutGene(**self.fields("readout", share)),
            saccade=SaccadeGene(**self.fields("saccade", share)) if self.draw.random() < 0.1 else None,
        )


def flipped(code: bytes, draw: random.Random) -> str:
    """What becomes of the code with one bit flipped: "genome", "refused", or "failed"."""
    bit = draw.randrange(8 * len(code))
    damaged = bytearray(code)
    damaged[bit // 8] ^= 128 >> bit % 8
    try:
        return "genome" if encode(decode(bytes(damaged))) == damaged else "failed"
    except GenomeError:
        return "refused"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    genomes, flips = Genomes(args.seed), Counter[str]()
    failures = computed = size = 0
    coding = 0.0
    for n in range(args.count):
        genome = genomes.genome()
        begin = time.perf_counter()
        code = encode(genome)
        back = decode(code)
        coding += time.perf_counter() - begin
        failures += back != genome
        size += len(code)
        flips[flipped(code, genomes.draw)] += 1
        computed += n % 100 == 0 and valid(genome)  # a sample is enough
    print(f"{args.count:,} random genomes of {size / args.count:.1f} bytes on average, seed {args.seed}")
    print(f"failures: {failures}; {args.count / coding:,.0f} there and back a second")
    print(f"pass `check`: {100 * computed / max(1, -(-args.count // 100)):.0f} %")
    print("one bit flipped: " + ", ".join(f"{name} {flips[name]:,}" for name in ("genome", "refused", "failed")))
    raise SystemExit(failures + flips["failed"] > 0)


if __name__ == "__main__":
    main()
