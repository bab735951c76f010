"""A driver that is killed, anywhere and again and again, or asked to stop: no promise is broken, the run is the same.

A kill leaves what is in flight to the next life, so that is the most that is ever done twice.
"""

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chaos import lab
from chaos.driver import Driver

KILLS = lab.short_or_long(20, 200)
PER_RUN = 7  # kills of one run, before it is left in peace
STATEMENTS = 400  # of SQL, in one life of the tiny run
PLACES = [f"{when} {name}" for name in ("set_state", "issued", "recorded", "event") for when in ("before", "after")]


@dataclass(kw_only=True)
class Sweep:
    """Runs that are killed until it is enough."""

    folder: Path
    config: Path
    draw: random.Random
    slots: int
    kills: int = 0
    again: int = 0  # evaluations done twice
    runs: list[Path] = field(default_factory=list)

    def suffer(self, kills: int) -> None:
        """One run to its end, with at most `kills` kills on the way."""
        run = self.folder / f"run{len(self.runs)}"
        self.runs.append(run)
        evaluated: set[int] = set()
        owed: set[int] = set()
        for life in range(100):
            diary = run.with_name(f"{run.name}.{life}.txt")
            arguments = ("resume", str(run)) if run.exists() else ("run", str(self.config), "--run", str(run))
            code = self._life(arguments, diary, kill=life < kills)
            notes = lab.diary(diary)
            twice = evaluated & set(notes["evaluating"])
            assert twice <= owed, "what the store had acknowledged was evaluated again"
            assert len(notes["evaluating"]) == len(set(notes["evaluating"]))
            self.again += len(twice)
            evaluated |= set(notes["evaluating"])
            if code == 0:
                return
            self.kills += 1
            assert code == -signal.SIGKILL, diary.with_suffix(".out").read_text()
            if run.exists():
                lab.assert_whole(run)
                lab.assert_kept(run, notes)
                owed = lab.in_flight(run)
                assert len(owed) <= self.slots
        raise AssertionError(f"{run} does not end")

    def _life(self, arguments: tuple[str, ...], diary: Path, *, kill: bool) -> int:
        fail, seconds = self._death() if kill else (None, None)
        driver = Driver(arguments=arguments, diary=diary, fail=fail, slots=self.slots, order=self.draw.randrange(2**32))
        with lab.running(driver) as process:
            if seconds is not None:
                process.join(seconds)
                process.kill()
            return lab.ended(process)

    def _death(self) -> tuple[tuple[str, int] | None, float | None]:
        """At a write, at a statement inside a transaction, or at any instant whatever."""
        match self.draw.randrange(4):
            case 0:
                return (self.draw.choice(PLACES), self.draw.randrange(1, 12)), None
            case 1:
                return ("statement", self.draw.randrange(1, STATEMENTS)), None
            case _:
                return None, self.draw.uniform(0, 0.5)


@pytest.mark.parametrize("slots", [1, 8])
def test_a_killed_driver_loses_nothing_it_promised(config, expected, place, figure, slots):
    sweep = Sweep(folder=place, config=config, draw=random.Random(slots), slots=slots)  # noqa: S311 - when to kill
    while sweep.kills < KILLS // 2:
        sweep.suffer(min(PER_RUN, KILLS // 2 - sweep.kills))
    assert {lab.digest(run) for run in sweep.runs} == {expected}
    assert {lab.state(run) for run in sweep.runs} == {"finished"}
    figure(
        f"SIGKILL of the driver, {slots} in flight",
        sweep.kills,
        f"0 acknowledged lost, {len(sweep.runs)} of {len(sweep.runs)} runs the same, {sweep.again} evaluations twice",
    )


def test_every_write_can_be_the_last(config, expected, place):
    """One run, whose lives end at the places that random kills may miss: `event` and `set_state` are rare."""
    run, held = place / "run", []
    for life, where in enumerate(PLACES):
        diary = place / f"{life}.txt"
        arguments = ("resume", str(run)) if run.exists() else ("run", str(config), "--run", str(run))
        assert lab.lived(Driver(arguments=arguments, diary=diary, fail=(where, 1))) == -signal.SIGKILL, where
        lab.assert_kept(run, lab.diary(diary))
        held.append(len(lab.outcomes(run)))
    assert (held == sorted(held), lab.lived(Driver(arguments=arguments, diary=place / "last.txt"))) == (True, 0)
    assert (lab.digest(run), lab.state(run)) == (expected, "finished")


@pytest.mark.chaos
def test_every_statement_can_be_the_last(config, expected, place, figure):
    """The first lives of a run die at statement 1, 2, 3 ... of their own, until one comes to its end."""
    run, lives = place / "run", 0
    assert (
        lab.lived(
            Driver(arguments=("run", str(config), "--run", str(run)), diary=place / "0.txt", fail=("statement", 1))
        )
        < 0
    )
    while True:
        lives += 1
        diary = place / f"{lives}.txt"
        code = lab.lived(Driver(arguments=("resume", str(run)), diary=diary, fail=("statement", lives)))
        lab.assert_kept(run, lab.diary(diary))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        lab.assert_whole(run)
    assert lab.digest(run) == expected
    figure("SIGKILL at SQL statement 1, 2, 3 ... of each life", lives - 1, "0 acknowledged lost, same digest")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_driver_that_is_asked_stops_and_can_be_resumed(config, expected, place, figure, number):
    stops, longest, lives = lab.short_or_long(5, 100) // 2 + 1, 0.0, 0
    draw = random.Random(number)  # noqa: S311 - when to stop
    while stops > 0:
        run = place / f"run{lives}"
        for part in range(4):
            diary = run.with_name(f"{run.name}.{part}.txt")
            arguments = ("resume", str(run)) if run.exists() else ("run", str(config), "--run", str(run))
            with lab.running(Driver(arguments=arguments, diary=diary, slots=draw.choice([1, 8]))) as process:
                if stops > 0 and part < 3:
                    _until_it_works(diary, process)
                    time.sleep(draw.uniform(0, 0.1))
                    asked = time.monotonic()
                    with contextlib.suppress(ProcessLookupError):  # the run was quicker
                        os.kill(process.pid, number)
                    code = lab.ended(process)
                    longest = max(longest, time.monotonic() - asked)
                else:
                    code = lab.ended(process)
            lab.assert_kept(run, lab.diary(diary))
            if code == 0 or lab.state(run) == "finished":  # asked when all was done
                break
            assert (code, lab.state(run)) == (75, "stopped"), diary.with_suffix(".out").read_text()
            assert f"go on with: evonet resume {run}" in diary.with_suffix(".out").read_text()
            stops -= 1
        assert (lab.digest(run), lab.state(run)) == (expected, "finished")
        lives += 1
    figure(
        f"{signal.Signals(number).name}",
        lab.short_or_long(5, 100) // 2 + 1,
        f"all exits 75, at most {longest:.1f} s later",
    )


def _until_it_works(diary: Path, process) -> None:
    until = time.monotonic() + lab.PATIENCE
    while not lab.diary(diary)["recorded"] and process.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
