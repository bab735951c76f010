"""The grid of the atlas, and the best of every cell."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from evonet.evolution.cells import LONG_CELLS, atlas, byte_range, cell, long_range


@dataclass(frozen=True)
class Placed:
    long_share: float
    bytes: int
    score: float


PLACED = st.builds(Placed, st.floats(0, 1), st.integers(1, 5000), st.integers(-5, 5).map(float))


@given(st.floats(0, 1), st.integers(1, 10**9))
def test_every_network_lies_within_the_ranges_of_its_cell(share, size):
    place = cell(share, size)
    low, high = long_range(place)
    least, most = byte_range(place)
    assert low <= share < high or (share == high == 1)
    assert least <= size <= most


def test_cells_leave_no_size_out():
    last = 0
    for half_octave in range(60):
        least, most = byte_range((0, half_octave))
        if least <= most:  # between 1 and 1.4 times 1 there is no other whole number
            assert least == last + 1
            last = most
    assert last == 2**30 - 1
    assert [byte_range(cell(0.0, size)) for size in (1, 2, 100, 1000, 1024)] == [
        (1, 1),
        (2, 2),
        (91, 127),
        (725, 1023),
        (1024, 1448),
    ]
    assert [cell(share, 1)[0] for share in (0.0, 0.124, 0.125, 0.99, 1.0)] == [0, 0, 1, 7, LONG_CELLS - 1]


@given(st.lists(PLACED))
def test_every_cell_keeps_its_best_and_of_equals_the_first(items):
    found = atlas(items)
    assert set(found) == {cell(i.long_share, i.bytes) for i in items}
    for place, best in found.items():
        rivals = [i for i in items if cell(i.long_share, i.bytes) == place]
        assert best.score == max(i.score for i in rivals)
        assert best is next(i for i in rivals if i.score == best.score)
