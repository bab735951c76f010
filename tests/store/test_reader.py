import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from evonet.errors import StoreError
from evonet.job import Diverged, Scored
from evonet.store import RunWriter, open_run


def test_decisions_in_order_with_the_one_in_flight(family):
    with open_run(family.path) as run:
        decisions = list(run.decisions())
        assert [d.decision for d in decisions] == list(range(7))
        assert [d.individual for d in decisions] == [0, 1, 2, 3, 4, 0, 5]
        assert [d.parents for d in decisions] == [(), (), (0, 1), (2,), (3, 0), (0,), (4,)]
        assert [d.kind for d in decisions] == ["seed", "found", "breed", "breed", "breed", "promote", "breed"]
        assert decisions[6].outcome is None
        assert run.counts() == (7, {"scored": 6, "diverged": 0, "rejected": 0, "lost": 0}, 6)
        assert run.counts().in_flight == 1


@pytest.mark.parametrize("page", [1, 2, 64])
def test_the_past_is_all_decisions_without_rounds_and_times(family, page, monkeypatch):
    def bare(decision):
        outcome = decision.outcome
        if isinstance(outcome, Scored):
            outcome = replace(outcome, rounds=(), seconds=0.0, single_ms=None, batched_ms=None)
        return replace(decision, outcome=outcome, cached_from=None)

    monkeypatch.setattr("evonet.store.reader.SMALL_PAGE", page)
    with open_run(family.path) as run:
        past = list(run.past())
        assert past == [bare(decision) for decision in run.decisions()]
    assert {type(decision.outcome) for decision in past} >= {Scored, type(None)}
    assert any(len(decision.parents) == 2 for decision in past)


def test_order_is_that_of_decisions_not_of_arrival(writer, job, scored):
    for n in range(5):
        writer.issued(job(n), kind="found")
    for n in (3, 0, 4, 2, 1):
        writer.recorded(scored(n))
    with open_run(writer.path) as run:
        assert [d.decision for d in run.decisions()] == [0, 1, 2, 3, 4]


def test_blobs_only_when_asked(family):
    with open_run(family.path) as run:
        light = [d.outcome for d in run.decisions()]
        heavy = [d.outcome for d in run.decisions(weights=True)]
    assert {o.package for o in light if isinstance(o, Scored)} == {b""}
    assert [o.package for o in heavy if isinstance(o, Scored)] == [b"package %d" % n for n in range(6)]


def test_individual_in_full(family, scored):
    with open_run(family.path / "run.db") as run:
        one = run.individual(0)
        assert (one.id, one.decision, one.generation, one.kind, one.operator) == (0, 0, 0, "seed", "seed")
        assert (one.genome, one.ids, one.parents) == (b"genome 0", ((0, 0), (0, 1)), ())
        assert [e.decision for e in one.evaluations] == [0, 5]
        assert one.latest == run.latest(0)
        assert one.latest.seen == 9600
        assert run.package(0) == b"package 5"
        newest = run.individual(5)
        assert (newest.generation, newest.parents, newest.latest) == (1, (4,), None)
        assert run.latest(5) is None
        assert run.package(5) is None


def test_digest_of_an_individual_is_that_of_its_code(writer, job):
    code = pytest.importorskip("evonet.genome.code")
    genes = pytest.importorskip("evonet.genome.genes")
    genome = genes.Genome(sheets=(genes.SheetGene(),))
    writer.issued(job(0, genome=code.encode(genome)), kind="found")
    with open_run(writer.path) as run:
        assert run.individual(0).digest == code.digest(genome)


def test_individuals_by_generation(family):
    with open_run(family.path) as run:
        assert [i.id for i in run.individuals()] == [0, 1, 2, 3, 4, 5]
        assert [i.id for i in run.individuals(0)] == [0, 1, 2, 3]
        assert [i.id for i in run.individuals(1)] == [4, 5]
        assert [list(run.individuals(g)) for g in (2, -1, 10**30)] == [[], [], []]
        assert list(run.individuals())[3] == run.individual(3)


@pytest.mark.parametrize("ask", ["individual", "latest", "package", "lineage"])
@pytest.mark.parametrize("id", [-1, 6, 10**30])
def test_no_such_individual(family, ask, id):
    with open_run(family.path) as run, pytest.raises(StoreError, match=rf"run: no individual {id}; there are 0\.\.5"):
        getattr(run, ask)(id)


