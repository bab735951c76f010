"""Two drivers and one run: whoever comes second is refused at once, and whoever was thought dead cannot write."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from chaos import lab
from chaos.driver import Driver

from evonet.errors import RunLocked
from evonet.store import RunWriter, open_run

RACES = lab.short_or_long(20, 1000)
GROUPS = (2, 2, 2, 2, 8)  # racers for one run; the groups race at the same time, the last one against each other most


def race(run: Path, rounds: int, together: Any, answers: Any) -> None:
    """One racer: take the run at a shared instant, say what came of it, hold on until all have said so."""
    for number in range(rounds):
        together.wait(lab.PATIENCE)
        began = time.monotonic()
        writer: RunWriter | None = None
        try:
            writer = RunWriter.open(run)
        except RunLocked as error:
            answers.put((number, error.exit_code, time.monotonic() - began))
        else:
            answers.put((number, 0, time.monotonic() - began))
        together.wait(lab.PATIENCE)
        if writer is not None:
            writer.close()
        together.wait(lab.PATIENCE)


@pytest.fixture
def stopped(config, place) -> Path:
    """A run with some decisions that no process drives."""
    run = place / "run"
    first = Driver(
        arguments=("run", str(config), "--run", str(run)), diary=place / "first.txt", fail=("after recorded", 9)
    )
    assert lab.lived(first) == -signal.SIGKILL
    return run


def test_a_race_has_one_winner(place, figure):
    rounds, pending = RACES // len(GROUPS), []
    for group, racers in enumerate(GROUPS):
        run = place / f"run{group}"
        RunWriter.create(run, config="", seed=1, population=4, provenance={}).close()
        together, answers = lab.context.Barrier(racers), lab.context.SimpleQueue()
        processes = [lab.context.Process(target=race, args=(run, rounds, together, answers)) for _ in range(racers)]
        for process in processes:
            process.start()
        pending.append((run, racers, answers, processes, together))  # whoever drops a barrier takes it from the others
    slowest = 0.0
    for run, racers, answers, processes, _ in pending:
        said = sorted(answers.get() for _ in range(rounds * racers))
        for number in range(rounds):
            codes = [code for n, code, _ in said if n == number]
            assert codes == [0] + [4] * (racers - 1)
        slowest = max(slowest, *(seconds for _, code, seconds in said if code))
        for process in processes:
            assert lab.ended(process) == 0
        with open_run(run) as record:
            assert not record.live
    figure(
        "two to eight drivers at once", rounds * len(GROUPS), f"one wins, others refused after {slowest:.2f} s at most"
    )


@pytest.mark.parametrize("drivers", [2, lab.short_or_long(4, 8)])
def test_whole_drivers_at_once(stopped, expected, place, drivers):
    """The winner's evaluations wait at a gate until the others have ended: it cannot be done before they try."""
    gate = place / "gate"
    gate.touch()
    together = lab.context.Barrier(drivers)
    arguments = ("resume", str(stopped))
    lives = [Driver(arguments=arguments, diary=place / f"{n}.txt", gate=gate) for n in range(drivers)]
    processes = [lab.start(life, together) for life in lives]
    until = time.monotonic() + lab.PATIENCE
    while sum(p.is_alive() for p in processes) > 1 and time.monotonic() < until:
        time.sleep(0.01)
    gate.unlink()
    codes = [lab.ended(process) for process in processes]
    assert sorted(codes) == [0] + [4] * (drivers - 1)
    loser = place / f"{codes.index(4)}.out"
    winner = processes[codes.index(0)].pid
    assert f"another driver holds this run (process {winner} on " in loser.read_text()
    assert lab.digest(stopped) == expected


def test_a_driver_that_was_thought_dead_cannot_write(stopped, expected, place):
    """It is stopped over an evaluation, its lock is gone as on a file system without locks, and another finishes."""
    gate, diary = place / "gate", place / "old.txt"
    gate.touch()
    with lab.running(Driver(arguments=("resume", str(stopped)), diary=diary, gate=gate)) as old:
        until = time.monotonic() + lab.PATIENCE
        while not lab.diary(diary)["evaluating"] and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(old.pid, signal.SIGSTOP)
        (stopped / "lock").unlink()
        assert lab.lived(Driver(arguments=("resume", str(stopped)), diary=place / "new.txt")) == 0
        before = (lab.digest(stopped), lab.state(stopped), lab.outcomes(stopped))
        gate.unlink()
        os.kill(old.pid, signal.SIGCONT)
        assert lab.ended(old) == 4
    assert "this driver has epoch 2, the run has 3: another has taken over; nothing was written" in (
        diary.with_suffix(".out").read_text()
    )
    assert (lab.digest(stopped), lab.state(stopped), lab.outcomes(stopped)) == before
    assert before[:2] == (expected, "finished")
