"""What operators gained, beside clones."""

import pytest
from simulation import finished, measures, rough

from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.job import Diverged, Scored
from evonet.report.operators import operator_table
from evonet.store.rows import Decision

SEARCH = SearchSettings(population=4, individuals=100)  # decision n knows of the first n - 2
SCORE = ScoreSettings(kind="weighted", size_price=0.0)  # 100 x accuracy


def decision(n, accuracy, operator="", parents=(), *, individual=None, rung=0):
    outcome = Diverged(decision=n, step=1, reason="nan")
    if accuracy is not None:
        outcome = Scored(decision=n, measures=measures(accuracy=accuracy), package=b"", shadow=b"", rounds=())
    return Decision(
        decision=n,
        individual=n if individual is None else individual,
        rung=rung,
        kind="breed" if operator else "found",
        steps=1,
        seen=0,
        seed=0,
        key="",
        parents=parents,
        operator=operator,
        genome=b"",
        ids=(),
        outcome=outcome,
    )


def table(decisions):
    return {r.operator: r for r in operator_table(decisions, SEARCH, SCORE)}


def founders(count=4, accuracy=0.5):
    return [decision(n, accuracy) for n in range(count)]


def test_gains_are_over_the_best_parent_and_beyond_the_clones():
    rows = [
        *founders(),
        *[decision(n, 0.53, "clone", (0,)) for n in range(10, 17)],
        *[decision(n, 0.60, "cross+taps", (0, 1)) for n in range(20, 27)],
        *[decision(n, 0.52, "grid+norm", (2,)) for n in range(30, 33)],
        decision(40, None, "grid", (2,)),
    ]
    found = table(rows)
    assert next(iter(found)) == "clone"
    assert (found["clone"].births, found["clone"].beyond) == (7, None)
    taps = found["taps"]
    assert (taps.births, taps.scored) == (7, 7)
    assert (taps.gain, taps.beyond, taps.low, taps.high) == pytest.approx((10.0, 7.0, 7.0, 7.0))
    assert found["cross"].gain == pytest.approx(10.0)
    grid = found["grid"]
    assert (grid.births, grid.scored, grid.low) == (4, 3, None)  # too few for an interval
    assert (grid.gain, grid.beyond) == pytest.approx((2.0, -1.0))


def test_a_parent_counts_as_it_was_known_when_it_bred():
    rows = [*founders(), decision(8, 0.9, individual=0, rung=1)]
    early, late = decision(9, 0.6, "taps", (0,)), decision(12, 0.6, "taps", (0,))
    assert table([*rows, early])["taps"].gain == pytest.approx(10.0)
    assert table([*rows, late])["taps"].gain == pytest.approx(-30.0)


def test_clones_are_those_of_parents_from_the_same_rung():
    rows = [*founders(), decision(4, 0.9, individual=1, rung=1)]
    rows += [decision(n, 0.58, "clone", (0,)) for n in range(10, 17)]
    rows += [decision(n, 0.91, "clone", (1,)) for n in range(20, 27)]
    rows += [decision(n, 0.93, "taps", (1,)) for n in range(30, 37)]
    assert table(rows)["taps"].beyond == pytest.approx(2.0)
    assert table([*rows[:5], *rows[5:12], *rows[-7:]])["taps"].beyond is None  # no clone of that rung


def test_the_interval_holds_the_difference_and_is_the_same_every_time():
    recorder, _ = finished(
        SearchSettings(population=16, individuals=500, rungs=(10, 30), clones=0.2, finish_best=0), evaluate=rough
    )
    search = SearchSettings(population=16, individuals=500)
    rows = [
        Decision(
            decision=d.job.decision,
            individual=d.job.individual,
            rung=d.job.rung,
            kind=d.kind,
            steps=d.job.steps,
            seen=d.job.seen,
            seed=0,
            key=d.job.key,
            parents=d.parents,
            operator=d.operator,
            genome=d.job.genome,
            ids=d.job.ids,
            outcome=outcome,
        )
        for d, outcome in recorder.rows
    ]
    found = operator_table(rows, search, ScoreSettings())
    assert found == operator_table(iter(rows), search, ScoreSettings())
    assert {r.operator for r in found} >= {"clone", "taps", "cross"}
    assert sum(r.low is not None for r in found) > 10
    assert all(r.low <= r.beyond <= r.high for r in found if r.low is not None)
    assert sum(r.births for r in found if r.operator == "clone") == sum(d.operator == "clone" for d in rows)
    beyond = [r.beyond for r in found if r.beyond is not None]
    assert beyond == sorted(beyond, reverse=True)