def test_no_individual_yet(writer):
    with open_run(writer.path) as run, pytest.raises(StoreError, match=r"no individual 0; there is none yet"):
        run.individual(0)


def test_lineage_nearest_first_each_once(family):
    with open_run(family.path) as run:
        assert run.lineage(4) == [
            (4, (3, 0), "cross", 0),
            (3, (2,), "widen", 1),
            (0, (), "seed", 1),
            (2, (0, 1), "cross", 2),
            (1, (), "sample", 3),
        ]
        assert run.lineage(1) == [(1, (), "sample", 0)]


def test_a_reader_sees_what_was_written_since(writer, job, scored):
    with open_run(writer.path) as run:
        writer.issued(job(0), kind="found")
        assert run.counts().in_flight == 1
        writer.recorded(scored(0))
        assert run.counts().recorded["scored"] == 1


def test_a_stalled_reader_stops_nobody(create, job, scored, monkeypatch):
    monkeypatch.setattr("evonet.store.reader.PAGE", 2)
    with create() as writer:
        for n in range(6):
            writer.issued(job(n), kind="found")
        with open_run(writer.path) as run:
            half = run.decisions()
            next(half)
            for n in range(6):
                writer.recorded(scored(n))
            writer._db.execute("PRAGMA busy_timeout = 0")
            # The log is folded back whole while the reader still waits in the middle of its answer.
            assert writer._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            rest = list(half)
            assert [d.decision for d in rest] == [1, 2, 3, 4, 5]
            assert rest[-1].outcome is not None


def test_a_reader_cannot_write(family):
    with open_run(family.path) as run:
        assert run._db.execute("PRAGMA query_only").fetchone()[0] == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            run._db.execute("DELETE FROM event")


