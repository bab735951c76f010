"""Genome to plan, and plan to full mask.

    python benchmarks/expand.py

Goals: a plan of a million connections in <= 5 ms; the full mask at memory speed (beside it: filling and copying as
many bytes).
"""

import harness
import numpy as np

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan import expand
from evonet.plan.masks import mask
from evonet.plan.taps import _select

LONG = MotifGene(taps=49, radius=2, long_share=8, pattern="scatter", reach=13, seed=3)
GENOME = Genome(
    sheets=(SheetGene(channels=8, motifs=(LONG,)), SheetGene(channels=8, motifs=(LONG,))), readout=ReadoutGene()
)
MASKED = Genome(sheets=(SheetGene(channels=8, motifs=(LONG,)),))


def main() -> None:
    plan = expand(GENOME, input=(1, 28, 28), classes=10)

    def cold() -> None:
        _select.cache_clear()
        expand(GENOME, input=(1, 28, 28), classes=10)

    print(f"genome -> plan, {plan.costs.connections:,} connections, nothing cached (goal <= 5 ms)")
    print(" " * 30, harness.alone(cold, rounds=15, repeat=20))
    stage = expand(MASKED, input=(1, 28, 28), classes=10).stages[0]
    full = mask(stage)

    def fill() -> None:
        np.full(full.shape, True).copy()

    print(f"full mask {full.shape[0]:,} x {full.shape[1]:,}: evonet, fill and copy of as many bytes, ratio")
    print(" " * 30, harness.alternate(lambda: mask(stage), fill, rounds=15, repeat=3))


if __name__ == "__main__":
    main()
