"""Why an individual is what it is: the edits that were never undone, and what each birth changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from evonet.config import RunConfig, to_toml
from evonet.errors import StoreError
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.crossover import cross
from evonet.genome.edits import apply, genome_of, named
from evonet.genome.ids import ids_of, stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.genome.variation import vary
from evonet.job import Job, Measures, Scored
from evonet.report.ancestry import _erased, _kept, ancestry
from evonet.seeds import Stream
from evonet.store import RunWriter, open_run

CONFIG = RunConfig(search=SearchSettings(population=4, individuals=8))
PLAIN = stamp(Genome(sheets=(SheetGene(channels=4),)), 0)
MEASURES = Measures(
    bytes=300, loss=1.0, accuracy=0.5, weights=9, nonzero=9, macs=9, connections=9, sheets=1, taps=9, long_share=0.0,
    seen=100, train_images=1000,
)  # fmt: skip


def write(path, births, *, evaluations=()):
    """A run of (genome with ids, parents, operator); each scored at rung 0 having seen 100 x (its number + 2)."""
    with RunWriter.create(path, config=to_toml(CONFIG), seed=1, population=4, provenance={}) as writer:
        for i, (genome, parents, operator) in enumerate(births):
            job = Job(decision=i, individual=i, rung=0, genome=encode(genome), ids=ids_of(genome), steps=1, seed=1,
                      key=f"k{i}")  # fmt: skip
            writer.issued(job, kind="breed" if parents else "found", parents=parents, operator=operator)
            measures = replace(MEASURES, seen=100 * (i + 2), bytes=300 - i, loss=1 - i / 10)
            writer.recorded(Scored(decision=i, measures=measures, package=b"", shadow=b"", rounds=()))
        for n, (individual, rung, seen, loss) in enumerate(evaluations, len(births)):
            genome = births[individual][0]
            job = Job(decision=n, individual=individual, rung=rung, genome=encode(genome), ids=ids_of(genome), steps=1,
                      seed=1, key=f"k{n}")  # fmt: skip
            writer.issued(job, kind="promote")
            measures = replace(MEASURES, seen=seen, loss=loss)
            writer.recorded(Scored(decision=n, measures=measures, package=b"", shadow=b"", rounds=()))
    return path


def widened(genome, channels):
    return replace(genome, sheets=(replace(genome.sheets[0], channels=channels), *genome.sheets[1:]))


def why(path, id):
    with open_run(path) as run:
        return ancestry(run, id)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_loops_are_erased_and_the_rest_is_a_way(values):
    steps = list(_erased(values))
    at = values[0]
    for place, before, after in steps:
        assert (before, after) == (at, values[place])
        at = after
    assert at == values[-1]
    assert len({after for _, _, after in steps} | {values[0]}) == len(steps) + 1  # no value twice
    assert [place for place, _, _ in steps] == sorted({place for place, _, _ in steps})


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_edits_kept_make_the_founder_into_the_champion(n):
    """Through a line of mutations and crossovers with strangers and relatives."""
    line = [stamp(sample(Stream("why", n), Limits()), 0)]
    others = [stamp(vary(line[0], Stream("why", n, "other"), Limits())[0], 50)]
    for i in range(1, 9):
        parent = cross(line[-1], others[-1], Stream("why", n, i, "cross")) if i % 3 == 0 else line[-1]
        line.append(stamp(vary(parent, Stream("why", n, i), Limits())[0], i))
        others.append(stamp(vary(others[-1], Stream("why", n, i, "other"), Limits())[0], 50 + i))
    states = [named(genome) for genome in line]
    kept = _kept(states)
    kinds = {gene: kind for state in states for gene, kind in state.kinds.items()}
    made = apply(states[0], [edit for edits in kept for edit in edits], kinds)
    made.genome = line[-1]
    assert genome_of(made) == line[-1]
    same = {gene for gene in states[0].fields if states[0].fields[gene] == states[-1].fields.get(gene)}
    assert not same & {edit.gene for edits in kept for edit in edits}  # minimal: nothing that is as it was


def test_edits_that_were_undone_drop_out(tmp_path):
    wide, wider = widened(PLAIN, 6), widened(PLAIN, 8)
    found = why(
        write(tmp_path / "run", [(PLAIN, (), "sample"), (wide, (0,), "channels"), (PLAIN, (1,), "channels"),
                                 (wider, (2,), "channels")]), 3)  # fmt: skip
    assert [[s.words for s in birth.steps] for birth in found.births] == [
        [],
        [],
        [("sheet 0 (gene 0:0): channels 4 -> 8",)],
    ]
    assert [birth.undone for birth in found.births] == [1, 1, 0]
    assert found.exact
    assert (found.founder.id, found.champion.id) == (0, 3)


def test_what_comes_together_is_one_edit_and_what_does_not_is_its_own(tmp_path):
    motif = MotifGene(source=0, mixing="depthwise")
    sheet = PLAIN.sheets[0]
    grown = replace(PLAIN, sheets=(replace(sheet, residual=True, motifs=(*sheet.motifs, motif)),))
    grown = stamp(replace(grown, readout=replace(grown.readout, pooling="max")), 1)
    found = why(write(tmp_path / "run", [(PLAIN, (), "sample"), (grown, (0,), "add_self_motif+pooling")]), 1)
    one, other = found.steps
    assert one.words == (
        "sheet 0 (gene 0:0): residual False -> True",
        "+ sheet 0 motif 1 (gene 1:0), from sheet 0: depthwise, 9 taps",
    )
    assert other.words == ("readout (gene 0:2): pooling mean -> max",)
    assert (one.number, other.number) == (1, 2)


def test_changes_say_where_they_do_not_compare(tmp_path):
    births = [(PLAIN, (), "sample"), (widened(PLAIN, 6), (0,), "channels"), (widened(PLAIN, 8), (0, 1), "cross")]
    path = write(tmp_path / "run", births, evaluations=[(0, 1, 600, 0.4), (2, 1, 650, 0.3)])
    near = why(path, 1).births[0].change
    assert (near.seen, near.rungs, near.reason) == ((200, 300), (0, 0), "")
    assert near.bytes == -1
    promoted = why(path, 2).births[0].change
    assert (promoted.rungs, promoted.reason) == ((1, 1), "")  # nearer in `seen` than the two births
    far = why(write(tmp_path / "far", [births[0], births[0], births[0], births[1]]), 3)
    assert far.births[0].change.reason == "has seen 2.5 times as much as its parent"
    assert why(path, 0).births == ()


def test_a_child_that_was_never_scored_has_no_change(tmp_path):
    path = write(tmp_path / "run", [(PLAIN, (), "sample")])
    with RunWriter.open(path) as writer:
        writer.issued(
            Job(decision=1, individual=1, rung=0, genome=encode(PLAIN), ids=ids_of(PLAIN), steps=1, seed=1, key="k"),
            kind="breed", parents=(0,), operator="clone",
        )  # fmt: skip
    (birth,) = why(path, 1).births
    assert (birth.change, birth.steps, birth.undone) == (None, (), 0)


def test_gene_ids_that_mean_two_genes_are_told(tmp_path):
    two = stamp(Genome(sheets=(SheetGene(), SheetGene())), 0)
    path = write(tmp_path / "run", [(PLAIN, (), "sample"), (two, (0,), "odd")])
    with pytest.raises(StoreError, match="individual 1: gene 0:2 is a SheetGene and a ReadoutGene in an ancestor"):
        why(path, 1)
    with pytest.raises(StoreError, match="no individual 9; there are"):
        why(path, 9)


def test_genes_in_another_order_are_told(tmp_path):
    """A plug-in may sort them; the edits alone do not say so."""
    sheets = tuple(SheetGene(channels=4, motifs=(MotifGene(source=k + 1),)) for k in range(2))
    both = stamp(Genome(sheets=(*sheets, SheetGene(motifs=(MotifGene(), MotifGene(source=2))))), 0)
    first, second, last = both.sheets
    turned = (
        replace(second, motifs=(replace(second.motifs[0], source=1),)),
        replace(first, motifs=(replace(first.motifs[0], source=2),)),
        replace(last, motifs=tuple(replace(m, source=3 - m.source) for m in last.motifs)),
    )
    found = why(write(tmp_path / "run", [(both, (), "sample"), (replace(both, sheets=turned), (0,), "mine:sort")]), 1)
    assert not found.exact
