"""Forks at the level of rows, full disks, damage, and a run of the first version."""

import gzip
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from evonet.errors import DiskFull, RunExists, StoreError
from evonet.store import RunWriter, open_run, run_digest
from evonet.store.ballast import BALLAST, LEAST, SIZE, is_full, reserve
from evonet.store.copying import copy_history
from evonet.store.repair import examine, repair
from evonet.store.schema import connect

GOLDEN = Path(__file__).parents[1] / "golden" / "run-1.db.gz"


@pytest.fixture
def golden(tmp_path):
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "run.db").write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    return tmp_path / "golden"


def test_a_run_of_version_1_opens_and_is_what_it_was(golden):
    with open_run(golden) as run:
        assert (run.version, run.newer, run.counts().individuals, run.state) == (1, False, 7, "stopped")
        assert run_digest(run) == "c66959b4efbdfd537340ffc805faa992226d5887d0bc2a65e7321df8b44df231"
        assert run.config == run.first_config
        assert [d.decision for d in run.past()] == list(range(9))
    RunWriter.open(golden).close()


def fork_of(run, path, before):
    with RunWriter.create(
        path,
        config=run.config,
        seed=run.seed,
        population=run.population,
        provenance={},
        fill=lambda db: copy_history(run, db, before=before, at="now", events=[("fork", "of it", before, {"a": 1})]),
    ):
        pass  # fmt: skip
    return path


def test_a_copied_beginning_is_the_beginning(family, tmp_path, alter):
    family.event("note", "early", decision=2, data={"x": 1})
    family.event("note", "late", decision=5)
    family.attempt(1, 1, "worker", "died")
    with open_run(family.path) as run:
        path = fork_of(run, tmp_path / "fork", 5)
        with open_run(path) as copy:
            assert list(copy.decisions(weights=True)) == [d for d in run.decisions(weights=True) if d.decision < 5]
            assert list(copy.attempts()) == list(run.attempts())
            assert [e[2:] for e in copy.events()] == [("note", "early", 2, {"x": 1}), ("fork", "of it", 5, {"a": 1})]
            assert copy.lineage(4) == run.lineage(4)
            assert copy._rows("PRAGMA foreign_key_check") == []


def test_what_is_in_flight_cannot_be_copied(family, tmp_path):
    with open_run(family.path) as run:
        with pytest.raises(StoreError, match=r"decision 6 is not done, and a fork before decision 7 copies it.*resume"):
            fork_of(run, tmp_path / "fork", 7)
        with pytest.raises(RunExists):
            fork_of(run, family.path, 3)
    assert not (tmp_path / "fork").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_the_newest_configuration_is_in_force(family):
    family.event("configure", "", 3, {"change": {"type": "configure", "config": "a = 1"}})
    family.event("configure", "", 5, {"change": {"type": "configure", "config": "a = 2"}})
    with open_run(family.path) as run:
        assert (run.config, run.first_config) == ("a = 2", 'population = 4\nname = "ä"\n')


def test_a_driver_keeps_a_little_room_back(create):
    with create() as writer:
        assert (writer.path / BALLAST).stat().st_size == SIZE
        writer.give_up("no room")
        assert not (writer.path / BALLAST).exists()
        with open_run(writer.path) as run:
            assert (run.state, [e.kind for e in run.events()]) == ("stopped", ["disk full"])
    with create("other") as writer:
        pass
    assert not (writer.path / BALLAST).exists()


def test_a_driver_does_not_begin_without_room(tmp_path, monkeypatch, create):
    create().close()
    usage = shutil.disk_usage(tmp_path)._replace(free=LEAST)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match=r"1\.0 MB free on its disk, expected at least 1\.2 MB.*make room, then") as e:
        RunWriter.open(tmp_path / "run")
    assert e.value.exit_code == 75
    monkeypatch.undo()
    RunWriter.open(tmp_path / "run").close()


def test_a_full_disk_is_told_from_other_faults(tmp_path):
    assert is_full(OSError(28, "No space left on device"), tmp_path)
    assert not is_full(OSError(13, "Permission denied"), tmp_path)
    assert not is_full(ValueError(), tmp_path)
    reserve(tmp_path)


