"""Measures that a run asks for, from its configuration to every table: a tiny run on digits under corruptions."""

import csv
import io
import json

import msgspec
import numpy as np
import pytest

from evonet import app
from evonet.changes import check_fork
from evonet.config import load_config, overridden
from evonet.errors import ConfigError, StoreError
from evonet.evolution.settings import ScoreSettings
from evonet.report import figures, tables
from evonet.report.viewer import answers, columns, document
from evonet.report.viewer.assemble import all_columns
from evonet.report.viewer.queries import Reader
from evonet.store import open_run, run_digest

CONFIG = """
[search]
population = 2
individuals = 4
rungs = [3, 6]
finish_best = 1
survival = "nsga2"
[genes]
sheets = [1, 1]
channels = [4, 4]
[score]
kind = "pareto"
objectives = ["corrupted_loss", "milliseconds"]
[training]
batch = 16
[compression]
rounds = 1
finish_rounds = 1
calibration = 64
finish_calibration = 64
[workers]
kind = "serial"
"""
NAMES = ["corrupted_accuracy", "corrupted_loss", "milliseconds", "single_ms", "batched_ms"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("asked") / "tiny.toml"
    file.write_text(CONFIG)
    return load_config(file)


@pytest.fixture(scope="module")
def asked(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "asked"
    return app.start(config, path, name="a", watch=lambda _: None, stop=lambda: False, opened=lambda _: None)


def test_every_table_has_them(evonet, asked):
    rows = list(csv.DictReader(io.StringIO(evonet("table", asked).stdout)))
    assert len(rows) == 4
    assert all(float(row[name]) > 0 for row in rows for name in NAMES[1:])
    assert evonet("show", asked, "--all").stdout.count("corrupted") == 1
    one = evonet("show", asked, 0)
    assert "under corruptions: accuracy" in one.stdout
    assert "ms an image predicted for the stages; measured" in one.stdout
    latest = json.loads(evonet("show", asked, 0, "--json").stdout)
    assert latest["row"]["milliseconds"] == latest["measures"]["milliseconds"] > 0
    front = json.loads(evonet("front", asked, "--json").stdout)
    assert front["objectives"] == ["corrupted_loss", "milliseconds"]
    assert {"corrupted", "ms"} <= set(evonet("front", asked).stdout.split())
    with open_run(asked) as run:
        assert figures.draw(run, "front", x="milliseconds", y="corrupted_accuracy")


def test_where_nobody_has_them_they_are_blank(evonet, recorded):
    rows = list(csv.DictReader(io.StringIO(evonet("table", recorded).stdout)))
    assert {row[name] for row in rows for name in NAMES} == {""}
    assert not {"corrupted", "ms"} & set(evonet("show", recorded, "--all").stdout.split())
    answer = evonet("front", recorded, "--objectives", "loss,milliseconds")
    assert answer.exit_code == 5
    assert "no individual has all of loss, milliseconds; a run measures" in answer.stderr
    with open_run(recorded) as run, pytest.raises(StoreError, match="milliseconds was not measured in this run"):
        figures.draw(run, "front", x="milliseconds")


def test_the_page_has_their_columns_where_the_run_asks(asked, recorded):
    with Reader(asked) as run:
        settings = tables.config_of(run).score
        known, _ = document.load(run, tables.config_of(run))
        assert set(NAMES) <= set(document.document(run, known, tables.config_of(run), path="x")["numbers"])
        for row in tables.rows(run, settings):
            told = answers.rows(known, [row.id])[0]
            assert all(told[name] == pytest.approx(getattr(row, name), rel=1e-6) for name in (*NAMES, "score"))
        assert b"batched_ms" in all_columns(known, -1)
    with Reader(recorded) as run:
        known, _ = document.load(run, tables.config_of(run))
        assert known.numbers == columns.NUMBERS
        assert not any(name.encode() in all_columns(known, -1) for name in NAMES)
        with pytest.raises(answers.QueryError, match="no measure 'milliseconds'"):
            answers.page(known, answers.chosen(known, ()), "milliseconds", False, 0, 10)


@pytest.mark.parametrize("kind", ["length", "weighted", "bound", "pareto"])
def test_the_page_scores_as_the_search_does(asked, kind):
    settings = ScoreSettings(kind=kind, corrupted=0.4)
    with Reader(asked) as run:
        known = columns.Columns(settings, run.population)
        known.load(run)
        expected = {row.id: row for row in tables.rows(run, settings)}
    for name in ("score", "choice_score"):
        wanted = [getattr(expected[i], name) for i in range(known.count)]
        np.testing.assert_allclose(known[name], np.array(wanted, np.float64), rtol=1e-6)


def test_a_run_of_numbers_on_request_repeats(config, asked, tmp_path):
    other = app.start(config, tmp_path / "b", name="b", watch=lambda _: None, stop=lambda: False, opened=lambda _: None)
    with open_run(asked) as one, open_run(other) as two:
        assert run_digest(one) == run_digest(two)


def test_a_fork_cannot_ask_for_what_its_beginning_lacks(config, evonet, asked, tmp_path):
    change = overridden(config, ['score.record=["corrupted"]', 'score.objectives=["loss", "bytes"]'])
    check_fork(config, change, births=2)  # less is asked
    plain = msgspec.structs.replace(config, score=ScoreSettings(kind="pareto"))
    with pytest.raises(ConfigError, match=r"score\.objectives: .* not measured as to corrupted and mil"):
        check_fork(plain, config, births=2)
    check_fork(plain, config, births=0)
    done = evonet("fork", asked, "--generation", 1, "--run", tmp_path / "f", "--set", "score.corrupted=0.5")
    assert done.exit_code == 0, done.output
    with open_run(tmp_path / "f") as run:
        assert (run.state, tables.config_of(run).score.corrupted) == ("finished", 0.5)


def test_eval_says_how_long_it_takes_when_asked(evonet, asked, tmp_path):
    with open_run(asked) as run:
        (tmp_path / "a.evo").write_bytes(run.package(0))
        predicted = run.latest(0).milliseconds
    plain = json.loads(evonet("eval", tmp_path / "a.evo", "--data", "digits", "--json").stdout)
    assert not {"milliseconds", "single_ms", "batched_ms"} & set(plain)
    timed = json.loads(evonet("eval", tmp_path / "a.evo", "--data", "digits", "--time", "--json").stdout)
    assert timed["milliseconds"] == predicted
    assert min(timed["single_ms"], timed["batched_ms"]) > 0
    assert "ms an image predicted" in evonet("eval", tmp_path / "a.evo", "--data", "digits", "--time").stdout