@contextmanager
def as_somebody_else(folder):
    """Root may write anywhere, so a read-only folder is only one to another user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(uid)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="evonet-test-"))  # pytest's own are closed to other users
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("left", ["closed", "killed", "killed, without -shm", "live"])
def test_a_read_only_folder(family, open_folder, left):
    with open_run(family.path) as run:
        expected = list(run.decisions(weights=True))
    if left == "closed":
        family.close()
    folder = open_folder / "run"
    shutil.copytree(family.path, folder)  # of an open run: as a kill leaves it
    assert (folder / "run.db-wal").exists() == (left != "closed")
    if left == "killed, without -shm":
        (folder / "run.db-shm").unlink()
    driver = RunWriter.open(folder) if left == "live" else None
    before = sorted(folder.iterdir())
    with as_somebody_else(folder):
        with pytest.raises(OSError, match="denied"):
            (folder / "x").touch()
        with open_run(folder) as run:
            assert list(run.decisions(weights=True)) == expected
            assert run.live == (left == "live")
        with pytest.raises(StoreError, match=r"lock: cannot be written|another driver holds"):
            RunWriter.open(folder)
    assert sorted(folder.iterdir()) == before
    if driver is not None:
        driver.close()


def test_a_copy_without_its_index(family, tmp_path):
    (tmp_path / "copy").mkdir()
    for name in ("run.db", "run.db-wal"):
        shutil.copy(family.path / name, tmp_path / "copy" / name)
    with open_run(tmp_path / "copy") as run:
        assert run.counts().issued == 7
        assert not run.live


@pytest.fixture
def closed(family):
    family.close()
    return family.path / "run.db"


def test_not_sqlite(closed):
    closed.write_text("population = 4\n" * 1000)
    with pytest.raises(
        StoreError, match=r"run\.db: expected the database of a run, cannot read it: file is not a database"
    ):
        open_run(closed)


@pytest.mark.parametrize("content", ["empty file", "another database"])
def test_another_file(closed, content):
    closed.unlink()
    if content == "empty file":
        closed.touch()
    else:
        with closing(sqlite3.connect(closed)) as db:
            db.execute("CREATE TABLE run (x)")
    with pytest.raises(StoreError, match=r"run\.db: expected the database of a run, came another file"):
        open_run(closed)


def test_newer_schema_names_both_versions(closed, alter):
    alter(closed, "PRAGMA user_version = 9")
    with pytest.raises(
        StoreError, match=r"schema version 9, this evonet writes version 1; go on with it with the evonet that"
    ) as e:
        RunWriter.open(closed)
    assert e.value.exit_code == 5


def test_a_newer_run_is_read_as_far_as_it_has_what_is_read(closed, alter):
    with open_run(closed) as run:
        expected = list(run.decisions(weights=True))
        assert (run.version, run.newer) == (1, False)
    alter(closed, "PRAGMA user_version = 9")
    alter(closed, "ALTER TABLE evaluation ADD COLUMN joules REAL")
    with open_run(closed) as run:
        assert (run.version, run.newer) == (9, True)
        assert list(run.decisions(weights=True)) == expected
    alter(closed, "ALTER TABLE attempt RENAME COLUMN reason TO why")
    with pytest.raises(StoreError, match=r"version 9, this evonet reads version 1 and finds no attempt\.reason in it"):
        open_run(closed)
    alter(closed, "DROP TABLE event")
    with pytest.raises(StoreError, match=r"version 9, this evonet reads version 1 and finds no event in it"):
        open_run(closed)


def test_missing_table(closed, alter):
    alter(closed, "DROP TABLE event")
    with pytest.raises(
        StoreError, match=r"run\.db: damaged, no table event\. Restore the whole run folder from a copy"
    ):
        open_run(closed)


def test_empty_run_table(closed, alter):
    alter(closed, "DELETE FROM run")
    with pytest.raises(StoreError, match=r"damaged, table run is empty"):
        open_run(closed)


def test_truncation_is_refused_or_harmless_never_a_traceback(closed):
    with open_run(closed) as run:
        whole = list(run.decisions(weights=True))
    content = closed.read_bytes()
    for size in range(0, len(content), 1024):
        closed.write_bytes(content[:size])
        try:
            with open_run(closed) as run:
                assert list(run.decisions(weights=True)) == whole
        except StoreError as error:
            assert "run.db: " in str(error)  # noqa: PT017 - either is right
        with pytest.raises(StoreError):
            RunWriter.open(closed)


def test_a_cut_that_sqlite_takes_for_zeros(closed):
    os.truncate(closed, closed.stat().st_size - 1024)
    for opener in (open_run, RunWriter.open):
        with pytest.raises(StoreError, match=r"run\.db: damaged, cut within a page\. Restore the whole run folder"):
            opener(closed)


def test_unreadable_json(closed, alter):
    alter(closed, "UPDATE individual SET ids = '[[0,'")
    with open_run(closed) as run, pytest.raises(StoreError, match=r"cannot read it: Input data was truncated"):
        list(run.decisions())


def test_ten_thousand_individuals(create, job, scored):
    size = 10_000
    with create(population=100) as writer:
        writer._db.execute("PRAGMA synchronous = OFF")
        for n in range(size):
            writer.issued(job(n), kind="breed" if n else "found", parents=(n - 1,) if n else (), operator="widen")
            writer.recorded(scored(n) if n % 10 else Diverged(decision=n, step=1, reason="nan"))
        with open_run(writer.path) as run:
            assert run.counts() == (size, {"scored": 9000, "diverged": 1000, "rejected": 0, "lost": 0}, size)
            assert [d.decision for d in run.decisions()] == list(range(size))
            assert [i.id for i in run.individuals(99)] == list(range(9900, 10_000))
            assert sum(1 for _ in run.individuals()) == size
            assert len(list(run.failures())) == 1000
            line = run.lineage(size - 1)
            assert [a.id for a in line] == list(range(size - 1, -1, -1))
            assert all(b.depth == a.depth + 1 for a, b in pairwise(line))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM decision d WHERE d.decision > 5 ORDER BY d.decision LIMIT 9",
        "SELECT * FROM decision d WHERE d.individual BETWEEN 1 AND 5 ORDER BY d.individual, d.decision",
        "SELECT * FROM decision d WHERE d.key = 'k' AND d.outcome IN ('scored') ORDER BY d.decision LIMIT 1",
        "SELECT * FROM evaluation WHERE individual = 1 AND outcome = 'scored' ORDER BY decision DESC LIMIT 1",
        "SELECT * FROM decision d WHERE d.outcome IN ('diverged', 'rejected', 'lost') AND d.decision > 5",
    ],
)
def test_no_question_scans_the_table(writer, sql):
    plan = [row["detail"] for row in writer._db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert not [line for line in plan if line.startswith("SCAN") and "subquery" not in line], plan
