"""Promotion: by score, by dominators, and that the second is the first where there is one objective."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from simulation import SMALL, finished, scored

from evonet.evolution.bands import Entry
from evonet.evolution.front import dominates
from evonet.evolution.rungs import Dominance, Ladder, Rated, Scores
from evonet.evolution.settings import ScoreSettings
from evonet.seeds import Stream


def entry(individual, *objectives, rung=0):
    return Entry(
        decision=individual,
        individual=individual,
        rung=rung,
        genome=b"",
        ids=(),
        seen=1,
        score=objectives[0],
        choice=None,
        long_share=0.0,
        bytes=1,
        objectives=objectives,
    )


def promote(ladder, pool):
    """Who is, and counts as promoted from now on."""
    chosen = ladder.choose(ladder.eligible(pool))
    if chosen is not None:
        ladder.promoted(Rated.of(chosen))
    return chosen


FEW = st.integers(-4, 4).map(float)


def rows(width):
    points = st.lists(st.tuples(*[FEW] * width), min_size=1, max_size=90)
    return points.map(lambda points: [entry(i, *p) for i, p in enumerate(points)])


def seen_by(kind, entries):
    seen = kind()
    for e in entries:
        seen.add(e)
        seen.better(e)  # asked in between
    return seen


@settings(max_examples=60, deadline=None)
@given(rows(2) | rows(3))
def test_dominators_are_counted_as_they_come(entries):
    seen = seen_by(Dominance, entries)
    counts = [sum(dominates(o.objectives, e.objectives) for o in entries) for e in entries]
    assert [seen.dominators(e) for e in entries] == counts
    assert [seen.better(e) for e in entries] == [sum(c < own for c in counts) for own in counts]


@settings(max_examples=60, deadline=None)
@given(rows(1))
def test_of_one_objective_it_is_the_rule_of_scores(entries):
    one, other = seen_by(Scores, entries), seen_by(Dominance, entries)
    assert [one.better(e) for e in entries] == [other.better(e) for e in entries]
    best = [e for e in entries if one.better(e) == 0]
    assert one.first(best) == other.first(best)


@settings(max_examples=60, deadline=None)
@given(rows(2), st.floats(0.01, 1), st.randoms())
def test_the_top_share_is_promoted_once_each_whatever_the_order_of_the_pool(entries, share, shuffle):
    def promoted(pool):
        ladder = Ladder(2, promote=share, pareto=True)
        ladder.add(entries)
        return [e.individual for e in iter(lambda: promote(ladder, pool), None)]

    order = promoted(entries)
    counts = {e.individual: sum(dominates(o.objectives, e.objectives) for o in entries) for e in entries}
    top = {i for i, own in counts.items() if sum(c < own for c in counts.values()) < share * len(entries)}
    assert set(order) == top
    assert len(order) == len(top)
    assert [counts[i] for i in order] == sorted(counts[i] for i in order)
    other = entries.copy()
    shuffle.shuffle(other)
    assert promoted(other) == order


def test_among_equals_promotions_spread_along_the_front():
    ladder = Ladder(2, promote=1.0, pareto=True)
    front = [entry(i, float(i), -1000.0 * i) for i in range(9)]
    ladder.add(front)
    order = [promote(ladder, front).individual for _ in range(9)]
    assert order[:5] == [0, 8, 4, 2, 6]


def test_the_highest_rung_goes_first_and_the_top_one_goes_nowhere():
    ladder = Ladder(3, promote=1.0, pareto=True)
    pool = [entry(0, 9.0, 9.0), entry(1, 0.0, 0.0, rung=1), entry(2, 9.0, 9.0, rung=2)]
    ladder.add(pool)
    ladder.keep({0, 1, 2})
    assert [promote(ladder, pool).individual, promote(ladder, pool).individual, promote(ladder, pool)] == [1, 0, None]


def test_what_has_left_the_pool_still_counts_for_the_others():
    ladder = Ladder(2, promote=0.5, pareto=True)
    ladder.add([entry(i, float(-i), float(-i)) for i in range(9)])
    ladder.keep({3, 5})
    assert promote(ladder, [entry(5, -5.0, -5.0)]) is None
    assert promote(ladder, [entry(3, -3.0, -3.0)]).individual == 3


def test_it_is_cheap_to_remember_many():
    """No wall time here: what grows with the number seen is 8 bytes an objective and 8 more."""
    draw, seen = Stream("many"), Dominance()
    for i in range(3000):
        seen.add(entry(i, draw.unit(), draw.unit()))
        if i % 100 == 0:
            seen.keep({i})
    assert len(seen._column) <= 100
    assert seen._values.nbytes + seen._dominators.nbytes < 1.6 * 24 * 3000


@pytest.mark.parametrize("objectives", [("loss", "bytes"), ("loss", "bytes", "macs")])
def test_a_pareto_search_promotes_small_ones_too(objectives):
    """By loss, the score of `pareto`, the small ones with the larger losses would never be trained on."""

    def evaluate(job):
        size = 10 + job.individual % 40
        return scored(job, 10.0 / size + 0.001 * (job.rung == 0), bytes=size)

    options = replace(SMALL, population=16, individuals=160, promote=0.5, finish_best=0)
    recorder, _ = finished(options, evaluate, score=ScoreSettings(kind="pareto", objectives=objectives))
    sizes = [10 + d.job.individual % 40 for d, _ in recorder.rows if d.kind == "promote"]
    assert min(sizes) < 20
    assert max(sizes) > 40
