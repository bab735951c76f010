"""What the viewer reads of a run and hands to the page."""

import base64
import hashlib
import json
import re
import sqlite3
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viewer_runs import ATTACKS, measures

from evonet.errors import StoreError
from evonet.evolution.score import choice_score, score
from evonet.evolution.settings import ScoreSettings
from evonet.job import Measures
from evonet.report import tables
from evonet.report.viewer import answers, assemble, columns, document, genes, wire
from evonet.report.viewer.answers import Filter, QueryError
from evonet.report.viewer.columns import Columns
from evonet.report.viewer.details import details
from evonet.report.viewer.queries import Reader
from evonet.store import RunWriter


@pytest.fixture(scope="module")
def config(opened):
    return tables.config_of(opened)


@pytest.fixture(scope="module")
def known(opened, config):
    found, notice = document.load(opened, config)
    assert notice == ""
    return found


def test_columns_say_what_the_tables_say(opened, config, known):
    for row in tables.rows(opened, config.score):
        told = answers.rows(known, [row.id])[0]
        assert (told["generation"], known.words[told["operator"]]) == (row.generation, row.operator)
        assert columns.STATES[told["state"]] == row.state
        assert [p for p in (told["p0"], told["p1"]) if p is not None] == list(row.parents)
        for name in ("bytes", "macs", "weights", "sheets", "seen", "rung"):
            expected = getattr(row, name)
            assert told[name] == expected, name
        for name in ("score", "choice_score", "loss", "accuracy", "long_share"):
            expected = getattr(row, name)
            assert told[name] == (None if expected is None else pytest.approx(expected, rel=1e-6)), name


def test_the_best_are_those_of_the_tables(opened, config, known):
    expected = [r.id for r in tables.best_rows(tables.rows(opened, config.score), 9)]
    assert columns.best(known, 9) == expected
    assert set(expected[:2]) == {20, 21}


def test_reading_bit_by_bit_comes_to_the_same(tmp_path, opened, config, known, monkeypatch):
    monkeypatch.setattr(columns, "CHUNK", 4)
    monkeypatch.setattr("evonet.report.viewer.queries.CHUNK", 4)
    some = Columns(config.score, opened.population)
    versions = []
    while some.behind or some.genes_read < some.count:
        some.refresh(opened)
        versions.append(some.version)
    assert versions == sorted(versions)
    assert len(versions) > 5
    for name in known.names:
        np.testing.assert_array_equal(some[name], known[name], err_msg=name)
    assert some.outcomes == known.outcomes == {"pending": 1, "scored": 22, "diverged": 1, "rejected": 1, "lost": 1}


def test_what_was_in_flight_is_read_again(tmp_path, config, cases):
    path, job, scored = cases
    with RunWriter.create(path, config="", seed=1, population=4, provenance={}) as writer, Reader(path) as run:
        some = Columns(config.score, 4)
        some.refresh(run)
        assert some.count == 0
        for n in range(3):
            writer.issued(job(n), kind="found")
        writer.recorded(scored(2))
        some.refresh(run)
        assert some["state"].tolist() == [0, 0, 1]
        before = some.version
        writer.recorded(scored(0))
        some.refresh(run)
        assert some["state"].tolist() == [1, 0, 1]
        assert some.changed(before).tolist() == [0]
        assert some.outcomes["pending"] == 1


@pytest.fixture
def cases(tmp_path):
    from evonet.job import Job, Scored

    def job(n):
        return Job(decision=n, individual=n, rung=0, genome=b"\x20", ids=(), steps=1, seed=1, key=f"k{n}")

    def scored(n):
        return Scored(decision=n, measures=measures(n), package=b"p", shadow=b"", rounds=())

    return tmp_path / "run", job, scored


_MEASURES = st.builds(
    Measures,
    bytes=st.integers(1, 5000),
    loss=st.floats(0, 20),
    accuracy=st.floats(0, 1),
    choice_loss=st.floats(0, 20),
    choice_accuracy=st.floats(0, 1),
    **{n: st.integers(0, 10**6) for n in ("weights", "nonzero", "macs", "connections", "sheets", "taps", "seen")},
    long_share=st.floats(0, 1),
    train_images=st.integers(1, 60_000),
)
_SETTINGS = st.builds(
    ScoreSettings,
    kind=st.sampled_from(("length", "weighted", "bound", "pareto")),
    size_weight=st.floats(0, 4),
    bound=st.integers(1, 5000),
    size_price=st.floats(0, 4),
)


