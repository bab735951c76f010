"""The Pareto front and the hall of fame of whatever has values."""

import math

from hypothesis import given
from hypothesis import strategies as st

from evonet.evolution.front import dominates, front, hall_of_fame

VALUES = st.tuples(*[st.integers(-3, 3).map(float) | st.sampled_from([math.nan, math.inf, -math.inf])] * 2)
ITEMS = st.lists(VALUES, max_size=30).map(lambda rows: list(enumerate(rows)))


def sound(items):
    return [item for item in items if all(map(math.isfinite, item[1]))]


@given(ITEMS)
def test_the_front_is_what_nothing_finite_dominates(items):
    found = front(items, lambda item: item[1])
    expected = [a for a in sound(items) if not any(dominates(b[1], a[1]) for b in sound(items))]
    assert sorted(found) == sorted(expected)
    assert found == sorted(found, key=lambda item: tuple(-v for v in item[1]))  # equals as they came


@given(ITEMS, st.integers(-1, 9))
def test_the_hall_holds_the_best_and_the_same_only_once(items, count):
    found = hall_of_fame(items, lambda item: item[1][0], count, same=lambda item: item[0] % 4)
    finite = [item for item in items if math.isfinite(item[1][0])]
    best = {k: max(i[1][0] for i in finite if i[0] % 4 == k) for k in {i[0] % 4 for i in finite}}
    assert [item[1][0] for item in found] == sorted(best.values(), reverse=True)[: max(0, count)]
    assert len({item[0] % 4 for item in found}) == len(found)
    assert all(item == next(i for i in finite if i[0] % 4 == item[0] % 4 and i[1][0] == item[1][0]) for item in found)


def test_hand_numbers():
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (math.nan, 9.0), (0.0, 6.0), (2.0, 4.0)]
    assert front(points, tuple) == [(2.0, 4.0), (2.0, 4.0), (1.0, 5.0), (0.0, 6.0)]
    assert front([], tuple) == []
