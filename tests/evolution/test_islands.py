"""Islands: who belongs where, what crosses over, and that one island is the search as it always was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from simulation import SMALL, AnyOrder, Killed, MemoryRun, finished, make_search, rough

from evonet.evolution.bands import Entry
from evonet.evolution.loop import run
from evonet.evolution.pools import Pools
from evonet.evolution.rungs import Rated
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.seeds import Stream

ISLANDS = replace(SMALL, population=12, individuals=36, islands=3, migrate_every=2, migrants=1)
CASES = {
    "ring": (ISLANDS, ScoreSettings()),
    "apart": (replace(ISLANDS, migrate_every=0), ScoreSettings()),
    "pareto": (
        replace(ISLANDS, survival="nsga3", mating="epsilon_lexicase", clones=0.2, adapt=0.3, window=5),
        ScoreSettings(kind="pareto", objectives=("loss", "bytes", "seen")),
    ),
    "elites": (replace(ISLANDS, survival="elites", mating="uniform", migrate_every=1), ScoreSettings()),
    "one": (replace(SMALL, survival="spea2", mating="lexicase"), ScoreSettings(kind="pareto")),
}
SERIAL = {name: finished(options, score=score) for name, (options, score) in CASES.items()}


def entry(individual, score):
    return Entry(
        decision=individual,
        individual=individual,
        rung=0,
        genome=b"",
        ids=(),
        seen=1,
        score=score,
        choice=None,
        long_share=0.0,
        bytes=1,
        objectives=(score,),
    )


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(CASES)),
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from([1, 2, 7, 40])), max_size=3),
    st.integers(0, 2**32),
)
def test_workers_order_kills_and_resumes_leave_no_trace(case, kills, order):
    recorder = MemoryRun()
    for i, (fuse, slots) in enumerate([*kills, (10**9, 5)]):
        recorder.fuse = fuse
        search = make_search(recorder, CASES[case][0], score=CASES[case][1])
        try:
            winner = run(
                search, AnyOrder(rough, slots, Stream("order", order, i).below), recorder, past=recorder.decisions()
            )
        except Killed:
            continue
    reference, serial = SERIAL[case]
    assert recorder.trace() == reference.trace()
    assert (winner, search.pool) == (serial.winner(), serial.pool)


def test_the_cases_do_something():
    for name, (recorder, _) in SERIAL.items():
        assert {"breed", "promote", "finish"} <= {d.kind for d, _ in recorder.rows}, name
    assert any(d.operator == "clone" for d, _ in SERIAL["pareto"][0].rows)
    assert len({repr(recorder.trace()) for recorder, _ in SERIAL.values()}) == len(CASES)


def test_an_island_is_a_function_of_the_decision():
    assert [ISLANDS.island(n) for n in range(8)] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert (ISLANDS.block, ISLANDS.founders) == (1, 12)
    late = SearchSettings(population=16, islands=2, window=20)
    assert (late.block, late.founders) == (2, 24)
    first = {late.island(block * late.block) for block in range((late.founders - late.lag + 1) // late.block)}
    assert first == {0, 1}  # at the first look every island has a pool
    wide = SearchSettings(population=64, islands=4)
    assert (wide.block, wide.lag, wide.founders) == (4, 48, 64)
    assert [wide.island(n) for n in (0, 3, 4, 15, 16)] == [0, 0, 1, 3, 0]


def island_of(recorder, options):
    """Where each individual was born."""
    return {d.job.individual: options.island(d.job.decision) for d, _ in recorder.rows if d.kind in ("found", "breed")}


def crossings(options):
    recorder, _ = finished(replace(options, individuals=200))
    home = island_of(recorder, options)
    bred = [(d, options.island(d.job.decision)) for d, _ in recorder.rows if d.kind in ("breed", "promote")]
    pairs = [(i, here) for d, here in bred for i in (d.parents or (d.job.individual,))]
    return [(home[i], here) for i, here in pairs if home[i] != here], len(pairs)


def test_islands_that_are_apart_never_breed_with_each_other():
    assert crossings(replace(ISLANDS, migrate_every=0))[0] == []


def test_migrants_go_round_the_ring():
    found, bred = crossings(replace(ISLANDS, crossover=0.0))
    assert 0 < len(found) < bred
    steps = [(here - home) % 3 for home, here in found]
    assert steps.count(1) > steps.count(2)  # two steps take two migrations


def pools(**changes):
    return Pools(replace(ISLANDS, **changes), seed=1, brief=1, pareto=False)


def told(pools, scores):
    for n, score in enumerate(scores):
        pools.fold([entry(n, score)])
    return [[e.individual for e in island.pool] for island in pools._islands]


def test_the_best_are_copied_all_at_once():
    scores = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert told(pools(), scores[:5]) == [[3, 0], [4, 1], [2]]
    assert told(pools(), scores) == [[5, 3, 0], [4, 3, 1], [5, 4, 2]]
    assert told(pools(migrants=2), scores) == [[5, 3, 2, 0], [4, 3, 1, 0], [5, 4, 2, 1]]
    assert told(pools(migrate_every=0), scores) == [[3, 0], [4, 1], [5, 2]]


def test_who_is_better_known_here_is_not_replaced_by_an_older_copy_from_next_door():
    there = pools()
    told(there, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])  # 5 was born on the last island, and is on the first one too
    there.fold([replace(entry(5, 9.0), decision=40, rung=1)])
    for n in range(7, 12):
        there.fold([entry(n, 0.0)])  # and now it migrates as it was
    assert [[e.score for e in island.pool if e.individual == 5] for island in there._islands] == [[9.0], [9.0], [5.0]]


def test_an_island_holds_its_share_of_the_population():
    _, search = SERIAL["ring"]
    assert [len(island.pool) for island in search._pools._islands] == [4, 4, 4]
    assert len(search.pool) == 12


@pytest.mark.parametrize("migrate_every", [0, 1, 3])
def test_of_one_island_migration_says_nothing(migrate_every):
    plain, _ = finished(replace(SMALL, individuals=50))
    other, _ = finished(replace(SMALL, individuals=50, migrate_every=migrate_every, migrants=7))
    assert plain.trace() == other.trace()


SCORES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fold"), SCORES),
        st.tuples(st.just("promote"), st.integers(0, 2)),
        st.tuples(st.just("drop"), st.sets(st.integers(0, 9), min_size=3)),
        st.tuples(st.just("share"), st.sampled_from([0.2, 0.5, 1.0])),
        st.tuples(st.just("turn"), st.none()),
    ),
    min_size=6,
    max_size=25,
)


def promotions(steps, *, asked):
    """Who is promoted, and the mean, when it is asked `asked` times between any two steps."""
    there, ever, found = pools(promote=0.5), [], []
    for kind, value in steps:
        for n in range(3 * asked):  # one of each island
            there.promotable(n)
        match kind:
            case "fold":
                coming = [entry(len(ever) + i, score) for i, score in enumerate(value)]
                ever += [(there.blocks, one) for one in coming]
                there.fold(coming)
            case "promote":
                if (chosen := there.promotable(value)) is not None:
                    there.promoted(value, chosen.individual)
                    found.append(chosen)
            case "drop":
                there.drop(value)
            case "share":
                there.adopt(replace(ISLANDS, promote=value), seed=1, brief=1)
            case "turn":
                ever = [(block, turned(one)) for block, one in ever]
                there.score_again(turned, [(block, Rated.of(one)) for block, one in ever], pareto=False)
        scores = [one.score for one in there.pool]
        assert there.mean == (pytest.approx(sum(scores) / len(scores)) if scores else None)
    return found


def turned(one):
    return replace(one, score=-one.score, objectives=(-one.score,))


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_who_may_be_promoted_does_not_hang_on_when_it_was_asked(steps):
    assert promotions(steps, asked=0) == promotions(steps, asked=1)
