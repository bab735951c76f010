"""What a saccade gene asks of the genome around it, and its code."""

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from strategies import saccade_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.check import check
from evonet.genome.code import decode, encode
from evonet.genome.looking import classes, elements, stride
from evonet.genome.text import from_toml, to_toml

POINT = MotifGene(radius=0, taps=1)
WINDOW = MotifGene(radius=2, taps=25)
BASE = Genome(
    sheets=(
        SheetGene(reduction="max"),
        SheetGene(reduction="max", motifs=(MotifGene(), WINDOW)),
        SheetGene(motifs=(POINT,)),
    ),
    saccade=SaccadeGene(depth=2, budgets=(2, 1, 0, 0)),
)


def looking(**changes: object) -> Genome:
    return replace(BASE, saccade=replace(BASE.saccade, **changes))


def sheet(place: int, of: Genome = BASE, **changes: object) -> Genome:
    sheets = list(of.sheets)
    sheets[place] = replace(sheets[place], **changes)
    return replace(of, sheets=tuple(sheets))


def motif(place: int, of: Genome = BASE, **changes: object) -> Genome:
    """The first motif of a sheet with other fields."""
    first, *others = of.sheets[place].motifs
    return sheet(place, of, motifs=(replace(first, **changes), *others))


@given(saccade_genomes())
@settings(deadline=None, max_examples=60)
def test_drawn_genomes_pass_and_come_back(genome):
    check(genome)
    assert decode(encode(genome)) == genome
    assert from_toml(to_toml(genome)) == genome


@given(saccade_genomes())
@settings(deadline=None, max_examples=30)
def test_without_the_gene_the_code_is_what_it_would_be(genome):
    """The gene's bits come last: it changes its own bit, and none before it."""
    with_gene, without = (int.from_bytes(encode(g).ljust(80, b"\0")) for g in (genome, replace(genome, saccade=None)))
    assert len(encode(replace(genome, saccade=None))) <= len(encode(genome))
    changed = (with_gene ^ without).bit_length()
    before = without >> changed
    assert with_gene >> changed == before
    assert (with_gene >> changed - 1) & 1  # the first that differs is the gene's bit


def test_sizes():
    """A plain gene is one bit and three flags; every field of a rich one costs its index."""
    plain = Genome(sheets=(SheetGene(),), saccade=SaccadeGene())
    assert len(encode(plain)) == len(encode(replace(plain, saccade=None)))
    rich = SaccadeGene(
        cell=16, downsampling=8, glance=12, depth=2, budgets=(8, 4, 1, 0), fixations=4, halting=6, tie=True
    )
    assert len(encode(replace(BASE, saccade=rich))) - len(encode(replace(BASE, saccade=None))) <= 10


def test_what_the_gene_counts():
    assert classes(BASE, BASE.saccade) == 2
    assert stride(BASE, BASE.saccade) == 4
    assert elements(BASE, BASE.saccade) == range(2, 3)
    conv = looking(form="conv")
    assert not elements(conv, conv.saccade)


EVERY = Genome(sheets=(SheetGene(), SheetGene()), saccade=SaccadeGene(form="conv", route="every"))