@given(_MEASURES, _SETTINGS)
def test_many_scores_at_once_are_the_scores(one, settings):
    import msgspec

    known = {name: np.array([value], float) for name, value in msgspec.structs.asdict(one).items()}
    known["state"] = np.array([1])
    assert columns.scores(known, settings, "loss", "accuracy")[0] == pytest.approx(score(one, settings))
    chosen = columns.scores(known, settings, "choice_loss", "choice_accuracy")[0]
    assert chosen == pytest.approx(choice_score(one, settings))
    known["state"] = np.array([2])
    assert np.isnan(columns.scores(known, settings, "loss", "accuracy")[0])


@pytest.mark.parametrize(
    ("conditions", "test"),
    [
        ([("bytes", "<", 300)], lambda r: r.bytes is not None and r.bytes < 300),
        ([("bytes", ">=", 261), ("generation", "=", 2)], lambda r: (r.bytes or 0) >= 261 and r.generation == 2),
        ([("state", "=", "lost")], lambda r: r.state == "lost"),
        ([("state", "!=", "scored")], lambda r: r.state != "scored"),
        ([("operator", "=", "tap")], lambda r: "tap" in r.operator),
        ([("kind", "=", "found")], lambda r: r.kind == "found"),
        ([("rung", "=", -1)], lambda r: r.rung == -1),
        ([("choice_loss", ">", 0)], lambda r: r.choice_score is not None),
    ],
)
def test_filters(opened, config, known, conditions, test):
    keep = answers.chosen(known, [Filter(*c) for c in conditions])
    expected = sorted(r.id for r in tables.rows(opened, config.score) if test(r))
    assert np.flatnonzero(keep).tolist() == expected
    assert expected


def test_filters_on_genes(opened, known):
    for feature in genes.FEATURES:
        has = answers.chosen(known, [Filter("gene", "has", feature)])
        lacks = answers.chosen(known, [Filter("gene", "lacks", feature)])
        assert (has ^ lacks).all()
    found = np.flatnonzero(answers.chosen(known, [Filter("gene", "has", "lattice")]))
    for id in found:
        assert "lattice" in details(opened, int(id), ScoreSettings())["toml"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '[["bytes","~",1]]',
        '[["bytes","<","x"]]',
        '[["gene","has","</script>"]]',
        '[["__class__","<",1]]',
        json.dumps([["bytes", "<", 1]] * 33),
        "[" * 5000,
        '[["bytes","<",NaN]]',
    ],
)
def test_questions_that_make_no_sense_are_refused_in_words(known, text):
    with pytest.raises(QueryError):
        answers.chosen(known, answers.filters(text))


def test_a_page_is_a_part_of_the_sorted_whole(known):
    keep = np.ones(known.count, bool)
    for name in ("bytes", "score", "id", "choice_loss"):
        for descending in (False, True):
            whole = answers.page(known, keep, name, descending, 0, 500)["rows"]
            values = [r[name] for r in whole if r[name] is not None]
            assert values == sorted(values, reverse=descending)
            assert [r["id"] for r in whole if r[name] is None] == sorted(r["id"] for r in whole if r[name] is None)
            assert answers.page(known, keep, name, descending, 3, 2)["rows"] == whole[3:5]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40), st.booleans(), st.booleans())
def test_the_front_is_what_nothing_dominates(points, more_x, more_y):
    some = _made(points)
    keep = np.ones(len(points), bool)
    found = answers.front(some, keep, "bytes", "taps", (more_x, more_y))
    signed = [((-x if more_x else x), (-y if more_y else y)) for x, y in points]
    good = {p for p in signed if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in signed)}
    assert {signed[i] for i in found} == good
    assert len(found) == len(good)


def _made(points):
    some = Columns(ScoreSettings(), 4)
    some._grow(max(1, len(points)))
    some.count = len(points)
    for i, (x, y) in enumerate(points):
        some._all["bytes"][i], some._all["taps"][i] = x, y
    return some


