"""The table of docs/deap.md: each trap as DEAP has it, beside what evonet does instead.

Where DEAP's half of a test fails, DEAP was mended: look at the fence again, and at the table.
"""

import copy
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import deap.algorithms
import deap.base
import deap.tools
import numpy as np
import pytest

from evonet.evolution.bands import Entry
from evonet.evolution.front import front, hall_of_fame
from evonet.evolution.score import score
from evonet.evolution.selection.cards import Card, Fitness, borrowed_global_random, ranked, scaled
from evonet.evolution.selection.mating import mating
from evonet.evolution.selection.survival import survival
from evonet.evolution.settings import ScoreSettings
from evonet.seeds import Stream

BRIEF = 100


def fitness(*weights):
    return type("Weighted", (deap.base.Fitness,), {"weights": weights})


class Bare:
    """What DEAP's own programs make with `creator`."""

    def __init__(self, *values, weights=None, name=0):
        self.fitness = fitness(*(weights or (1.0,) * len(values)))(values)
        self.name = name

    def __eq__(self, other):
        return self.name == other.name

    __hash__ = None


def entry(individual, *objectives):
    return Entry(
        decision=individual,
        individual=individual,
        rung=0,
        genome=b"%d" % individual,
        ids=(),
        seen=BRIEF,
        score=objectives[0],
        choice=None,
        long_share=0.0,
        bytes=100,
        objectives=objectives,
    )


def stay(name, entries, count, seed=0):
    return [e.individual for e in survival(name)(entries, count, brief=BRIEF, seed=seed)]


def curve(draw, count=12):
    """A convex front of that many points."""
    return [(-x, -((1 - x) ** 2)) for x in (draw.unit() for _ in range(count))]


def test_weights_are_an_order_and_no_sum(measures):
    accurate, small = Bare(0.9001, 1e9, weights=(1.0, -0.3)), Bare(0.9, 1.0, weights=(1.0, -0.3))
    assert accurate.fitness > small.fitness  # by one hundredth of a point, at a billion bytes
    settings = ScoreSettings(kind="weighted")
    assert score(measures(accuracy=0.9001, bytes=10**9), settings) < score(measures(accuracy=0.9, bytes=1), settings)


@pytest.fixture
def measures():
    from simulation import measures

    return measures


def test_values_are_divided_by_the_weights():
    draw = Stream("values")
    odd = [v for v in (draw.unit() for _ in range(1000)) if fitness(-0.3)((v,)).values != (v,)]
    assert len(odd) > 50
    with pytest.raises(ZeroDivisionError):
        _ = fitness(0.0)((1.0,)).values
    assert Fitness((0.1, -7.3)).values == (0.1, -7.3)
    assert Fitness((0.1, -7.3)).weights == (1.0, 1.0)


def test_a_nan_wins_and_pushes_the_best_out():
    hall = deap.tools.HallOfFame(3)
    for i, value in enumerate((0.1, 0.9, math.nan, 0.5, 0.95)):
        hall.update([Bare(value, name=i)])
    assert [b.fitness.values[0] for b in hall][:2] == [0.95, 0.5]  # 0.9 is lost
    assert math.isnan(hall[2].fitness.values[0])
    pareto = deap.tools.ParetoFront()
    pareto.update([Bare(1.0, 2.0, name=0), Bare(math.nan, 3.0, name=1), Bare(2.0, 1.0, name=2)])
    assert [b.name for b in pareto] == [1]  # the whole front is lost

    with pytest.raises(ValueError, match="a NaN would win"):
        Card(entry(0, math.nan), math.nan)
    values = [0.1, 0.9, math.nan, 0.5, 0.95, math.inf]
    assert hall_of_fame(values, float, 3, same=str) == [0.95, 0.9, 0.5]
    assert front([(1.0, 2.0), (math.nan, 3.0), (2.0, 1.0)], tuple) == [(2.0, 1.0), (1.0, 2.0)]


def test_a_clone_forgets_its_crowding_distance():
    one = Bare(1.0, 2.0)
    deap.tools.emo.assignCrowdingDist([one])
    assert not hasattr(copy.deepcopy(one).fitness, "crowding_dist")
    cards = [Card(entry(i, float(i), -float(i)), float(i), -float(i)) for i in range(3)]
    with pytest.raises(AttributeError):  # ours are never cloned; a card has nothing that could be changed by accident
        cards[0].more = 1