@pytest.mark.parametrize(
    "genome, message",
    [
        (looking(depth=4), r"^saccade\.depth = 4, expected 1\.\.3, the number of sheets\.$"),
        (looking(downsampling=16), r"^saccade\.downsampling = 16, expected at most a cell's side, 8\.$"),
        (looking(cell=5), r"^saccade\.cell = 5, expected one of 4, 8, 16, 32\.$"),
        (looking(budgets=(2, 1, 0)), r"^saccade\.budgets = \(2, 1, 0\), expected 4 integers within one of 0, 1, 2"),
        (looking(budgets=(7, 1, 0, 0)), r"^saccade\.budgets = \(7, 1, 0, 0\), expected 4 integers"),
        (sheet(0, reduction="all"), r"^sheets\[0\]\.reduction = all, expected none, stride, max or mean in a sheet of"),
        (sheet(1, norm="instance"), r"^sheets\[1\]\.norm = instance, expected none or rms in a sheet of the eye"),
        (sheet(1, residual=True), r"^sheets\[1\]\.residual = true, expected false in a sheet of the eye"),
        (sheet(1, join="concat"), r"^sheets\[1\]\.join = concat, expected add in a sheet of the eye: a cell has one"),
        (motif(1, source=2), r"^sheets\[1\]\.motifs\[0\]\.source = 2, expected 1 in a sheet of the eye"),
        (
            sheet(1, motifs=(MotifGene(), MotifGene(source=0))),
            r"^sheets\[1\]\.motifs\[1\]\.source = 0, expected 1 in a sheet of the eye",
        ),
        (motif(0, boundary="wrap"), r"^sheets\[0\]\.motifs\[0\]\.boundary = wrap, expected zero in a sheet of the eye"),
        (motif(0, sharing="tile"), r"^sheets\[0\]\.motifs\[0\]\.sharing = tile, expected sheet in a sheet of the eye"),
        (
            motif(1, looking(tie=True), symmetry="even"),
            r"^sheets\[1\]\.motifs\[0\] has mixing 'full', symmetry 'even' and weights_from = 0, expected 'full'",
        ),
        (
            sheet(2, looking(cell=4, depth=3), reduction="max"),
            r"^saccade\.cell = 4 with an eye of 3 sheets that reduces 8 pixels to one, expected a multiple of it: use",
        ),
        (
            looking(budgets=(2, 1, 1, 0)),
            r"^saccade\.budgets\[2\] = 1, but no sheet of the eye has 3 motifs: expected 0, or another motif",
        ),
        (looking(budgets=(0, 0, 0, 0)), r"^saccade\.budgets = \(0, 0, 0, 0\), expected at least one cell\.$"),
        (
            looking(route="every"),
            r"^saccade\.route = 'every' gives all cells class 1, but the eye has motifs for 2 cla",
        ),
        (
            looking(form="conv", fixations=2),
            r"^saccade\.fixations = 2 with form 'conv' and route 'budget', expected fo",
        ),
        (
            replace(EVERY, saccade=SaccadeGene(form="set", route="every", fixations=2)),
            r"^saccade\.fixations = 2 with form 'set' and route 'every'",
        ),
        (looking(halting=2), r"^saccade\.halting = 2, expected 0 without fixations: there is nothing to halt\.$"),
        (looking(fill="cheap"), r"^saccade\.fill = cheap, expected zero where no cell is left empty: in sets, and"),
        (
            replace(EVERY, saccade=replace(EVERY.saccade, fill="cheap")),
            r"^saccade\.fill = cheap, expected zero where no cell is left empty",
        ),
        (
            motif(2, source=2),
            r"^sheets\[2\]\.motifs\[0\]\.source = 2, expected a sheet that is computed everywhere, not sheets\[0",
        ),
        (motif(2, source=3), r"^sheets\[2\]\.motifs\[0\]\.source = 3, expected .* not the images\.$"),
        (motif(2, looking(form="conv"), source=2), r"not sheets\[0\], inside the eye"),
        (
            sheet(2, reduction="max"),
            r"^sheets\[2\] has reduction 'max' and norm 'none', expected 'none', and no 'instanc",
        ),
        (
            motif(2, radius=1, taps=9),
            r"^sheets\[2\]\.motifs\[0\] has taps = 9, long_share = 0, 0 edits, boundary 'zero'",
        ),
        (
            sheet(2, looking(fixations=2), motifs=(POINT, replace(POINT, source=0)), repeats=2),
            r"^sheets\[2\] has repeats = 2, bias 'channel' and residual false, expected 1, another bias and",
        ),
        (
            replace(BASE, readout=ReadoutGene(grid=2)),
            r"^readout\.grid = 2, kind = 'linear' with saccade\.form = 'set': a set has no grid\.",
        ),
        (replace(BASE, readout=ReadoutGene(kind="direct")), r"kind = 'direct' with saccade\.form = 'set'"),
    ],
)
def test_what_does_not_go_with_the_gene(genome, message):
    with pytest.raises(GenomeError, match=message):
        check(genome)


def test_what_goes_with_it():
    check(BASE)
    check(EVERY)
    check(motif(2, looking(form="conv"), source=3))  # a dense sheet may read the images
    check(looking(fixations=3, halting=4, coordinates="relative", route="threshold"))
    check(sheet(2, looking(fixations=3), motifs=(POINT, replace(POINT, source=0, mixing="depthwise"))))
    check(looking(tie=True, fill="zero"))
    check(looking(budgets=(0, 3, 0, 0)))
