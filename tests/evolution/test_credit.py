"""Operators that gain are drawn more often, in bounds, from blocks already folded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from simulation import SMALL, finished, rough

from evonet.evolution.bands import Entry
from evonet.evolution.credit import Credits
from evonet.genome.variation import OPERATORS, rates_of

NAMES = sorted(OPERATORS)


def entry(decision, score):
    return Entry(
        decision=decision,
        individual=decision,
        rung=0,
        genome=b"",
        ids=(),
        seen=1,
        score=score,
        choice=None,
        long_share=0.0,
        bytes=100,
        objectives=(score,),
    )


def taught(outcomes, adapt=0.2, block=4):
    """Credits after children (operator, gain or None), each of a parent of score 1, some a block."""
    credits = Credits({}, adapt=adapt)
    for first in range(0, len(outcomes), block):
        part = dict(enumerate(outcomes[first : first + block], first))
        for n, (operator, _) in part.items():
            credits.born(n, operator, (entry(900, 0.5), entry(901, 1.0)))
        credits.fold(
            range(first, first + block), [entry(n, 1 + gain) for n, (_, gain) in part.items() if gain is not None]
        )
    return credits


def test_rates_start_as_they_are_configured():
    assert Credits({"taps": 9.0}, adapt=0.3).rates == rates_of({"taps": 9.0})


def test_what_gains_more_than_others_rises_and_what_fails_falls():
    outcomes = [("taps", 0.9), ("mixing", 0.1), ("grid", None), ("cross+channels", 0.8)] * 20
    rates, plain = taught(outcomes).rates, rates_of({})
    assert rates["taps"] > 1.5 * plain["taps"]
    assert rates["channels"] > 1.5 * plain["channels"]
    assert rates["mixing"] < 0.5 * plain["mixing"]
    assert rates["grid"] < 0.5 * plain["grid"]
    assert rates["pooling"] == plain["pooling"]


def test_the_gain_counts_from_the_best_parent_and_not_the_score():
    credits = Credits({}, adapt=0.5)
    credits.born(0, "taps", (entry(90, 9.0),))
    credits.born(1, "grid", (entry(91, 1.0),))
    credits.fold(range(2), [entry(0, 9.1), entry(1, 2.0)])
    assert credits.rates["grid"] > rates_of({})["grid"]
    assert credits.rates["taps"] < rates_of({})["taps"]


def test_both_operators_of_a_child_are_credited():
    rates = taught([("taps+radius", 1.0), ("grid", 0.0)] * 10).rates
    assert min(rates["taps"] / OPERATORS["taps"].rate, rates["radius"] / OPERATORS["radius"].rate) > 1.4


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.floats(-5, 5)), max_size=60), st.floats(0, 1))
def test_rates_stay_within_a_quarter_and_seven_quarters_of_their_prior(outcomes, adapt):
    rates = taught(outcomes, adapt).rates
    for name, prior in rates_of({}).items():
        assert 0.25 * prior <= rates[name] <= 1.75 * prior + 1e-12


def test_a_rate_of_zero_stays_zero():
    credits = Credits({"taps": 0.0}, adapt=1.0)
    credits.born(0, "taps", (entry(90, 0.0),))
    credits.fold(range(1), [entry(0, 5.0)])
    assert credits.rates["taps"] == 0


@pytest.mark.parametrize("adapt", [0.0, 0.5])
def test_an_adaptive_search_is_another_search_only_when_it_adapts(adapt):
    plain, _ = finished(replace(SMALL, individuals=60), evaluate=rough)
    adaptive, _ = finished(replace(SMALL, individuals=60, adapt=adapt), evaluate=rough)
    assert (plain.trace() == adaptive.trace()) == (adapt == 0)


def taught_beside_clones(outcomes):
    """Credits after children (operator, gain, rung of the parent of score 0), four a block."""
    credits = Credits({}, adapt=0.2)
    for first in range(0, len(outcomes), 4):
        part = dict(enumerate(outcomes[first : first + 4], first))
        for n, (operator, _, rung) in part.items():
            credits.born(n, operator, (replace(entry(900, 0.0), rung=rung), entry(901, -1.0)))
        credits.fold(range(first, first + 4), [entry(n, gain) for n, (_, gain, _) in part.items() if gain is not None])
    return {name: credits.rates[name] / rate for name, rate in rates_of({}).items() if rate}


def test_a_gain_is_measured_against_that_of_clones():
    """Both gain, and training alone gains more than one of them: by today's median nothing could be said of it."""
    children = [("taps", 0.5, 0), ("grid", 0.2, 0), ("grid", 0.2, 0)]
    assert taught_beside_clones([*children, ("clone", 0.3, 0)] * 20)["taps"] > 1.6
    assert taught_beside_clones([*children, ("clone", 0.3, 0)] * 20)["grid"] < 0.4
    assert taught_beside_clones([*children, ("clone", 0.1, 0)] * 20)["grid"] > 1.6  # although below the median
    assert taught_beside_clones([*children, ("mixing", 0.1, 0)] * 20)["grid"] < 0.4


def test_clones_of_parents_from_another_rung_say_nothing():
    """A long-trained parent gains little by more training, so its children are measured against its own clones."""
    block = [("taps", 0.2, 1), ("grid", 0.2, 0), ("clone", 0.4, 0), ("clone", 0.1, 1)] * 20
    rates = taught_beside_clones(block)
    assert rates["taps"] > 1.6
    assert rates["grid"] < 0.4


def test_where_no_clone_is_known_the_median_is_that_of_mutants():
    rates = taught_beside_clones([("taps", 0.2, 1), ("grid", 0.1, 1), ("clone", 9.0, 0), ("clone", 9.0, 0)] * 20)
    assert rates["taps"] > 1.6
    assert rates["grid"] < 0.4


def test_clones_are_credited_to_nobody_and_a_failed_one_gained_least():
    rates = taught_beside_clones([("taps", -5.0, 0), ("taps", -5.0, 0), ("clone", None, 0), ("clone", None, 0)] * 20)
    assert rates["taps"] > 1.6
    assert {rate for name, rate in rates.items() if name != "taps"} == {1.0}


def test_clones_are_their_parents_with_more_training_and_come_in_their_share():
    options = replace(SMALL, population=40, individuals=800, clones=0.3, fresh=0.0, promote=0.0, finish_best=0)
    recorder, _ = finished(options, evaluate=rough)
    born = {d.job.individual: d.job for d, _ in recorder.rows}
    bred = [d for d, _ in recorder.rows if d.kind == "breed"]
    clones = [d for d in bred if d.operator == "clone"]
    assert 0.25 < len(clones) / len(bred) < 0.35
    for d in clones:
        (parent,) = d.parents
        assert (d.job.genome, d.job.ids) == (born[parent].genome, born[parent].ids)
        assert (len(d.job.starts), d.job.steps, d.job.rung) == (1, options.rungs[0], 0)


def test_without_clones_no_draw_is_another():
    plain, _ = finished(replace(SMALL, individuals=60, adapt=0.5))
    none, _ = finished(replace(SMALL, individuals=60, adapt=0.5, clones=0.0))
    some, _ = finished(replace(SMALL, individuals=60, adapt=0.5, clones=0.5))
    assert plain.trace() == none.trace() != some.trace()