@pytest.mark.parametrize("size, asked, came", [(8, 5, 8), (8, 6, 8), (12, 10, 12), (20, 18, 20)])
def test_the_dcd_tournament_gives_other_numbers_than_asked(size, asked, came):
    pool = [Bare(float(i), -float(i)) for i in range(size)]
    deap.tools.emo.assignCrowdingDist(pool)
    assert len(deap.tools.selTournamentDCD(pool, asked)) == came
    with pytest.raises(IndexError):
        deap.tools.selTournamentDCD(pool[: 10 if size > 10 else 6], 9 if size > 10 else 5)
    for name in ("tournament", "uniform", "lexicase", "epsilon_lexicase"):
        entries = [entry(i, float(i), -float(i)) for i in range(size)]
        assert len(mating(name)(entries, asked, brief=BRIEF, seed=1)) == asked


def test_crowding_looks_at_values_and_so_at_weights():
    """Two objectives, one with weight 2: the crowding is of the values, as if it had weight 1. Ours have weight 1."""
    points = [(0.0, 3.0), (1.0, 1.5), (2.0, 1.0), (3.0, 0.0)]
    weighted, plain = ([Bare(*p, weights=w) for p in points] for w in ((1.0, 2.0), (1.0, 1.0)))
    for group in (weighted, plain):
        deap.tools.emo.assignCrowdingDist(group)
    assert [b.fitness.crowding_dist for b in weighted] == [b.fitness.crowding_dist for b in plain]
    assert set(Fitness((3.0, 4.0)).weights) == {1.0}


def test_nsga3_with_memory_is_state_that_a_resumed_run_would_lack():
    points = deap.tools.uniform_reference_points(2, p=5)
    resumed = deap.tools.selNSGA3WithMemory(points)
    ran = deap.tools.selNSGA3WithMemory(points)
    draw = Stream("memory")
    ran([Bare(5 + draw.unit(), 5 + draw.unit(), name=i) for i in range(30)], 6)
    population = [Bare(*p, name=i) for i, p in enumerate(curve(draw))]
    with borrowed_global_random(1):
        first = [b.name for b in ran(population, 6)]
    with borrowed_global_random(1):
        second = [b.name for b in resumed(population, 6)]
    assert first != second
    ours = [entry(i, *b.fitness.values) for i, b in enumerate(population)]
    assert stay("nsga3", ours, 6, seed=1) == stay("nsga3", ours, 6, seed=1)


def test_the_hall_of_fame_compares_and_copies_individuals():
    class Array(np.ndarray):
        def __deepcopy__(self, memo):
            return array(self.fitness.values[0])

    def array(value):
        one = np.ones(3).view(Array)
        one.fitness = fitness(1.0)((value,))
        return one

    with pytest.raises(ValueError, match="truth value of an array"):
        deap.tools.HallOfFame(3).update([array(1.0), array(2.0)])
    hall, one = deap.tools.HallOfFame(1), Bare(1.0)
    hall.update([one])
    assert hall[0] is not one
    same = [entry(0, 1.0), entry(1, 3.0), entry(2, 2.0)]
    found = hall_of_fame(same, lambda e: e.score, 5, same=lambda e: e.individual > 0)
    assert found == [same[1], same[0]]
    assert found[0] is same[1]


def test_history_loses_all_parents_if_one_is_unknown():
    history = deap.tools.History()
    known = [Bare(float(i), name=i) for i in range(2)]
    history.update(known)
    child = Bare(3.0, name=3)
    mated = history.decorator(lambda *parents: (child,))
    mated(*known)  # the child has no history index of its own
    assert history.genealogy_tree[3] == ()
    assert history.genealogy_history[1] is not known[0]  # and everybody is kept as a deep copy, for ever


def test_var_and_mates_neighbours_only():
    pairs = []
    toolbox = deap.base.Toolbox()
    toolbox.register("mate", lambda a, b: (pairs.append((a.name, b.name)), (a, b))[1])
    toolbox.register("mutate", lambda a: (a,))
    deap.algorithms.varAnd([Bare(1.0, name=i) for i in range(6)], toolbox, cxpb=1.0, mutpb=0.0)
    assert pairs == [(0, 1), (2, 3), (4, 5)]


