"""What a genome means on one input, as text."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.plan import expand
from evonet.plan.costs import connections
from evonet.plan.lowering import predicted
from evonet.plan.masks import mask
from evonet.report.expansion import by_distance, costs, distances, draw_plan, mask_bits
from evonet.timing import CostTable

GENOME = Genome(
    sheets=(
        SheetGene(
            channels=6,
            join="concat",
            reduction="max",
            motifs=(MotifGene(), MotifGene(taps=9, long_share=8, reach=5, pattern="lattice", boundary="wrap")),
        ),
        SheetGene(
            channels=6,
            residual=True,
            repeats=2,
            motifs=(
                MotifGene(mixing="separable"),
                MotifGene(source=2, taps=5, symmetry="even"),
                MotifGene(source=0),
                MotifGene(source=0, weights_from=1, radius=2, taps=9),
            ),
        ),
        SheetGene(channels=8, reduction="all"),
    ),
    readout=ReadoutGene(grid=2),
)
PLAN = expand(GENOME, input=(1, 12, 12), classes=10)


def test_sheets_motifs_joins_and_sources_are_named():
    lines = draw_plan(GENOME, PLAN)
    lattice = "5 of them long (lattice on vectors (2, 0) (0, 2), reach 5)"
    for line in (
        "input: 1x12x12",
        "sheet 0: 6 channels, relu, halved by max, motifs side by side; 6x6x6",
        "  motif 0 from the input into channels 0 to 2: full, 9 taps",
        f"  motif 1 from the input into channels 3 to 5: full, 9 taps, {lattice}, wrapped around",
        "  motif 1 from the input: full, 5 taps, even (opposite taps share a weight)",
        "  motif 2 from the sheet itself: full, 9 taps",
        "  residual: sheet 0 is added",
        "  motif 0 from sheet 1: full, 36 taps",
        "    every position of 6x6",
        "readout: mean over 2x2 cells, linear (1x1 here); 10 classes",
    ):
        assert line in lines, "\n".join(lines)


def test_cost_table_adds_up_to_the_plans_costs():
    header, lines = costs(PLAN)
    assert [line[0] for line in lines] == [stage.name for stage in PLAN.stages]
    figures = [dict(zip(header, line, strict=True)) for line in lines]
    for name, total, readout in (
        ("connections", PLAN.costs.connections, 80),
        ("MACs", PLAN.costs.macs, 80),
    ):
        assert sum(int(f[name].replace(",", "")) for f in figures) + readout == total
    assert figures[-2]["weights"] == "of sheet1.motif2.taps"
    assert all(f["computed as"] for f in figures)
    predicted_ms = predicted(PLAN, CostTable()) / 1e6
    assert sum(float(f["ms a step"]) for f in figures) == pytest.approx(predicted_ms, abs=0.01 * len(figures))


def test_distances_are_in_bins_and_long_is_beyond_three():
    header, lines = distances(expand(Genome(sheets=(SheetGene(),)), input=(1, 8, 8), classes=10))
    assert header == ("connections by distance", "0", "1", "beyond 3")
    assert lines == [("sheet0.motif0.taps", "512", "3,360", "0 %")]
    far = MotifGene(taps=1, edits=((0, 4),))
    header, lines = distances(expand(Genome(sheets=(SheetGene(motifs=(far,)),)), input=(1, 8, 8), classes=10))
    assert header == ("connections by distance", "0", "1", "2", "3", "4-7", "beyond 3")
    assert lines == [("sheet0.motif0.taps", "512", "-", "-", "-", "256", "33 %")]


@given(genomes(), st.integers(5, 10), st.integers(5, 10))
@settings(max_examples=60, deadline=None)
def test_every_plan_is_told_and_distances_add_up(genome, height, width):
    try:
        plan = expand(genome, input=(2, height, width), classes=10)
    except GenomeError:
        assume(False)
    assert draw_plan(genome, plan)
    assert len(distances(plan)[1]) == len(costs(plan)[1]) == len(plan.stages)
    for stage in plan.stages:
        assert sum(by_distance(stage).values()) == connections(stage) == np.count_nonzero(mask(stage))
    assert mask_bits(plan) == sum(mask(stage).size for stage in plan.stages)
