"""A disk that fills up at any point: the driver ends with a message, the database is whole, and the run goes on later.

Three ways to be full: the database may have no more pages (SQLite's own limit, so the error comes inside a statement),
no file may grow (the kernel's limit, so a write of the log fails), and a file system of its own that is really full.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import lab
from chaos.driver import Driver

POINTS = {"pages": lab.short_or_long(3, 30), "file size": lab.short_or_long(3, 30), "disk": lab.short_or_long(0, 40)}
STOPPED = (5, 75)  # of a new run that found no room for its folder; of one that can be resumed
SMALL = 8 * 2**20  # bytes of a file system that the whole run fits on, its log included


def spread(count: int, first: int, last: int) -> list[int]:
    return [first + (last - first) * n // max(1, count - 1) for n in range(count)]


def suffer(run: Path, config: Path, place: Path, *, pages: int | None = None, file_size: int | None = None) -> bool:
    """A life of a driver without room; whether it ran into it. All it acknowledged is there and the database whole."""
    diary = place / f"{run.name}.txt"
    arguments = ("run", str(config), "--run", str(run))
    code = lab.lived(Driver(arguments=arguments, diary=diary, pages=pages, file_size=file_size))
    said = diary.with_suffix(".out").read_text()
    assert "Traceback" not in said
    if code == 0:
        return False
    assert code in STOPPED, said
    if run.exists():
        assert "make room" in said
        lab.assert_whole(run)
        lab.assert_kept(run, lab.diary(diary))
    else:
        assert "cannot create the run" in said
        assert not list(run.parent.glob(f".{run.name}.*"))
    return True


def recover(run: Path, config: Path, place: Path, expected: str) -> None:
    """With room again, the run ends as if nothing had happened, and does only again what was in flight."""
    owed = lab.in_flight(run) if run.exists() else set()
    done = set(lab.outcomes(run)) - owed if run.exists() else set()
    arguments = ("resume", str(run)) if run.exists() else ("run", str(config), "--run", str(run))
    diary = place / f"{run.name}.again.txt"
    assert lab.lived(Driver(arguments=arguments, diary=diary)) == 0, diary.with_suffix(".out").read_text()
    assert (lab.digest(run), lab.state(run)) == (expected, "finished")
    assert not done & set(lab.diary(diary)["evaluating"])


@pytest.mark.parametrize("kind", ["pages", "file size"])
def test_a_limit_anywhere_on_the_way(config, undisturbed, expected, place, figure, kind):
    size = (undisturbed / "run.db").stat().st_size
    full = 0
    for number, limit in enumerate(spread(POINTS[kind], size // 4, size - 4096)):
        run = place / f"run{number}"
        limits = {"pages": limit // 4096} if kind == "pages" else {"file_size": limit}
        full += suffer(run, config, place, **limits)
        recover(run, config, place, expected)
    assert full >= POINTS[kind] - 1
    figure(f"full disk: no more {kind}", full, "database whole, 0 acknowledged lost, same digest after room was made")


@pytest.fixture
def small_disk(place) -> Iterator[Path]:
    disk = place / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.chaos
def test_a_disk_that_is_really_full(config, expected, place, small_disk, figure):
    full, room = 0, 2_000_000  # the log of this run grows to about so much
    for number, free in enumerate(spread(POINTS["disk"], 0, room)):
        run, filler = small_disk / f"run{number}", small_disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes(max(0, shutil.disk_usage(small_disk).free - free)))
        full += suffer(run, config, place)
        filler.unlink()
        recover(run, config, place, expected)
        shutil.rmtree(run)
    figure("full disk: a file system of 8 MB", full, "database whole, 0 acknowledged lost, same digest")
