"""Edits re-measured: the individual beside itself with one edit reverted, trained alike."""

import json

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from evonet.cli.program import app as program
from evonet.config import RunConfig, parse_config, to_toml
from evonet.errors import StoreError
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.code import decode, encode
from evonet.genome.ids import anonymous, ids_of, stamp
from evonet.job import Job, Measures, Scored
from evonet.report.ancestry import ancestry
from evonet.reverting import measure
from evonet.store import RunWriter, open_run

CONFIG = """
[search]
population = 4
individuals = 4
rungs = [3]
[training]
batch = 16
[compression]
rounds = 1
finish_rounds = 1
calibration = 64
finish_calibration = 64
rate_term = 0.0
size_weight = 0.01
[workers]
kind = "serial"
"""
SHEET = SheetGene(channels=4, motifs=(MotifGene(radius=0, taps=1),))
FOUNDER = stamp(Genome(sheets=(SHEET,)), 0)
WIDE = replace(FOUNDER, sheets=(replace(FOUNDER.sheets[0], channels=8),))
POOLED = replace(WIDE, readout=replace(WIDE.readout, pooling="max"))
DIRECT = stamp(
    replace(POOLED, sheets=(replace(POOLED.sheets[0], channels=10),), readout=replace(POOLED.readout, kind="direct")), 3
)
LINE = [
    (FOUNDER, (), "sample"),
    (WIDE, (0,), "channels"),
    (POOLED, (1,), "pooling"),
    (DIRECT, (2,), "readout+channels"),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("reverting") / "run"
    measures = Measures(bytes=90, loss=1.0, accuracy=0.5, weights=9, nonzero=9, macs=9, connections=9, sheets=1,
                        taps=9, long_share=0.0, seen=100, train_images=1000)  # fmt: skip
    config = to_toml(parse_config(CONFIG, "test"))
    with RunWriter.create(path, config=config, seed=1, population=4, provenance={}) as writer:
        for i, (genome, parents, operator) in enumerate(LINE):
            job = Job(decision=i, individual=i, rung=0, genome=encode(genome), ids=ids_of(genome), steps=1, seed=1,
                      key=f"k{i}")  # fmt: skip
            writer.issued(job, kind="breed" if parents else "found", parents=parents, operator=operator)
            writer.recorded(Scored(decision=i, measures=measures, package=b"", shadow=b"", rounds=()))
        writer.set_state("finished")
    return path


def measured(recorded, id, **changes):
    with open_run(recorded) as run:
        config = parse_config(run.config, "test")
        return measure(run, ancestry(run, id), replace(config, **changes), count=2, steps=3)


def test_every_edit_is_reverted_alone_and_all_are_trained_alike(recorded):
    found = measured(recorded, 2)
    assert (found.data, found.seeds, found.steps) == ("digits", 2, 3)
    assert [one.step for one in found.reverted] == [1, 2]
    narrow, mean = (decode(bytes.fromhex(one.genome)) for one in found.reverted)
    assert narrow == anonymous(replace(POOLED, sheets=FOUNDER.sheets))
    assert mean == anonymous(WIDE)
    for one in found.reverted:
        assert (one.scored, one.invalid) == (2, "")
        assert set(one.brought) == {"score", "accuracy", "loss", "bytes"}
    for name, brought in found.brought.items():
        assert brought.mean == pytest.approx(found.individual[name].mean - found.founder[name].mean)
    assert found == measured(recorded, 2)


def test_the_one_edit_of_a_line_brings_what_all_edits_bring(recorded):
    """Reverted, it is the founder: from the same weights and images, so to the same bits."""
    found = measured(recorded, 1)
    assert found.reverted[0].brought == found.brought
    assert found.brought["loss"].mean != 0


def test_an_edit_that_others_depend_on_is_told_to_be_so(recorded):
    found = measured(recorded, 3)
    with open_run(recorded) as run:
        steps = ancestry(run, 3).steps
    invalid = {words: one.invalid for step, one in zip(steps, found.reverted, strict=True) for words in step.words}
    assert "direct" in invalid["sheet 0 (gene 0:0): channels 8 -> 10"]  # ten classes need ten channels
    assert invalid["readout (gene 0:2): kind linear -> direct"] == ""
    refused = next(one for one in found.reverted if one.invalid)
    assert (refused.genome, refused.scored, refused.brought) == ("", 0, {})


def test_who_has_no_parents_has_nothing_to_revert(recorded):
    with pytest.raises(StoreError, match="individual 0 has no edits to revert: it is as its line began"):
        measured(recorded, 0)


def test_failed_trainings_are_counted_and_not_averaged(recorded):
    with open_run(recorded) as run:
        budget = parse_config(run.config, "test").budget
    found = measured(recorded, 1, budget=replace(budget, work=1))
    assert found.individual == found.brought == {}
    assert (found.reverted[0].scored, found.reverted[0].brought) == (0, {})


# --- the verb -------------------------------------------------------------------------------------------------------


def evonet(*arguments):
    return CliRunner().invoke(program, [str(a) for a in arguments], prog_name="evonet")


def test_why_prints_edits_and_what_they_brought(recorded):
    text = evonet("why", recorded, 2).stdout
    for part in (
        "from  #0  score -1,720",
        "to    #2  score -1,720  validation accuracy 50.0 %  90 bytes  after 2 births along first parents",
        "#1             channels   +0.000    +0.0 pp      +0   1",
        "edit 1   #1     sheet 0 (gene 0:0): channels 4 -> 8",
        "edit 2   #2     readout (gene 0:2): pooling mean -> max",
        "at the same rung, having seen less than twice as",
    ):
        assert part in text, part
    assert "no parents: nothing was edited" in evonet("why", recorded, 0).stdout


def test_why_measures_as_text_and_as_json(recorded):
    text = evonet("why", recorded, 3, "--measure", "--seeds", 1, "--steps", 3)
    assert text.exit_code == 0, text.output
    for part in (
        "no network",
        "alone cannot be reverted",
        "1 training of 3 steps",
        "#3 minus itself",
        "minus #0, trained alike",
    ):
        assert part in text.stdout, part
    found = json.loads(evonet("why", recorded, 1, "--measure", "--seeds", 1, "--steps", 3, "--json").stdout)
    assert found["measured"]["reverted"][0]["brought"]["score"]["half"] is None
    assert found["ancestry"]["births"][0]["steps"][0]["edits"][0]["after"] == {"channels": 8}


def test_code_that_a_run_names_is_not_imported_unasked(tmp_path):
    config = to_toml(parse_config(CONFIG + '[data]\nspec = "evil_module:images"\n', "test"))
    RunWriter.create(tmp_path / "run", config=config, seed=1, population=4, provenance={}).close()
    with RunWriter.open(tmp_path / "run") as writer:
        job = Job(
            decision=0, individual=0, rung=0, genome=encode(FOUNDER), ids=ids_of(FOUNDER), steps=1, seed=1, key=""
        )
        writer.issued(job, kind="found")
    assert evonet("why", tmp_path / "run", 0).exit_code == 0
    answer = evonet("why", tmp_path / "run", 0, "--measure")
    assert answer.exit_code == 3
    assert "evil_module:images" in answer.stderr
    assert "--trust-code" in answer.stderr


def test_why_takes_the_best_and_needs_one(recorded, tmp_path):
    assert "to    #0" in evonet("why", recorded).stdout  # all are equal: the first
    RunWriter.create(tmp_path / "empty", config=to_toml(RunConfig(search=SearchSettings())), seed=1, population=4,
                     provenance={}).close()  # fmt: skip
    answer = evonet("why", tmp_path / "empty")
    assert answer.exit_code == 5
    assert "nothing is scored yet, so there is no best; name an individual" in answer.stderr
