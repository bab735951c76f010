"""The drift control: the same search, blind."""

from dataclasses import dataclass

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import SMALL, AnyOrder, MemoryRun, finished, landscape, make_search, rough

from evonet.evolution.bands import Entry
from evonet.evolution.drift import shuffled
from evonet.evolution.loop import run
from evonet.evolution.score import choice_score
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.job import Scored
from evonet.seeds import Stream

BLIND = msgspec.structs.replace(SMALL, drift=True, finish_best=5)


def entry(number: int, choice: float | None) -> Entry:
    return Entry(
        decision=number,
        individual=number,
        rung=0,
        genome=b"",
        ids=(),
        seen=10,
        score=float(number),
        choice=choice,
        long_share=0.0,
        bytes=100,
        objectives=(float(number), -1.0),
    )


@given(st.lists(st.none() | st.floats(0, 1), max_size=12), st.integers(0, 2**32))
def test_entries_exchange_scores_and_nothing_else(choices, seed):
    before = [entry(i, choice) for i, choice in enumerate(choices)]
    after = shuffled(before, Stream("test", seed))
    assert [(e.individual, e.choice is None) for e in after] == [(e.individual, e.choice is None) for e in before]
    assert sorted(e.score for e in after) == [e.score for e in before]
    assert all(e.objectives == (e.score, -1.0) for e in after)
    have = [c for c in choices if c is not None]
    assert sorted(e.choice for e in after if e.choice is not None) == sorted(have)


def test_shuffles_are_even():
    shuffles = [shuffled([entry(i, i / 4) for i in range(4)], Stream("even", n)) for n in range(2000)]
    for value in range(4):
        assert 430 < sum(after[0].score == value for after in shuffles) < 570
        assert 430 < sum(after[0].choice == value / 4 for after in shuffles) < 570


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1, 2, 7, 40]), st.integers(0, 2**32))
def test_workers_leave_no_trace_in_a_blind_search_either(slots, order):
    reference, serial = finished(BLIND)
    recorder = MemoryRun()
    search = make_search(recorder, BLIND)
    winner = run(search, AnyOrder(rough, slots, Stream("order", order).below), recorder)
    assert recorder.trace() == reference.trace()
    assert winner == serial.winner()


@dataclass
class Ends:
    """The mean loss of late births, over seeds."""

    options: SearchSettings

    @property
    def loss(self) -> float:
        found = []
        for seed in range(3):
            recorder, _ = finished(self.options, landscape, seed=seed)
            found += [o.measures.loss for d, o in recorder.rows if d.kind == "breed" and d.job.individual >= 100]
        return sum(found) / len(found)


def test_a_blind_search_gains_nothing():
    options = SearchSettings(population=16, individuals=140, rungs=(10,), finish_best=0, fresh=0.0)
    seeing, blind = (Ends(msgspec.structs.replace(options, drift=drift)).loss for drift in (False, True))
    founders, _ = finished(msgspec.structs.replace(options, fresh=1.0), landscape)
    start = [o.measures.loss for d, o in founders.rows]
    assert seeing < 0.6 * blind
    assert blind > 0.8 * sum(start) / len(start)


def test_the_winner_of_a_blind_search_is_any_finalist():
    finals = []
    for seed in range(24):
        recorder, search = finished(BLIND, seed=seed)
        ends = {
            d.job.individual: choice_score(o.measures, ScoreSettings())
            for d, o in recorder.rows
            if d.kind == "finish" and isinstance(o, Scored)
        }
        finals.append(search.winner().individual == max(ends, key=ends.get))
    assert 0 < sum(finals) < 12
