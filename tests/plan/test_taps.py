"""Taps are nested by frozen integer keys."""

import json
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evonet.genome.check import long_taps
from evonet.genome.genes import MotifGene
from evonet.genome.hashing import tap_keys
from evonet.genome.taps import ANYWHERE, select_taps

GOLDEN = Path(__file__).parents[1] / "golden" / "taps.json"

motifs = st.builds(
    MotifGene,
    radius=st.integers(0, 3),
    taps=st.integers(1, 40),
    long_share=st.integers(0, 16),
    reach=st.integers(4, 12),
    pattern=st.sampled_from(["box", "lattice", "scatter"]),
    seed=st.integers(0, 255),
    basis=st.sampled_from([(2, 0, 0, 2), (3, 1, -1, 3), (5, 0, 2, 2)]),
)

sides = st.integers(0, 14)
windows = st.just(ANYWHERE) | st.builds(lambda a, b, c, d: (-a, b, -c, d), sides, sides, sides, sides)


@given(motifs, windows)
def test_one_more_tap_moves_no_other(motif, window):
    taps = select_taps(motif, window)
    more = select_taps(msgspec.structs.replace(motif, taps=motif.taps + 1), window)
    assert set(taps) <= set(more)
    assert len(more) - len(taps) in (0, 1)


@given(motifs.filter(lambda m: m.long_share < 16), windows)
def test_one_step_of_share_swaps_the_fewest(motif, window):
    taps = set(select_taps(motif, window))
    longer = msgspec.structs.replace(motif, long_share=motif.long_share + 1)
    after = set(select_taps(longer, window))
    swapped = long_taps(longer) - long_taps(motif)
    assert len(after - taps) <= swapped
    assert len(taps - after) <= swapped


@given(motifs, windows)
def test_a_window_holds_what_is_chosen_and_no_gap(motif, window):
    def within(tap):
        return window[0] <= tap[0] <= window[1] and window[2] <= tap[1] <= window[3]

    taps = select_taps(motif, window)
    assert set(taps) == set(filter(within, taps))
    kept = set(filter(within, select_taps(motif)))
    assert kept <= set(taps)  # what the source lacks makes room for the next best, and moves no other


@given(motifs)
def test_taps_are_sorted_distinct_and_where_the_genes_say(motif):
    taps = select_taps(motif)
    assert list(taps) == sorted(set(taps))
    distance = [max(abs(dy), abs(dx)) for dy, dx in taps]
    assert all(d <= max(motif.radius, motif.reach) for d in distance)
    n_long = long_taps(motif)
    assert sum(d > motif.radius for d in distance) <= n_long
    assert sum(d <= motif.radius for d in distance) == min(motif.taps - n_long, (2 * motif.radius + 1) ** 2)
    if motif.pattern == "lattice":
        ay, ax, by, bx = motif.basis
        inverse = np.linalg.inv(np.array([[ay, by], [ax, bx]], dtype=float))
        far = [t for t, d in zip(taps, distance, strict=True) if d > motif.radius]
        for tap in far:
            whole = inverse @ np.array(tap, dtype=float)
            np.testing.assert_allclose(whole, np.round(whole), atol=1e-9)


def test_a_plain_window_and_a_dilated_one():
    box = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    assert select_taps(MotifGene()) == box
    dilated = MotifGene(radius=0, taps=9, long_share=14, pattern="lattice", basis=(2, 0, 0, 2))
    assert select_taps(dilated) == tuple((2 * dy, 2 * dx) for dy, dx in box)


def test_scatter_thins_out_with_distance():
    near = far = 0
    for seed in range(100):
        for dy, dx in select_taps(MotifGene(radius=0, taps=20, long_share=16, reach=12, pattern="scatter", seed=seed)):
            near, far = near + (max(abs(dy), abs(dx)) <= 6), far + (max(abs(dy), abs(dx)) > 6)
    # 168 offsets lie within 6, 456 beyond: uniform scatter would give a share of 0.27 within.
    assert near / (near + far) > 0.4


def test_golden_taps():
    """Written once; a change here changes every network that was ever stored."""
    for case in json.loads(GOLDEN.read_text()):
        motif = msgspec.convert(case["motif"], MotifGene)
        assert [list(t) for t in select_taps(motif)] == case["taps"]
    assert tap_keys(5, np.array([-31, 0, 31]), np.array([31, 0, -31])).tolist() == [1329146108, 1343009441, 3623680364]
