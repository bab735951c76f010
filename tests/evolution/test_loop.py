"""The central property: workers, order of completion, kills and resumes leave no trace in a run."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import (
    SMALL,
    AnyOrder,
    Killed,
    MemoryRun,
    best_of_the_first,
    finished,
    in_turn,
    make_search,
    rough,
    scored,
)

from evonet.errors import Interrupted, StoreError, WorkersError
from evonet.evolution.loop import run
from evonet.evolution.settings import ScoreSettings
from evonet.genome import Genome, SheetGene
from evonet.job import Diverged, Lost, Scored
from evonet.seeds import Stream

TARGET = best_of_the_first(30)
SEARCHES = {
    "individuals": (SMALL, ScoreSettings()),
    "target": (msgspec.structs.replace(SMALL, target=TARGET, individuals=200, promote=0.0), ScoreSettings()),
    "patience": (msgspec.structs.replace(SMALL, patience=2, individuals=200), ScoreSettings(kind="weighted")),
    "pareto": (msgspec.structs.replace(SMALL, window=3, rungs=(10, 20, 40)), ScoreSettings(kind="pareto")),
    "adaptive": (msgspec.structs.replace(SMALL, adapt=0.5, individuals=40), ScoreSettings()),
    "wide window": (msgspec.structs.replace(SMALL, window=17), ScoreSettings(kind="bound", bound=300)),
}
SERIAL = {name: finished(options, score=score) for name, (options, score) in SEARCHES.items()}
CASES = st.sampled_from(sorted(SEARCHES))


def any_order(slots, seed):
    return AnyOrder(rough, slots, Stream("order", seed).below)


@settings(max_examples=60, deadline=None)
@given(CASES, st.sampled_from([1, 2, 7, 40]), st.integers(0, 2**32))
def test_the_number_and_order_of_workers_leave_no_trace(case, slots, order):
    recorder = MemoryRun()
    search = make_search(recorder, SEARCHES[case][0], score=SEARCHES[case][1])
    winner = run(search, any_order(slots, order), recorder)
    reference, serial = SERIAL[case]
    assert recorder.trace() == reference.trace()
    assert (winner, search.stopped()) == (serial.winner(), serial.stopped())


@settings(max_examples=60, deadline=None)
@given(CASES, st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 7])), max_size=6), st.integers(0, 2**32))
def test_kills_and_resumes_leave_no_trace(case, kills, order):
    recorder = MemoryRun()
    for i, (fuse, slots) in enumerate([*kills, (10**9, 3)]):
        recorder.fuse = fuse
        search = make_search(recorder, SEARCHES[case][0], score=SEARCHES[case][1])
        try:
            winner = run(search, any_order(slots, order + i), recorder, past=recorder.decisions())
        except Killed:
            continue
    reference, serial = SERIAL[case]
    assert recorder.trace() == reference.trace()
    assert (winner, recorder.state) == (serial.winner(), "finished")
    assert sum(event.startswith("end") for event in recorder.events) <= 1


def test_the_cases_are_different_and_do_something():
    lengths = {name: len(recorder.rows) for name, (recorder, _) in SERIAL.items()}
    assert lengths["target"] < 200 > lengths["patience"]
    assert len({search.stopped() for _, search in SERIAL.values()}) == 4
    assert all({"breed", "finish"} <= {d.kind for d, _ in r.rows} for r, _ in SERIAL.values())
    assert sum("promote" in {d.kind for d, _ in r.rows} for r, _ in SERIAL.values()) >= 3


def test_resume_does_again_only_what_was_in_flight():
    recorder = MemoryRun()
    recorder.fuse = 70
    with pytest.raises(Killed):
        run(make_search(recorder), any_order(4, 1), recorder)
    owed = sum(outcome is None for _, outcome in recorder.rows)
    rest = len(SERIAL["individuals"][0].rows) - len(recorder.rows)
    workers = any_order(4, 2)
    run(make_search(recorder), workers, recorder, past=recorder.decisions())
    assert owed > 0
    assert workers.submitted == owed + rest


def test_a_finished_run_is_only_read():
    reference, serial = SERIAL["individuals"]
    recorder = MemoryRun()
    recorder.rows = list(reference.rows)
    workers = in_turn(rough)
    assert run(make_search(recorder), workers, recorder, past=recorder.decisions()) == serial.winner()
    assert (workers.submitted, recorder.state, recorder.events) == (0, "finished", [])


def test_a_run_of_other_settings_is_not_gone_on_with():
    reference, _ = SERIAL["individuals"]
    for changes in ({"context": "other data"}, {"seed": 8}):
        with pytest.raises(StoreError, match=r"decision 0: recorded with key .* go on with those, or start a new run"):
            run(make_search(reference, **changes), in_turn(rough), reference, past=reference.decisions())


def test_a_longer_record_than_the_search_is_refused():
    reference, _ = SERIAL["individuals"]
    shorter = make_search(reference, msgspec.structs.replace(SMALL, individuals=3, finish_best=0))
    with pytest.raises(StoreError, match=r"decision 3: .* decided now as nothing"):
        run(shorter, in_turn(rough), reference, past=reference.decisions())


def test_equal_jobs_are_evaluated_once():
    twins = (Genome(sheets=(SheetGene(),)),) * 3
    recorder = MemoryRun()
    workers = in_turn(lambda job: scored(job, 1.0 + job.decision / 100))
    run(make_search(recorder, genomes=twins), workers, recorder)
    assert recorder.cached[:2] == [1, 2]
    assert workers.submitted == len(recorder.rows) - len(recorder.cached)
    (_, first), (_, second) = recorder.rows[:2]
    assert second == msgspec.structs.replace(first, decision=1)


def test_lost_outcomes_are_events_and_are_never_taken_over():
    twins = (Genome(sheets=(SheetGene(),)),) * 2
    recorder = MemoryRun()
    lose = lambda job: Lost(decision=job.decision, reason="hung") if job.decision < 2 else rough(job)  # noqa: E731
    run(make_search(recorder, genomes=twins), in_turn(lose), recorder)
    assert {"lost 0: hung", "lost 1: hung"} <= set(recorder.events)


def test_a_scored_nan_is_recorded_as_diverged():
    recorder, _ = SERIAL["individuals"]
    odd = [o for d, o in recorder.rows if rough_is_nan(d.job)]
    assert odd
    assert {(type(o), o.reason) for o in odd} == {(Diverged, "scored with a non-finite measure")}


def rough_is_nan(job):
    outcome = rough(job)
    return isinstance(outcome, Scored) and outcome.measures.loss != outcome.measures.loss


def test_interrupt_keeps_what_is_done_and_can_be_resumed():
    recorder = MemoryRun()
    told = []
    with pytest.raises(Interrupted, match=r"stopped after \d+ decisions, \d+ of them in flight"):
        run(
            make_search(recorder),
            any_order(5, 3),
            recorder,
            progress=told.append,
            should_stop=lambda: len(told) >= 17,
        )
    assert recorder.state == "stopped"
    assert sum(outcome is not None for _, outcome in recorder.rows) == len(told)
    run(make_search(recorder), any_order(2, 4), recorder, past=recorder.decisions())
    assert recorder.trace() == SERIAL["individuals"][0].trace()


def test_interrupt_takes_in_answers_that_are_there():
    recorder = MemoryRun()
    told = []
    workers = AnyOrder(rough, 5, lambda _: 0)
    with pytest.raises(Interrupted, match=r"stopped after \d+ decisions, 0 of them in flight"):
        run(make_search(recorder), workers, recorder, progress=told.append, should_stop=lambda: len(told) >= 17)
    assert len(told) == len(recorder.rows) > 17


def test_progress_tells_where_the_run_stands():
    told = []
    recorder = MemoryRun()
    search = make_search(recorder)
    run(search, any_order(3, 1), recorder, progress=told.append)
    assert len(told) == len(recorder.rows)
    assert [p.phase for p in told] == ["search"] * (len(told) - 2) + ["finish"] * 2
    assert max(p.in_flight for p in told) <= 3
    assert (told[-1].issued, told[-1].births, told[-1].best) == (len(recorder.rows), SMALL.individuals, search.best)
    assert all(a.best is None or a.best.score <= b.best.score for a, b in pairwise(told))


def test_answers_nobody_asked_for_are_refused():
    workers = in_turn(lambda job: Lost(decision=job.decision + 1, reason=""))
    with pytest.raises(WorkersError, match="answered decision 1, expected one in flight"):
        run(make_search(MemoryRun()), workers, MemoryRun())


def test_no_workers_is_an_error_and_not_a_wait():
    with pytest.raises(WorkersError, match="slots = 0, expected at least 1"):
        run(make_search(MemoryRun()), AnyOrder(rough, 0, lambda _: 0), MemoryRun())