def test_creator_classes_change_with_every_unpickling():
    code = """
import pickle, sys
from deap import base, creator
creator.create("Fit", base.Fitness, weights=(1.0,))
creator.create("Ind", list, fitness=creator.Fit)
one = creator.Ind([1, 2])
again = pickle.loads(pickle.dumps(one))
print(type(one) is type(again), isinstance(one, creator.Ind))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]
    source = Path(__file__).parents[2] / "evonet"
    assert not [p for p in source.rglob("*.py") if re.search(r"\bimport pickle|\bcreator\b\.", p.read_text())]


@pytest.mark.parametrize("library", ["random", "numpy"])
def test_operators_draw_from_global_generators(library):
    """From both: NSGA-III shuffles with numpy's, so that seeding `random` alone does not repeat it."""

    def state():
        return random.getstate() if library == "random" else tuple(map(str, np.random.get_state()))

    pool = [Bare(*p, name=i) for i, p in enumerate([(-x / 9, x / 9 - 1) for x in range(10)] * 2)]
    directions = deap.tools.uniform_reference_points(2, p=4)
    before = state()
    with borrowed_global_random(5):
        inside = state()
        if library == "random":
            deap.tools.selTournament(pool, 5, tournsize=3)
        else:
            random.seed(5)
            deap.tools.selNSGA3(pool, 5, directions)
        assert state() != inside
    assert state() == before
    entries = [entry(b.name, *b.fitness.values) for b in pool]
    for name in ("nsga2", "nsga3", "spea2"):
        stay(name, entries, 5)
    for name in ("tournament", "uniform", "lexicase", "epsilon_lexicase"):
        mating(name)(entries, 5, brief=BRIEF, seed=1)
    assert state() == before


def test_nsga3_takes_the_ideal_point_off_twice():
    """Moving all points must change nothing; DEAP's intercepts are of moved points and are moved again."""

    def chosen(points):
        with borrowed_global_random(0):
            pool = [Bare(*p, name=i) for i, p in enumerate(points)]
            return sorted(b.name for b in deap.tools.selNSGA3(pool, 6, deap.tools.uniform_reference_points(2, p=5)))

    fronts = [curve(Stream(seed)) for seed in range(40)]
    moved = [[(a + 16, b + 32) for a, b in points] for points in fronts]
    assert sum(chosen(a) != chosen(b) for a, b in zip(fronts, moved, strict=True)) > 30
    for a, b in zip(fronts, moved, strict=True):
        ours, theirs = ([entry(i, *p) for i, p in enumerate(points)] for points in (a, b))
        assert stay("nsga3", ours, 6) == stay("nsga3", theirs, 6)


def test_nsga3_cannot_choose_all():
    pool = [Bare(0.0, 1.0), Bare(1.0, 0.0)]
    with pytest.raises(ValueError, match="zero-size array"):
        deap.tools.selNSGA3(pool, 3, deap.tools.uniform_reference_points(2, p=3))
    assert stay("nsga3", [entry(0, 0.0, 1.0), entry(1, 1.0, 0.0)], 3) == [0, 1]


def test_spea2_measures_density_to_those_behind_only():
    """Of the dominated who are as strong, the order decides; it is that of individuals here, whatever comes in."""
    points = [(5, 5), (4, 4.0), (4, 4.1), (4.1, 4), (1, 4.5), (4.5, 1), (4.05, 4.05), (4.02, 4.08)]
    there = [b.fitness.values for b in deap.tools.selSPEA2([Bare(*p) for p in points], 4)]
    back = [b.fitness.values for b in deap.tools.selSPEA2([Bare(*p) for p in reversed(points)], 4)]
    assert set(there) != set(back)
    entries = [entry(i, *map(float, p)) for i, p in enumerate(points)]
    assert stay("spea2", entries, 4) == stay("spea2", entries[::-1], 4)


def test_spea2_measures_distance_in_the_largest_unit():
    """Objectives (-bytes, accuracy): in DEAP half the accuracy is nothing beside eight bytes."""
    networks = [(1, 0.1), (9, 0.6), (500, 0.61), (999, 0.62)]
    bare = [Bare(-float(size), accuracy, name=i) for i, (size, accuracy) in enumerate(networks)]
    assert sorted(b.name for b in deap.tools.selSPEA2(bare, 3)) != [0, 1, 3]
    assert stay("spea2", [entry(b.name, *b.fitness.values) for b in bare], 3) == [0, 1, 3]
    assert [c.fitness.values for c in scaled([entry(0, 5.0, -9.0), entry(1, 7.0, -9.0)])] == [(-1.0, 0.0), (0.0, 0.0)]


def test_nsga2_orders_only_the_front_it_cuts():
    points = [(1.0, 9.0), (8.0, 2.0), (5.0, 5.0), (9.0, 1.0), (5.1, 4.9)]
    pool = [Bare(*p, name=i) for i, p in enumerate(points)]
    assert [b.name for b in deap.tools.selNSGA2([*pool, Bare(0.0, 0.0, name=9)], 6)][:5] == [0, 1, 2, 3, 4]
    assert [e.individual for e in ranked([entry(i, *p) for i, p in enumerate(points)])] == [0, 3, 2, 1, 4]


def test_the_table_names_every_test_of_this_module():
    table = (Path(__file__).parents[2] / "docs" / "deap.md").read_text()
    tests = {name for name in globals() if name.startswith("test_") and "the_table" not in name}
    assert set(re.findall(r"`(test_\w+)`", table)) == tests
