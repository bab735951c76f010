"""A genome that looks in words, in differences, and on the page."""

from itertools import pairwise

import pytest
from msgspec.structs import replace
from package.package_examples import LOOKING, small_package

from evonet.genome import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.edits import between, named
from evonet.genome.ids import stamp
from evonet.package import pack
from evonet.plan import expand
from evonet.report.drawing import describe_saccade, diff, draw_genome
from evonet.report.edits import in_words
from evonet.report.expansion import draw_plan
from evonet.report.pictures import expansion_figure
from evonet.report.viewer.details import parts, plan_data
from evonet.report.viewer.genes import FEATURES, features, gene_rows

PATH = "3 fixations, until 0.9375 sure, as a set, xy coordinates"
GLANCE = "by a glance at means of 4x4 through 8 channels"


@pytest.mark.parametrize(
    "gene, words",
    [
        (
            SaccadeGene(),
            f"the first sheet in the best 2 cells of 8x8 pixels, {GLANCE}, as a set, xy coordinates",
        ),
        (
            SaccadeGene(budgets=(1, 0, 0, 0)),
            f"the first sheet in the best cell of 8x8 pixels, {GLANCE}, as a set, xy coordinates",
        ),
        (
            SaccadeGene(depth=2, budgets=(2, 0, 1, 0), fixations=3, halting=4, route="threshold", tie=True),
            f"the first 2 sheets in up to 2 + 0 + 1 cells of 8x8 pixels, {GLANCE}, {PATH}, classes out of one kernel",
        ),
        (
            SaccadeGene(form="conv", fill="cheap", cell=16),
            f"the first sheet in the best 2 cells of 16x16 pixels, {GLANCE}, put back on the grid, others cheap",
        ),
        (
            SaccadeGene(form="conv", route="every", depth=2),
            "the first 2 sheets in all cells of 8x8 pixels, put back on the grid",
        ),
    ],
    ids=["plain", "one cell", "path", "grid", "every cell"],
)
def test_a_gene_in_words(gene, words):
    assert describe_saccade(gene) == words


PLAIN = stamp(Genome(sheets=(SheetGene(), SheetGene(motifs=(MotifGene(radius=0, taps=1),)))), 1)
LOOKS = replace(PLAIN, saccade=SaccadeGene())


def test_a_genome_ends_with_where_it_looks_and_a_diff_names_it():
    assert draw_genome(LOOKS)[-1] == f"saccade: {describe_saccade(LOOKS.saccade)}"
    assert diff(PLAIN, LOOKS) == [f"+ saccade: {describe_saccade(LOOKS.saccade)}"]
    assert diff(LOOKS, replace(LOOKS, saccade=SaccadeGene(cell=16, tie=True))) == [
        "  saccade: cell 8 -> 16",
        "  saccade: tie False -> True",
    ]


def test_edits_in_words():
    deeper = replace(LOOKS, saccade=SaccadeGene(depth=2, budgets=(3, 0, 0, 0)))
    states = [named(genome) for genome in (PLAIN, LOOKS, deeper)]
    lines = [line for a, b in pairwise(states) for e in between(a, b) for line in in_words(e, a, b)]
    assert lines == [
        f"+ saccade, up to sheet 0: {describe_saccade(LOOKS.saccade)}",
        "saccade: budgets 2 0 0 0 -> 3 0 0 0",
        "saccade: eye sheet 0 -> sheet 1",
    ]


def test_an_expansion_tells_grid_classes_and_glance():
    plan = expand(LOOKING, input=(1, 28, 28), classes=10)
    lines = draw_plan(LOOKING, plan)
    place = next(i for i, line in enumerate(lines) if line.startswith("saccade: "))
    assert lines[place].endswith("; 4x4 cells")
    assert lines[place + 1] == f"  class 1: 2 cells, each of 1x14x14 to 5x4x4, {plan.saccade.eyes[0].costs.macs:,} MACs"
    assert lines[place + 3 :] == [
        "  the view of the glance: 1x8x8",
        "  glance0: 8x4x4",
        "  logits: 2x4x4",
        "  query: 8x1x1",
    ]


def test_the_page_and_pictures_take_its_plan():
    package = small_package(genome=stamp(LOOKING, 3))
    plan = expand(LOOKING, input=(1, 28, 28), classes=10)
    data = plan_data(LOOKING, plan, package, None)
    assert [stage["name"] for stage in data["stages"]] == [stage.name for stage in plan.stages]
    assert len(data["sheets"]) == len(LOOKING.sheets)
    assert sum(size for _, size in parts(package, plan, pack(package))) == pytest.approx(len(pack(package)), abs=1)
    rows = gene_rows(stamp(LOOKING, 3))
    assert rows[-1]["place"] == "saccade"
    assert rows[-1]["fields"]["fixations"] == 3
    bits = features(encode(LOOKING))
    assert {FEATURES[k] for k in range(len(FEATURES)) if bits >> k & 1} >= {"saccade", "fixations"}
    assert not features(encode(PLAIN)) >> FEATURES.index("saccade") & 1
    assert len(expansion_figure(plan).axes) == 3 * len(plan.stages)
