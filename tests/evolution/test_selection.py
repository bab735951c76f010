import math
import random

import deap.base
import deap.tools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonet.evolution.bands import Entry, band
from evonet.evolution.selection.cards import Card, Fitness, borrowed_global_random
from evonet.evolution.selection.mating import tournament
from evonet.evolution.selection.survival import bands

BRIEF = 100


def entry(individual, score=0.0, seen=BRIEF, objectives=None):
    return Entry(
        decision=individual,
        individual=individual,
        rung=0,
        genome=b"",
        ids=(),
        seen=seen,
        score=score,
        choice=None,
        long_share=0.0,
        bytes=100,
        objectives=(score,) if objectives is None else objectives,
    )


def entries(values):
    return st.lists(values, min_size=1, max_size=20).map(
        lambda rows: [entry(i, score=s[0], seen=seen, objectives=s) for i, (s, seen) in enumerate(rows)]
    )


SCORES = st.integers(-4, 4).map(float)  # few values: ties matter
SCALAR = entries(st.tuples(st.tuples(SCORES), st.integers(1, 3000)))
PARETO = entries(st.tuples(st.tuples(SCORES, SCORES), st.integers(1, 3000)))


def numbers(chosen):
    return [e.individual for e in chosen]


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_band_doubles(seen, brief):
    level = band(seen, brief)
    assert (seen < brief and level == 0) or brief * 2**level <= seen < brief * 2 ** (level + 1)


def test_deap_lets_nan_win_so_it_never_gets_one():
    class Bare(deap.base.Fitness):
        weights = (1.0,)

    assert Bare((math.nan,)) > Bare((1.0,))  # the trap this module is a fence around; if it is mended, look again
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="expected finite numbers"):
            Fitness((1.0, bad))
        with pytest.raises(ValueError, match="expected finite numbers"):
            bands([entry(0), entry(1, score=bad)], 1, brief=BRIEF)


@given(SCALAR | PARETO, st.randoms(use_true_random=False), st.integers(0, 25))
def test_selection_does_not_depend_on_the_order_of_the_pool(pool, rng, count):
    shuffled = rng.sample(pool, len(pool))
    assert bands(pool, count, brief=BRIEF) == bands(shuffled, count, brief=BRIEF)
    assert tournament(pool, 9, brief=BRIEF, seed=3) == tournament(shuffled, 9, brief=BRIEF, seed=3)


@given(SCALAR, st.integers(1, 20))
def test_bands_take_turns_and_each_keeps_its_best(pool, count):
    kept = bands(pool, count, brief=BRIEF)
    assert len(kept) == min(count, len(pool)) == len(set(numbers(kept)))
    levels = {band(e.seen, BRIEF) for e in pool}
    for level in levels:
        group = sorted((e for e in pool if band(e.seen, BRIEF) == level), key=lambda e: (-e.score, e.individual))
        mine = [e for e in kept if band(e.seen, BRIEF) == level]
        assert sorted(numbers(mine)) == sorted(numbers(group[: len(mine)]))
        assert mine or count < len(levels)
        # Nobody is left out while another band got further down its own ranks.
        deepest = max(sum(band(e.seen, BRIEF) == b for e in kept) for b in levels)
        assert len(mine) >= min(len(group), deepest - 1)


@given(SCALAR, st.integers(1, 20), st.randoms(use_true_random=False))
def test_bands_stay_in_order_of_rank_then_age(pool, count, rng):
    def better(a, b):
        return (a.score, -a.individual) > (b.score, -b.individual)

    def place(one):
        age = band(one.seen, BRIEF)
        return sum(better(other, one) for other in pool if band(other.seen, BRIEF) == age), -age

    expected = sorted(pool, key=place)[:count]
    assert bands(rng.sample(pool, len(pool)), count, brief=BRIEF) == tuple(expected)


def test_a_young_one_is_not_drowned_by_old_lineages():
    pool = [entry(i, score=100.0 + i, seen=50 * BRIEF) for i in range(8)] + [entry(8, score=1.0)]
    assert numbers(bands(pool, 3, brief=BRIEF)) == [7, 8, 6]


def test_pareto_ranks_by_front_then_by_crowding():
    points = {0: (0.0, 10.0), 1: (5.0, 5.2), 2: (5.1, 5.0), 3: (10.0, 0.0), 4: (0.0, 0.0), 5: (7.6, 2.5)}
    pool = [entry(i, objectives=p) for i, p in points.items()]
    order = numbers(bands(pool, 6, brief=BRIEF))
    # The ends of the front are alone; then crowding distances 0.505, 0.495 and 0.265; 4 is dominated.
    assert order == [0, 3, 1, 5, 2, 4]


def test_parents_are_drawn_by_rank_and_bands_in_proportion():
    pool = [entry(i, score=float(i), seen=50 * BRIEF) for i in range(10)]
    pool += [entry(i, score=i - 1000.0) for i in range(10, 13)]
    drawn = numbers(tournament(pool, 4000, brief=BRIEF, seed=1))
    young = [i for i in drawn if i >= 10]
    assert 0.8 < len(young) / len(drawn) / (3 / 13) < 1.2
    assert drawn.count(9) > 2 * drawn.count(5) > 4 * drawn.count(2) > 0


def test_the_mating_list_of_a_seed_is_pinned():
    """It is drawn with Python's own generator: another list here means that old runs cannot be resumed or replayed."""
    pool = [entry(i, score=float(i)) for i in range(8)]
    assert numbers(tournament(pool, 8, brief=BRIEF, seed=42)) == [7, 5, 6, 7, 7, 4, 7, 5]


@given(st.integers(0, 2**63 - 1))
def test_the_global_random_state_is_only_borrowed(seed):
    random.seed(5)
    before = random.getstate()
    cards = [Card(entry(i), float(i)) for i in range(4)]
    with borrowed_global_random(seed):
        first = deap.tools.selTournament(cards, 5, tournsize=3)
    with pytest.raises(KeyError), borrowed_global_random(seed):
        raise KeyError(deap.tools.selTournament(cards, 5, tournsize=3) == first or pytest.fail("the seed was not used"))
    assert random.getstate() == before
