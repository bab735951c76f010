"""Watching a run: what is shown agrees with the record, is kept up by what is new, and leaves the driver alone."""

import sqlite3

import pytest
from msgspec.structs import replace

from evonet.config import RunConfig, to_toml
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome.code import encode
from evonet.genome.genes import Genome, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.job import Diverged, Job, Measures, Scored
from evonet.report import tables, watching
from evonet.report.watching import Watch
from evonet.seeds import Stream
from evonet.store import RunWriter, open_run

GENOME = stamp(Genome(sheets=(SheetGene(),)), 0)
CODE, IDS = encode(GENOME), ids_of(GENOME)
MEASURES = Measures(
    bytes=300, loss=1.0, accuracy=0.5, weights=9, nonzero=9, macs=9, connections=9, sheets=1, taps=9, long_share=0.0,
    seen=100, train_images=1000,
)  # fmt: skip


def issue(writer, n, individual, rung=0, kind="found"):
    job = Job(decision=n, individual=individual, rung=rung, genome=CODE, ids=IDS, steps=1, seed=1, key=f"k{n}")
    writer.issued(job, kind=kind)


def record(writer, n, loss, size=300, choice=None):
    measures = replace(MEASURES, loss=loss, bytes=size, choice_loss=choice, choice_accuracy=choice and 0.5)
    writer.recorded(Scored(decision=n, measures=measures, package=b"", shadow=b"", rounds=()))


@pytest.fixture(params=["length", "bound", "weighted", "pareto"])
def writer(tmp_path, request):
    config = RunConfig(
        search=SearchSettings(population=4, individuals=12), score=ScoreSettings(kind=request.param, bound=310)
    )
    with RunWriter.create(tmp_path / "run", config=to_toml(config), seed=1, population=4, provenance={}) as writer:
        yield writer


def grow(writer, births):
    """As a search does: some in flight, some promoted, some diverged, two finished."""
    draw, n = Stream("watch"), 0
    waiting = []
    for individual in range(births):
        issue(writer, n, individual)
        waiting.append(n)
        n += 1
        if individual % 3 == 2:
            issue(writer, n, individual - 2, 1, "promote")
            waiting.append(n)
            n += 1
        while len(waiting) > 3:
            done = waiting.pop(draw.below(3))
            if done % 7 == 5:
                writer.recorded(Diverged(decision=done, step=1, reason="the loss\x1b[2J is not finite"))
            else:
                record(writer, done, 0.1 + draw.below(1000) / 500, 290 + draw.below(40))
        yield n
    for individual in (0, 1):
        issue(writer, n, individual, -1, "finish")
        record(writer, n, 0.2, 295, choice=0.5 - individual / 10)
        n += 1
    yield n


def test_every_look_agrees_with_the_record(writer, monkeypatch):
    monkeypatch.setattr(watching, "_PAGE", 2)  # pages end everywhere
    monkeypatch.setattr(watching, "_AT_ONCE", 2)
    with open_run(writer.path) as run:
        watch = Watch(run, top=3)
        assert watch.look().best is None
        settings = tables.config_of(run).score
        for _ in grow(writer, 12):
            frame, state, rows = watch.look(), tables.status(run), tables.rows(run, settings)
            assert frame.outcomes == state.outcomes
            assert (frame.individuals, frame.wanted, frame.state) == (state.individuals, 12, "running")
            assert frame.best == state.best
            assert list(frame.top) == tables.best_rows(rows, 3)
            newest = [r.score for r in rows if r.generation == frame.generation and r.score is not None]
            assert frame.mean == (pytest.approx(sum(newest) / len(newest)) if newest else None)
            for g, best in enumerate(frame.bests):
                assert best == max((r.score for r in rows if r.generation == g and r.score is not None), default=None)
        assert frame.finishing
        assert (frame.top[0].id, frame.top[0].rung) == ((1, -1) if settings.kind != "weighted" else (0, -1))
        assert frame == replace(Watch(run, top=3).look(), per_minute=frame.per_minute, span=frame.span,
                                minutes_left=frame.minutes_left)  # fmt: skip


def test_an_older_evaluation_that_ends_later_changes_nothing(writer):
    with open_run(writer.path) as run:
        watch = Watch(run)
        issue(writer, 0, 0)
        issue(writer, 1, 0, 1, "promote")
        record(writer, 1, 0.5)
        later = watch.look().best
        record(writer, 0, 0.1)
        frame = watch.look()
        assert frame.best == later == tables.status(run).best
        assert frame.mean == frame.bests[0] == later.score


def test_between_two_looks_nothing_is_held(writer):
    with open_run(writer.path) as run:
        watch = Watch(run)
        for _ in grow(writer, 8):
            watch.look()
            with sqlite3.connect(writer.path / "run.db", timeout=0) as db:
                assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0  # 1: a reader is in the way
            db.close()


def test_the_rate_counts_the_last_minute(writer, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    with open_run(writer.path) as run:
        watch = Watch(run)
        for n in range(12):
            issue(writer, n, n)
        for n in range(12):
            record(writer, n, 1.0)
            frame = watch.look()
            clock[0] += 10 if n < 8 else 20
        assert frame.span == "the last 60 s"
        assert frame.per_minute == pytest.approx(60 * 3 / 60)
        assert frame.minutes_left is None  # all are born


def test_a_driver_that_was_killed_is_dead(writer):
    path = writer.path
    for _ in grow(writer, 8):
        pass
    writer.close()
    with open_run(path) as run:
        frame = Watch(run).look()
    assert frame.state == "dead"
    assert frame.per_minute is None  # nobody knows when it died
    assert "diverged" in frame.newest_failure