def test_bins_hold_everybody_once(known):
    keep = np.ones(known.count, bool)
    told = answers.spread(known, keep, "bytes", "accuracy", (True, False), "generation")
    assert sum(told["count"]) == told["total"] == 20
    atlas = answers.atlas(known, keep)
    assert sum(cell[2] for cell in atlas["cells"]) == atlas["total"] == 20
    assert sum(answers.bands(known, keep, "score")["count"]) == 20


def test_lineage_is_that_of_the_store(opened, known):
    told = answers.lineage(known, 20)
    assert sorted(r["id"] for r in told["rows"]) == sorted(a.id for a in opened.lineage(20))
    by_id = {r["id"]: c for r, c in zip(told["rows"], told["children"], strict=True)}
    everyone = [a for i in range(24) for a in opened.individual(i).parents]
    assert all(by_id[i][0] == everyone.count(i) for i in by_id)


def test_a_long_statement_is_stopped(run_path):
    with (
        Reader(run_path, limit_s=0.05) as run,
        pytest.raises(StoreError, match=r"took more than 0\.05 s and was stopped"),
    ):
        run._rows(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000000) SELECT count(*) FROM n"
        )


def test_details_are_what_the_plan_says(opened, config):
    told = details(opened, 20, config.score)
    assert told["problem"] == ""
    plan, parts = told["plan"], dict(told["package"]["parts"])
    assert sum(s["connections"] for s in plan["stages"]) > 0
    assert sum(parts.values()) == pytest.approx(len(base64.b64decode(told["package"]["base64"])), abs=3)
    for tensor in plan["tensors"]:
        assert len(base64.b64decode(tensor["weights"])) == 4 * np.prod(tensor["shape"], dtype=int)


def test_a_damaged_genome_is_a_problem_in_words(opened, config):
    told = details(opened, 12, config.score)
    assert "genome" in told["problem"]
    assert len(told["evaluations"]) == 1


def test_wire_comes_back():
    head, arrays = {"a": 1}, {"x": np.arange(3, dtype="i4"), "y": np.array([0.5, np.nan]), "z": np.zeros(0, "u1")}
    data = wire.packed(head, arrays)
    length = int.from_bytes(data[:4], "little")
    told = json.loads(data[4 : 4 + length])
    assert (length + 4) % 8 == 0
    for name, kind, at, count in told["columns"]:
        np.testing.assert_array_equal(np.frombuffer(data, kind, count, 4 + length + at), arrays[name])
    assert zlib.decompress(base64.b64decode(wire.deflated(data))) == data


def test_the_report_is_one_inert_file(report):
    text = report.read_text(encoding="utf-8")
    assert not any(attack in text for attack in ATTACKS if "<" in attack)
    assert "\u2028" not in text
    page = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href|url|import|fetch)\s*[=(]\s*["']?(?:https?:)?//""", page)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    for tag in ("script", "style"):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(bodies) == 1
        assert base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_itself_is_small():
    assert len(assemble.report_page([]).encode()) <= 150_000


def test_every_script_of_the_folder_is_in_the_page():
    from importlib.resources import files

    there = {f.name.removesuffix(".js") for f in files("evonet.report.viewer").joinpath("js").iterdir()}
    assert there == set(assemble.SCRIPTS)


def test_an_empty_run_says_so(tmp_path, config):
    with (
        RunWriter.create(tmp_path / "run", config="", seed=1, population=4, provenance={}),
        Reader(tmp_path / "run") as run,
    ):
        _, notice = document.load(run, config)
        assert notice == "This run has no individual yet."
        assert assemble.report(run, config, path="RUN", best_k=3)


def test_a_newer_run_is_shown_with_a_word_about_it(tmp_path, config):
    with RunWriter.create(tmp_path / "run", config="", seed=1, population=4, provenance={}):
        pass
    db = sqlite3.connect(tmp_path / "run" / "run.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with Reader(tmp_path / "run") as run:
        _, notice = document.load(run, config)
    assert notice.startswith("This run was written with schema version 99, by a newer evonet")


def test_a_damaged_run_is_shown_as_far_as_it_goes(tmp_path, run_path, config):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run_path, copy)
    file = copy / "run.db"
    db = sqlite3.connect(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'parent'").fetchone()[0]
    size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(data)
    with Reader(copy) as run:
        _, notice = document.load(run, config)
        assert "damaged and shown as far as it could be read" in notice
        assert assemble.report(run, config, path="RUN", best_k=3)
