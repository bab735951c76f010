"""Runs of before there was anything to measure on request: read, gone on with, copied and repaired as they are."""

import gzip
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from evonet.store import RunWriter, open_run, run_digest
from evonet.store.copying import copy_history
from evonet.store.repair import examine, repair
from evonet.store.rows import same
from evonet.store.schema import LATER, connect

DIGEST = "c66959b4efbdfd537340ffc805faa992226d5887d0bc2a65e7321df8b44df231"
ASKED = {"corrupted_loss": 1.25, "corrupted_accuracy": 0.5, "milliseconds": 0.125}
TIMES = {"single_ms": 0.75, "batched_ms": 0.0625}


@pytest.fixture
def old(tmp_path):
    """The file that the first version of the program wrote."""
    (tmp_path / "old").mkdir()
    golden = Path(__file__).parents[1] / "golden" / "run-1.db.gz"
    (tmp_path / "old" / "run.db").write_bytes(gzip.decompress(golden.read_bytes()))
    return tmp_path / "old"


def columns(folder):
    with closing(connect(folder / "run.db", "mode=ro")) as db:
        return [row[1] for row in db.execute("PRAGMA table_info(evaluation)")]


def test_an_old_run_reads_as_one_where_nobody_asked(old):
    before = (old / "run.db").read_bytes()
    with open_run(old) as run:
        measures = run.latest(0)
        assert [getattr(measures, name) for name in ASKED] == [None] * 3
        assert [d.outcome.single_ms for d in run.decisions()] == [None] * 9
        assert [d.outcome.measures for d in run.past()] == [d.outcome.measures for d in run.decisions()]
        assert {m.milliseconds for _, _, m in run.promoted()} == {None}
        assert run.first_newest("loss") is not None
        assert run_digest(run) == DIGEST
    assert (old / "run.db").read_bytes() == before
    assert not set(columns(old)) & set(LATER)


def test_a_driver_adds_the_columns_and_readers_go_on(old, job, scored):
    with open_run(old) as early, RunWriter.open(old) as writer:
        assert set(LATER) <= set(columns(old))
        writer.issued(job(9, 7), kind="found")
        found = scored(9, **TIMES)
        found = msgspec.structs.replace(found, measures=msgspec.structs.replace(found.measures, **ASKED))
        writer.recorded(found)
        with open_run(old) as late:
            for run in (early, late):
                assert [d.decision for d in run.decisions()] == list(range(10))
                assert list(run.decisions(weights=True))[-1].outcome == found
                assert run.latest(7) == found.measures
        assert list(writer.measured())[-1][-1] == found.measures
    assert columns(old)[-len(LATER) :] == list(LATER)


def test_a_new_file_and_an_old_one_that_was_gone_on_with_are_alike(old, create):
    create("new").close()
    RunWriter.open(old).close()
    assert columns(old) == columns(old.parent / "new")
    with open_run(old) as run:
        assert (run.version, run_digest(run)) == (1, DIGEST)


def test_old_runs_are_copied_and_repaired(old, tmp_path):
    with (
        open_run(old) as run,
        RunWriter.create(
            tmp_path / "copy",
            config=run.config,
            seed=run.seed,
            population=run.population,
            provenance={},
            fill=lambda db: copy_history(run, db, before=9, at="now"),
        ),
    ):
        pass  # fmt: skip
    assert examine(old, lambda _: True).decisions == 9
    assert repair(old, tmp_path / "repaired", lambda _: True).decisions == 9
    for name in ("copy", "repaired"):
        with open_run(tmp_path / name) as run:
            assert run_digest(run) == DIGEST


def digest_of(create, job, outcome, name):
    with create(name) as writer:
        writer.issued(job(0), kind="found")
        writer.recorded(outcome)
    with open_run(writer.path) as run:
        return run_digest(run)


def test_a_digest_is_over_what_was_asked_for_and_never_over_wall_times(create, job, scored):
    plain = scored(0)
    asked = [
        msgspec.structs.replace(plain, measures=msgspec.structs.replace(plain.measures, **{name: value}))
        for name, value in ASKED.items()
    ]
    digests = [digest_of(create, job, one, f"run{n}") for n, one in enumerate((plain, *asked))]
    assert len(set(digests)) == 4
    assert digest_of(create, job, scored(0, **TIMES), "timed") == digests[0]
    assert same(scored(0, **TIMES), plain)
    assert not same(asked[0], plain)
