import shutil
from pathlib import Path

import pytest

from evonet.errors import RunExists, RunLocked, StoreError
from evonet.job import Diverged, Lost, Measures, Rejected, Round, Start
from evonet.store import RunWriter, open_run


def test_created_folder_is_complete_and_says_what_it_is(writer):
    assert sorted(p.name for p in writer.path.iterdir() if not p.name.endswith(("-wal", "-shm"))) == [
        "ballast",
        "lock",
        "logs",
        "run.db",
    ]
    with open_run(writer.path) as run:
        assert (run.seed, run.population, run.state, run.live) == (7, 4, "running", True)
        assert run.config == 'population = 4\nname = "ä"\n'
        assert run.provenance == {"torch": "2.13", "cores": 2}
        assert run.counts() == (0, {"scored": 0, "diverged": 0, "rejected": 0, "lost": 0}, 0)
    assert [p.name for p in writer.path.parent.iterdir()] == ["run"]  # nothing temporary is left


def test_durable_settings(writer):
    values = {
        name: writer._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert writer._db.execute("PRAGMA application_id").fetchone()[0] == 0x45564F4E


@pytest.mark.parametrize("there", ["run", "other folder", "file", "dangling link"])
def test_nothing_is_overwritten(create, tmp_path, there):
    path = tmp_path / "run"
    if there == "run":
        create().close()
    elif there == "other folder":
        path.mkdir()
        (path / "mine").write_text("precious")
    elif there == "file":
        path.write_text("precious")
    else:
        path.symlink_to(tmp_path / "nowhere")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(
        RunExists, match=r"run: is there already and is never overwritten; `evonet resume .*run` goes on with it"
    ) as e:
        create()
    assert e.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_an_empty_folder_is_nothing(create, tmp_path):
    (tmp_path / "run").mkdir()
    create().close()
    with open_run(tmp_path / "run") as run:
        assert run.seed == 7


def test_create_where_it_cannot_be(create, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/run: cannot create the run: .*choose another --run"):
        create("file/run")


def test_a_failed_create_leaves_nothing(create, tmp_path):
    with pytest.raises(StoreError, match=r"cannot create the run: CHECK constraint failed: population"):
        create(population=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "outcome",
    [
        Diverged(decision=0, step=41, reason="loss is nan"),
        Rejected(decision=0, reason="9e12 MACs"),
        Lost(decision=0, reason="worker died", cause="SIGKILL", attempts=3),
    ],
    ids=["diverged", "rejected", "lost"],
)
def test_failures_come_back_as_they_were(writer, job, outcome):
    writer.issued(job(0), kind="found")
    writer.recorded(outcome)
    with open_run(writer.path) as run:
        assert [d.outcome for d in run.decisions()] == [d.outcome for d in run.failures()] == [outcome]
    assert writer.find("key0") == (None if isinstance(outcome, Lost) else outcome)


def test_an_evaluation_comes_back_bit_for_bit(writer, job, scored):
    first, outcome = job(0, rung=-1, seen=99, seed=2**63 - 1), scored(0)
    writer.issued(first, kind="seed", operator="seed")
    assert writer.find("key0") is None
    writer.recorded(outcome)
    assert writer.find("key0") == outcome
    with open_run(writer.path) as run:
        (decision,) = run.decisions(weights=True)
    assert decision.outcome == outcome
    fields = ("decision", "individual", "rung", "steps", "seen", "seed", "key", "genome", "ids")
    assert [getattr(decision, f) for f in fields] == [getattr(first, f) for f in fields]


def test_every_measure_has_a_column(writer):
    columns = {row["name"] for row in writer._db.execute("PRAGMA table_info(evaluation)")}
    assert set(Measures.__struct_fields__) <= columns


def test_an_outcome_is_recorded_once(writer, job, scored):
    writer.issued(job(0), kind="found")
    writer.recorded(scored(0, seconds=1.0))
    writer.recorded(scored(0, seconds=2.0))  # the same but for wall time
    for other in (scored(0, package=b"other"), Rejected(decision=0, reason="no"), scored(0, shadow=b"")):
        with pytest.raises(StoreError, match=r"decision 0 is recorded as scored, came another outcome"):
            writer.recorded(other)
    with open_run(writer.path) as run:
        assert [d.outcome for d in run.decisions(weights=True)] == [scored(0, seconds=1.0)]


def test_an_outcome_without_a_decision(writer, scored):
    with pytest.raises(StoreError, match=r"decision 3 was never issued"):
        writer.recorded(scored(3))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_non_finite_number_is_refused(writer, job, scored, value):
    writer.issued(job(0), kind="found")
    bad_loss = Measures(**{**dict.fromkeys(Measures.__struct_fields__, 1), "loss": value})
    with pytest.raises(StoreError, match=r"decision 0: measures\.loss = .*expected a finite number"):
        writer.recorded(scored(0, measures=bad_loss))
    bad_round = Round(steps=1, train_loss=1.0, float_loss=value, loss=1.0, bytes=1)
    with pytest.raises(StoreError, match=r"rounds\[0\]\.float_loss"):
        writer.recorded(scored(0, rounds=(bad_round,)))
    with open_run(writer.path) as run:
        assert run.counts().in_flight == 1


def test_issuing_again_must_be_the_same(writer, job):
    writer.issued(job(0), kind="found", operator="sample")
    writer.issued(job(0), kind="found", operator="sample")
    with pytest.raises(
        StoreError, match=r"decision 0: steps = 151, recorded 150; equal outcomes must give equal decisions"
    ):
        writer.issued(job(0, steps=151), kind="found", operator="sample")
    with pytest.raises(StoreError, match=r"decision 0: operator = 'widen', recorded 'sample'"):
        writer.issued(job(0), kind="found", operator="widen")


def test_individuals_number_densely(writer, job):
    with pytest.raises(StoreError, match=r"decision 0: birth of individual 2, expected 0; individuals number densely"):
        writer.issued(job(0, 2), kind="found")
    writer.issued(job(0), kind="found")
    with pytest.raises(StoreError, match=r"birth of individual 0, expected 1"):
        writer.issued(job(1, 0), kind="breed", parents=(0,))


def test_a_promotion_is_of_the_same_genome(writer, job):
    writer.issued(job(0), kind="found")
    with pytest.raises(StoreError, match=r"decision 1: genome = b'another', recorded b'genome 0'"):
        writer.issued(job(1, 0, genome=b"another"), kind="promote")
    with open_run(writer.path) as run:
        assert run.counts().issued == 1


def test_parents_must_be_there(writer, job):
    with pytest.raises(StoreError, match=r"cannot be written: FOREIGN KEY constraint failed"):
        writer.issued(job(0), kind="breed", parents=(8,))
    with open_run(writer.path) as run:
        assert run.counts().individuals == 0  # the whole birth is taken back


@pytest.mark.parametrize("before, decision", [(1, 0), (5, 0), (6, 5), (99, 5)])
def test_start_is_the_last_one_before_a_decision(family, before, decision):
    ids = ((0, 0), (0, 1))
    expected = Start(genome=b"genome 0", ids=ids, package=b"package %d" % decision, shadow=b"\0\1")
    assert family.start_of(0, before=before) == expected


def test_no_start_before_it_is_scored(family):
    assert family.start_of(0, before=0) is None
    assert family.start_of(5, before=99) is None  # in flight
    assert family.start_of(77, before=99) is None


def test_find_gives_the_first_of_equal_keys(writer, job, scored):
    for n in range(3):
        writer.issued(job(n, key="twin"), kind="found")
    writer.recorded(scored(1))
    found = writer.find("twin")
    assert found == scored(1)
    writer.recorded(scored(2, package=found.package), cached_from=found.decision)
    assert writer.find("twin") == found
    with open_run(writer.path) as run:
        assert [d.cached_from for d in run.decisions()] == [None, None, 1]


def test_events_and_attempts(writer, job):
    writer.issued(job(0), kind="found")
    writer.event("lost", "worker 3 died", decision=0, data={"signal": 9})
    writer.event("stop", "Ctrl-C")
    writer.attempt(0, 1, "worker 3", "died")
    writer.set_state("stopped")
    with open_run(writer.path) as run:
        assert [e[2:] for e in run.events()] == [
            ("lost", "worker 3 died", 0, {"signal": 9}),
            ("stop", "Ctrl-C", None, None),
        ]
        assert [a[:4] for a in run.attempts()] == [(0, 1, "worker 3", "died")]
        assert run.state == "stopped"


def test_commit_time_is_measured(writer):
    before = writer.commit_seconds
    writer.event("note", "x")
    assert writer.commit_seconds > before >= 0


def test_a_stale_driver_cannot_write(writer, job, scored):
    writer.issued(job(0), kind="found")
    (writer.path / "lock").unlink()  # as on a file system whose locks do not hold
    with RunWriter.open(writer.path) as second:
        writes = [
            lambda: writer.recorded(scored(0)),
            lambda: writer.issued(job(1), kind="found"),
            lambda: writer.event("note", "late"),
            lambda: writer.set_state("finished"),
        ]
        for write in writes:
            with pytest.raises(
                RunLocked, match=r"epoch 1, the run has 2: another has taken over; nothing was written"
            ) as e:
                write()
            assert e.value.exit_code == 4
        second.recorded(scored(0))
    with open_run(writer.path) as run:
        assert (run.counts().recorded["scored"], list(run.events()), run.state) == (1, [], "running")


@pytest.mark.parametrize(
    "pragma, said",
    [("max_page_count = 1", "database or disk is full"), ("query_only = ON", "attempt to write a readonly database")],
)
def test_a_disk_that_refuses(writer, job, scored, pragma, said):
    writer.issued(job(0), kind="found")
    writer._db.execute(f"PRAGMA {pragma}")
    with pytest.raises(StoreError, match=rf"cannot be written: {said}.*recorded is safe.*evonet resume .*run` goes on"):
        writer.recorded(scored(0, package=b"x" * 100_000))
    writer._db.execute("PRAGMA query_only = OFF")
    writer._db.execute("PRAGMA max_page_count = 1000000")
    writer.recorded(scored(0))  # the transaction was taken back, so the same writer goes on
    assert writer.find("key0") == scored(0)


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(StoreError, match=r"x: expected the folder of a run, came nothing there"):
        RunWriter.open(tmp_path / "x")
    with pytest.raises(StoreError, match=r"came a folder without run\.db"):
        RunWriter.open(tmp_path)


def test_the_driver_checks_the_whole_file(family):
    family.close()
    database = family.path / "run.db"
    damaged = bytearray(database.read_bytes())
    page = 4096 * (len(damaged) // 4096 // 2)
    damaged[page : page + 64] = b"\xff" * 64
    database.write_bytes(damaged)
    with pytest.raises(
        StoreError,
        match=r"run\.db: .*(damaged|malformed).*Restore the whole run folder .*, or see .*`evonet doctor .*run`",
    ):
        RunWriter.open(family.path)
    with pytest.raises(StoreError, match=r"damaged|malformed"):  # and lets the lock go
        RunWriter.open(family.path)


def test_a_moved_run_goes_on(family, tmp_path, job):
    family.close()
    shutil.move(family.path, tmp_path / "moved")
    with RunWriter.open(tmp_path / "moved") as writer:
        writer.issued(job(7, 6), kind="found")
        assert writer._db.execute("SELECT epoch FROM run").fetchone()[0] == 2


def test_a_copied_run_is_not_live(family, tmp_path):
    shutil.copytree(family.path, tmp_path / "copy")
    with open_run(family.path) as run, open_run(tmp_path / "copy") as copy:
        assert (run.live, copy.live) == (True, False)
        assert list(run.decisions(weights=True)) == list(copy.decisions(weights=True))
        assert isinstance(copy.path, Path)
