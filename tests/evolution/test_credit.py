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