FILL = """
import os, sys
sys.path.insert(0, sys.argv[2])
from conftest import make_job, make_scored
from evonet.errors import DiskFull
from evonet.store import RunWriter, open_run
with open_run(sys.argv[1]) as run:
    n = run.counts().issued
try:
    with RunWriter.open(sys.argv[1]) as writer:
        try:
            while True:
                writer.issued(make_job(n), kind="found")
                writer.recorded(make_scored(n, package=os.urandom(3000), shadow=os.urandom(int(sys.argv[3]))))
                print("recorded", n, flush=True)
                n += 1
        except DiskFull as error:
            writer.give_up(str(error))
            raise
except DiskFull as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB, where this machine lets us have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("shadow", [500, 7_000, 100_000])
def test_a_disk_that_fills_up_loses_nothing(small_disk, tmp_path, create, shadow):
    create("disk/run").close()
    command = [sys.executable, "-c", FILL, small_disk / "run", Path(__file__).parent, str(shadow)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert "recorded is safe" in done.stderr
    said = done.stdout.split("\n")[:-1]
    assert said
    with open_run(small_disk / "run") as run:  # looking needs no room
        assert run.state == "stopped"
        assert run.counts().recorded["scored"] >= len(said)
    larger = tmp_path / "larger"
    shutil.copytree(small_disk / "run", larger)
    assert examine(larger, lambda _: True).faults == []
    with RunWriter.open(larger) as writer, open_run(larger) as run:
        known = [d.decision for d in run.decisions(weights=True) if d.outcome is not None]
        assert known == list(range(len(known)))
        assert len(known) >= len(said)
        writer.event("note", "goes on")


def damage(path, page):
    data = bytearray(path.read_bytes())
    data[4096 * page : 4096 * (page + 1)] = os.urandom(4096)
    path.write_bytes(data)


def test_doctor_finds_a_whole_run_whole(family):
    health = examine(family.path, lambda _: True)
    assert (health.version, health.faults, health.decisions, health.issued, health.end) == (1, [], 7, 7, "")
    assert health.tables["individual"] == 6


def test_wherever_it_is_damaged_what_is_kept_is_a_beginning(family, tmp_path, job, scored):
    for n in range(7, 60):
        family.issued(job(n, n - 1), kind="found")
        family.recorded(scored(n, shadow=os.urandom(2000)))
    family.recorded(scored(6))
    with open_run(family.path) as run:
        expected = list(run.decisions(weights=True))
    family.close()
    whole = (family.path / "run.db").read_bytes()
    kept = []
    for page in range(1, len(whole) // 4096):
        (family.path / "run.db").write_bytes(whole)
        damage(family.path / "run.db", page)
        before = (family.path / "run.db").read_bytes()
        target = tmp_path / f"repaired{page}"
        try:
            count = repair(family.path, target, lambda _: True).decisions
        except StoreError as error:
            assert "cannot be read" in str(error)  # noqa: PT017 - the page of table run
            assert not target.exists()
            continue
        assert (family.path / "run.db").read_bytes() == before
        with open_run(target) as run:
            assert list(run.decisions(weights=True)) == expected[:count]
        RunWriter.open(target).close()
        kept.append(count)
        shutil.rmtree(target)
    assert max(kept) == 60  # an index, say
    assert min(kept) < 60
    assert len(kept) >= len(whole) // 4096 - 4


def test_repair_overwrites_nothing_and_says_where_a_run_ends(family, tmp_path, alter):
    with pytest.raises(RunExists):
        repair(family.path, family.path, lambda _: True)
    alter(family.path / "run.db", "DELETE FROM weights WHERE decision = 4")
    health = examine(family.path, lambda _: True)
    assert (health.decisions, health.end) == (4, "decision 4: its weights are missing")
    for decision in (None, 3, 4, 5):
        family.event("cull", "of a later decision, if of any", decision)
    assert repair(family.path, tmp_path / "new", lambda _: True) == (4, 1, True)
    assert examine(family.path, lambda package: package != b"package 2").end.startswith("decision 2: its package has")
    with open_run(tmp_path / "new") as run:
        assert (run.state, run.counts().individuals) == ("stopped", 4)


def test_a_head_that_cannot_be_read(family):
    family.close()
    database = family.path / "run.db"
    database.write_bytes(b"x" * 8192)
    health = examine(family.path, lambda _: True)
    assert (health.version, health.decisions) == (None, 0)
    with pytest.raises(StoreError, match="its configuration cannot be read"):
        repair(family.path, family.path.with_name("new"), lambda _: True)


def test_measures_and_newest_configuration_read_by_the_writer(family):
    assert [(n, rung) for n, _, rung, _ in family.measured()] == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 1)]
    with closing(connect(family.path / "run.db", "mode=ro")) as db:
        assert db.execute("SELECT epoch FROM run").fetchone()[0] == family.epoch == 1
