"""SQLite's order of scores is that of `evonet.evolution.score`."""

import sqlite3

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonet.evolution.score import choice_score, score
from evonet.evolution.settings import ScoreSettings
from evonet.job import Job, Measures, Scored
from evonet.report.ranking import order_sql, score_sql
from evonet.report.tables import best_of, best_rows, rows
from evonet.store import RunWriter, open_run

MEASURES = Measures(
    bytes=5, loss=1.0, accuracy=0.5, weights=1, nonzero=1, macs=1, connections=1, sheets=1, taps=1, long_share=0.0,
    seen=1, train_images=900, corrupted_loss=3.0, corrupted_accuracy=0.125,
)  # fmt: skip
SETTINGS = [
    ScoreSettings(),
    ScoreSettings(size_weight=1e-7),
    ScoreSettings(kind="weighted", size_price=0.3),
    ScoreSettings(kind="bound", bound=100),
    ScoreSettings(kind="pareto"),
    ScoreSettings(corrupted=0.3),
    ScoreSettings(kind="weighted", corrupted=0.3),
    ScoreSettings(kind="bound", bound=100, corrupted=1.0),
]
LOSS = st.floats(0, 60)
QUALITY = st.tuples(st.integers(1, 200), LOSS, st.floats(0, 1), st.none() | LOSS)


@settings(max_examples=50, deadline=None)
@given(QUALITY, st.sampled_from(SETTINGS))
def test_a_score_in_sql_is_the_score(quality, scoring):
    size, loss, accuracy, choice = quality
    m = msgspec.structs.replace(
        MEASURES, bytes=size, loss=loss, accuracy=accuracy, choice_loss=choice, choice_accuracy=0.25
    )
    with sqlite3.connect(":memory:") as db:
        db.execute(
            "CREATE TABLE e (bytes, loss REAL, accuracy REAL, choice_loss REAL, choice_accuracy REAL, train_images, "
            "corrupted_loss REAL, corrupted_accuracy REAL)"
        )
        db.execute("INSERT INTO e VALUES (?, ?, ?, ?, 0.25, 900, 3.0, 0.125)", (size, loss, accuracy, choice))
        split = {"loss": "choice_loss", "accuracy": "choice_accuracy"}
        found = db.execute(f"SELECT {score_sql(scoring)}, {score_sql(scoring, **split)} FROM e").fetchone()  # noqa: S608
    assert found[0] == pytest.approx(score(m, scoring), rel=1e-12)
    if choice is not None:
        assert found[1] == pytest.approx(choice_score(m, scoring), rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 1, -1]), QUALITY), max_size=12, unique_by=lambda e: e[2][1]
    ),
    st.sampled_from(SETTINGS),
)
def test_the_best_without_reading_all_is_the_best(tmp_path_factory, evaluations, scoring):
    path = tmp_path_factory.mktemp("ranking") / "run"
    with RunWriter.create(path, config="", seed=1, population=4, provenance={}) as writer:
        writer._db.execute("PRAGMA synchronous = OFF")
        everybody = [(i, 0, (50, 70.0 + i, 0.0, None)) for i in range(4)]
        for n, (individual, rung, (size, loss, accuracy, choice)) in enumerate([*everybody, *evaluations]):
            job = Job(decision=n, individual=individual, rung=rung, genome=b"g", ids=(), steps=1, seed=1, key=str(n))
            writer.issued(job, kind="found" if n < 4 else "promote")
            quality = {"bytes": size, "loss": loss, "accuracy": accuracy, "choice_loss": choice}
            m = msgspec.structs.replace(MEASURES, **quality, choice_accuracy=None if choice is None else 0.25)
            writer.recorded(Scored(decision=n, measures=m, package=b"", shadow=b"", rounds=()))
    with open_run(path) as run:
        (expected,) = best_rows(rows(run, scoring), 1)
        found = best_of(run, scoring)
    done = found.rung == -1 and found.choice_score is not None
    assert (done, found.choice_score if done else found.score) == (
        expected.rung == -1 and expected.choice_score is not None, expected.choice_score if done else expected.score,
    )  # fmt: skip


def test_the_order_prefers_the_finished():
    assert order_sql(ScoreSettings()).startswith("(rung = -1 AND choice_loss IS NOT NULL")
