"""The number of workers leaves no trace in a run, nor do answers that are no networks."""

import os
import subprocess
import sys

import pytest
from chaos import lab
from chaos.driver import Driver

from evonet.job import Diverged, Lost, Rejected, Scored
from evonet.report import tables
from evonet.store import open_run


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_so_many_at_once_and_answers_in_any_order(config, expected, place, slots):
    arguments = ("run", str(config), "--run", str(place / "run"))
    for order in range(lab.short_or_long(1, 10)):
        run = place / f"run{order}"
        arguments = ("run", str(config), "--run", str(run))
        driver = Driver(arguments=arguments, diary=place / f"{order}.txt", slots=slots, order=order)
        assert lab.lived(driver) == 0
        assert lab.digest(run) == expected


@pytest.mark.chaos
@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_so_many_ray_workers(config, expected, place, figure, workers):
    """The stubs as workers import them, in processes of their own."""
    run, script = (
        place / "run",
        "from evonet import app\nfrom evonet.cli import main\napp.FACTORY = 'chaos.stub:make'\nmain()",
    )
    options = ("--workers", str(workers), "--set", "workers.kind=ray", "--set", "workers.cpus_per_worker=0.01")
    command = [sys.executable, "-c", script, "run", str(config), "--run", str(run), *options]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=paths)
    assert done.returncode == 0, done.stderr
    assert lab.digest(run) == expected
    figure(f"{workers} Ray workers", 1, "same digest")


@pytest.fixture(params=["length", "pareto"])
def odd_run(request, config, place):
    """By score and by fronts, and long enough to meet every kind of failure."""
    run = place / "run"
    settings = ("--set", f"score.kind={request.param}", "--set", "search.individuals=100")
    arguments = ("run", str(config), "--run", str(run), *settings)
    assert lab.lived(Driver(arguments=arguments, diary=place / "diary.txt", slots=4)) == 0
    return run


def test_what_is_no_network_is_never_in_front(odd_run):
    """One evaluation in four diverges, is refused, is lost, fails on every worker or answers NaN; the run ended."""
    with open_run(odd_run) as run:
        decisions = list(run.decisions())
        lost = [event.decision for event in run.events() if event.kind == "lost"]
        best = tables.best_rows(tables.rows(run, tables.config_of(run).score), 5)
        assert run.state == "finished"
    reasons = {d.outcome.reason for d in decisions if not isinstance(d.outcome, Scored)}
    assert {type(d.outcome) for d in decisions} == {Scored, Diverged, Rejected, Lost}
    assert {"scored with a non-finite measure", "ArithmeticError: a job that every worker fails on"} <= reasons
    assert sorted(lost) == [d.decision for d in decisions if isinstance(d.outcome, Lost)]
    scored = {d.individual for d in decisions if isinstance(d.outcome, Scored)}
    chosen = {d.individual for d in decisions if d.kind in ("promote", "finish")}
    assert 50 < len(scored) < 100
    assert chosen | {parent for d in decisions for parent in d.parents} | {row.id for row in best} <= scored
