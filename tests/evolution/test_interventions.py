"""Whatever comes from outside is replayed: by number of decision, in any order of completion, over any kills."""

import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import SMALL, AnyOrder, Killed, MemoryRun, admits, finished, in_turn, make_search, rough

from evonet.errors import Interrupted, StoreError
from evonet.evolution.interventions import Configure, Cull, Inject, Note, Pause, Refused, scheduled
from evonet.evolution.loop import replay, run
from evonet.evolution.rungs import Ladder, Rated
from evonet.evolution.score import choice_score, objectives, score
from evonet.evolution.settings import ScoreSettings
from evonet.evolution.terms import Terms
from evonet.genome import Genome, SheetGene
from evonet.genome.code import encode
from evonet.genome.sampling import Limits
from evonet.job import Scored
from evonet.seeds import Stream

GUEST = encode(Genome(sheets=(SheetGene(channels=5),)))
ADAPTIVE = msgspec.structs.replace(SMALL, adapt=0.5)
ISLANDS = msgspec.structs.replace(ADAPTIVE, population=16, individuals=36, islands=2, migrate_every=2, clones=0.2)
CHANGES = {
    "individuals": ({"individuals": 40}, {}),
    "rates": ({"rates": {"reseed": 3.0}, "crossover": 0.9, "promote": 1.0, "finish_best": 3}, {}),
    "score": ({}, {"kind": "weighted", "size_price": 0.5}),
    "objectives": ({"patience": 9}, {"kind": "pareto"}),
}


def terms_of(options):
    """Terms by the name of a change; the seed changes with them."""

    def terms(text):
        search, scoring = CHANGES[text]
        return Terms(
            settings=msgspec.structs.replace(options, **search),
            score=ScoreSettings(**scoring),
            limits=Limits(),
            seed=7 if text == "individuals" else 8,
            context="simulation" if text == "individuals" else f"simulation of {text}",
            brief_examples=options.rungs[0] * 10,
            admit=admits,
        )

    return terms


def search_of(recorder, options=ADAPTIVE, **changes):
    return make_search(recorder, options, terms=terms_of(options), interventions=recorder.interventions(), **changes)


class MemoryInbox:
    """Requests that come one by one: the next after so many looks at the inbox."""

    def __init__(self, *requests, known=()):
        self.letters = [[looks, f"{i}.json", request] for i, (looks, request) in enumerate(requests)]
        self.known, self.aside = set(known), []

    def pending(self):
        for letter in list(self.letters):
            letter[0] -= 1
            if letter[1] in self.known:
                self.done(letter[1])
            elif letter[0] < 0:
                yield letter[1], letter[2]

    def done(self, name):
        self.letters = [letter for letter in self.letters if letter[1] != name]

    def refuse(self, name):
        self.aside.append(name)
        self.done(name)


def known_requests(recorder):
    return {data["request"] for _, _, data in recorder.written if "request" in data}


def any_order(slots, seed):
    return AnyOrder(rough, slots, Stream("order", seed).below)


LUCKY = b"somebody" + struct.pack("<d", 0.01)  # a package of `simulation.rough`: its loss is what children start from
REQUESTS = st.one_of(
    st.just(Inject(genome=GUEST)),
    st.just(Inject(genome=GUEST, package=LUCKY)),
    st.builds(Cull, individuals=st.lists(st.integers(0, 30), min_size=1, max_size=4).map(tuple)),
    st.builds(Pause, generation=st.sampled_from([None, 1, 2, 3])),
    st.builds(Note, individual=st.integers(0, 40), text=st.text(max_size=5)),
)
LIVES = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 7]), st.sampled_from([None, None, *CHANGES])), max_size=5
)


@pytest.mark.parametrize("options", [ADAPTIVE, ISLANDS], ids=["one pool", "islands"])
@settings(max_examples=20, deadline=None)
@given(requests=st.lists(st.tuples(st.integers(0, 40), REQUESTS), max_size=5), lives=LIVES, order=st.integers(0, 2**32))
def test_a_run_with_interventions_is_the_straight_run_with_the_same_events(options, requests, lives, order):
    recorder, inbox = MemoryRun(), MemoryInbox(*requests)
    for i, (fuse, slots, change) in enumerate([*lives, *[(10**9, 3, None)] * 8]):
        recorder.fuse = None  # between two lives nobody dies
        if change and not any(d.kind == "finish" for d, _ in recorder.rows):
            recorder.event("configure", change, len(recorder.rows), {"change": Configure(config=change)})
        recorder.fuse, inbox.known = fuse, known_requests(recorder)
        search = search_of(recorder, options)
        past, checked = recorder.decisions(), lambda n, i=i: (n + i) % 3 == 0
        try:
            winner = run(search, any_order(slots, order + i), recorder, past=past, checked=checked, inbox=inbox)
        except (Killed, Interrupted):
            continue
        break
    else:
        raise AssertionError("never finished")
    straight = MemoryRun()
    straight.written = list(recorder.written)
    again = search_of(straight, options)
    assert run(again, in_turn(rough), straight) == winner
    assert straight.trace() == recorder.trace()
    births = [d.job.individual for d, _ in recorder.rows if d.kind in ("seed", "found", "breed")]
    assert births == list(range(len(births)))
    names = [data["request"] for _, _, data in recorder.written if "request" in data]
    assert len(names) == len(set(names))  # taken once, however often the driver was killed


def ran(*events, options=ADAPTIVE):
    """A straight run with interventions, and its search."""
    recorder = MemoryRun()
    for n, change in events:
        kind = type(change).__name__.lower()
        recorder.event(kind, "", n, {"change": change})
    search = search_of(recorder, options)
    run(search, in_turn(rough), recorder)
    return recorder, search


def test_without_interventions_nothing_changes():
    assert ran()[0].trace() == finished(ADAPTIVE)[0].trace()


@pytest.mark.parametrize("n", [0, 11, 25])
def test_a_run_that_goes_on_longer_is_a_longer_run(n):
    longer = finished(msgspec.structs.replace(ADAPTIVE, individuals=40))[0]
    assert ran((n, Configure(config="individuals")))[0].trace() == longer.trace()


def test_it_may_go_on_longer_as_long_as_nothing_is_finished():
    recorder, _ = finished(ADAPTIVE)
    rest = [i for i, (d, _) in enumerate(recorder.rows) if d.kind == "finish"]
    recorder.rows = recorder.rows[: rest[0]]  # all told, the best not decided on
    recorder.event("configure", "", rest[0], {"change": Configure(config="individuals")})
    search = search_of(recorder)
    run(search, in_turn(rough), recorder, past=recorder.decisions())
    assert recorder.trace() == finished(msgspec.structs.replace(ADAPTIVE, individuals=40))[0].trace()


def test_a_guest_is_the_next_birth_and_an_ordinary_one():
    recorder, _ = ran((13, Inject(genome=GUEST, package=LUCKY)), (13, Inject(genome=GUEST)))
    first, second = (recorder.rows[n][0] for n in (13, 14))
    assert [(d.kind, d.operator, d.job.genome) for d in (first, second)] == [("seed", "inject", GUEST)] * 2
    assert second.job.individual == first.job.individual + 1
    (start,) = first.job.starts
    assert (start.package, start.shadow, start.ids) == (LUCKY, b"", first.job.ids)
    assert second.job.starts == ()
    assert any(first.job.individual in d.parents for d, _ in recorder.rows)  # it starts far ahead of all others


def test_a_guest_waits_for_seed_genomes_and_comes_before_promotions():
    recorder = MemoryRun()
    search = make_search(recorder, genomes=(Genome(sheets=(SheetGene(channels=10),)),) * 3)
    search.intervene(Inject(genome=GUEST), at=1)
    run(search, in_turn(rough), recorder)
    assert [d.operator for d, _ in recorder.rows[:4]] == ["seed", "seed", "seed", "inject"]
    plain, _ = finished()
    n = next(i for i, (d, _) in enumerate(plain.rows) if d.kind == "promote")
    recorder, _ = ran((n, Inject(genome=GUEST)), options=SMALL)
    assert recorder.rows[n][0].operator == "inject"


def test_who_is_culled_has_no_children_and_no_future():
    plain, search = finished()
    best = search.winner().individual
    birth = next(d.job.decision for d, _ in plain.rows if d.job.individual == best)
    for n in (birth + 1, birth + 9):  # in flight, and in the pool
        recorder, after = ran((n, Cull(individuals=(best, 2))), options=SMALL)
        later = [d for d, _ in recorder.rows[n:]]
        assert not {best, 2} & {i for d in later for i in (*d.parents, d.job.individual)}
        assert not {best, 2} & {entry.individual for entry in after.pool}
        assert after.winner().individual not in (best, 2)


def test_all_may_be_culled():
    recorder, search = ran((20, Cull(individuals=tuple(range(20)))), options=SMALL)
    assert {d.kind for d, _ in recorder.rows[20:21]} == {"found"}
    assert search.winner() is not None


@pytest.mark.parametrize("change", ["score", "objectives"])
def test_other_scores_are_made_of_what_was_measured(change):
    recorder = MemoryRun()
    recorder.event("configure", "", 25, {"change": Configure(config=change)})
    search, recorder.fuse = search_of(recorder), 120
    with pytest.raises(Killed):
        run(search, in_turn(rough), recorder)
    assert search.next > 25
    measures = {n: m for n, _, _, m in recorder.measured()}
    scoring = ScoreSettings(**CHANGES[change][1])
    for entry in (*search.pool, *search._finalists.held, search.best):
        m = measures[entry.decision]
        derived = score(m, scoring), choice_score(m, scoring), objectives(m, scoring)
        assert (entry.score, entry.choice, entry.objectives) == derived
    seen = search._pools.blocks * SMALL.block
    folded = [Rated(i, r, score(m, scoring), objectives(m, scoring)) for n, i, r, m in recorder.measured() if n < seen]
    ladder = Ladder(2, promote=SMALL.promote, pareto=change == "objectives")
    ladder.add(folded)
    rung, expected = search._pools._ladder._seen[0], ladder._seen[0]
    assert rung.count == expected.count
    assert [rung.better(e) for e in search.pool if not e.rung] == [
        expected.better(e) for e in search.pool if not e.rung
    ]
    assert search._pools._best == max(rated.score for rated in folded)


def test_other_terms_make_other_decisions_from_there_on():
    plain, changed = finished(ADAPTIVE)[0], ran((15, Configure(config="rates")))[0]
    assert plain.trace()[:15] == changed.trace()[:15]
    assert plain.rows[15][0].job.key != changed.rows[15][0].job.key


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9))
def test_a_decision_that_is_followed_leaves_the_search_as_one_that_was_taken(count, every):
    recorder, _ = ran((5, Inject(genome=GUEST)), (9, Cull(individuals=(1,))))
    done = [(d, o) for d, o in recorder.rows if d.kind != "finish"][:count]
    states = []
    for checked in (lambda _: True, lambda n: n % every == 0):
        cut = MemoryRun()
        cut.rows, cut.written = list(done), recorder.written
        search = search_of(cut)
        replay(search, cut.decisions(), checked)
        counts = search.births, search.next, search._steps, search._pools._ladder._promoted
        mating = search._pools.mating(search.next)
        states.append((search.pool, search.best, mating, search._finalists.held, search._credits.rates, *counts))
    assert states[0] == states[1]


def test_a_record_with_other_outcomes_is_found_out_at_its_end():
    recorder, _ = finished()
    rows = [(d, o) for d, o in recorder.rows if d.kind != "finish"]
    n = next(i for i, (_, o) in enumerate(rows) if isinstance(o, Scored))
    decision, outcome = rows[n]
    better = msgspec.structs.replace(outcome.measures, loss=0.0)
    rows[n] = decision, msgspec.structs.replace(outcome, measures=better)
    cut = MemoryRun()
    cut.rows = rows
    with pytest.raises(StoreError, match=r"decision \d+: recorded with key .*, decided now as"):
        replay(make_search(cut), cut.decisions(), lambda n: n >= len(rows) - 10)


def test_what_is_followed_must_be_what_comes_next():
    search = make_search(MemoryRun())
    decision = search.decide()
    with pytest.raises(ValueError, match="decision 0 cannot be followed: the search is at decision 1"):
        search.follow(decision)


def paused_at(*requests, pauses=()):
    recorder, inbox = MemoryRun(), MemoryInbox(*requests)
    with pytest.raises(Interrupted, match=r"paused after .* 0 of them in flight; resume"):
        run(make_search(recorder), any_order(3, 1), recorder, inbox=inbox, pauses=pauses)
    return recorder


def test_pause_awaits_what_is_in_flight():
    recorder = paused_at((12, Pause()))
    assert recorder.state == "stopped"
    assert all(outcome is not None for _, outcome in recorder.rows)
    run(make_search(recorder), any_order(2, 4), recorder, past=recorder.decisions())
    assert recorder.trace() == finished()[0].trace()


@pytest.mark.parametrize("asked", ["now", "earlier"])
def test_pause_when_a_generation_begins(asked):
    wish = [(0, Pause(generation=2))] if asked == "now" else []
    recorder = paused_at(*wish, pauses=[] if wish else [16])
    assert sum(d.kind in ("found", "breed") for d, _ in recorder.rows) == 2 * SMALL.population


class LateInbox(MemoryInbox):
    """A request that comes when the search is over, before the best are finished."""

    def __init__(self, search, request):
        super().__init__((0, request))
        self.search = search

    def pending(self):
        return super().pending() if self.search.stopped() else iter(())


def refusals(recorder):
    return [event.partition(": ")[2] for event in recorder.events if event.startswith("refused")]


def test_what_cannot_be_done_is_an_event_and_put_aside():
    recorder = MemoryRun()
    wrong = [Refused("no JSON"), Cull(individuals=(3, 99)), Note(individual=-1, text="?"), Pause(generation=0)]
    inbox = MemoryInbox(*[(5, request) for request in wrong])
    run(make_search(recorder), in_turn(rough), recorder, inbox=inbox)
    assert refusals(recorder) == [
        "0.json: no JSON",
        "1.json: no individual #99; there are 5 so far",
        "2.json: no individual #-1; there are 5 so far",
        "3.json: generation 0 has begun already",
    ]
    assert (inbox.letters, inbox.aside) == ([], [f"{i}.json" for i in range(4)])
    assert recorder.trace() == finished()[0].trace()


def test_a_search_that_is_over_takes_no_guests():
    recorder = MemoryRun()
    search = make_search(recorder)
    run(search, in_turn(rough), recorder, inbox=LateInbox(search, Inject(genome=GUEST)))
    (refusal,) = refusals(recorder)
    assert "the search is over: all 30 individuals are born; `evonet fork` goes on from an earlier" in refusal
    assert recorder.trace() == finished()[0].trace()


def test_notes_change_nothing():
    recorder = MemoryRun()
    run(make_search(recorder), in_turn(rough), recorder, inbox=MemoryInbox((9, Note(individual=3, text="odd"))))
    assert recorder.trace() == finished()[0].trace()
    assert any(event.startswith("note") and event.endswith("#3: odd") for event in recorder.events)


def test_an_intervention_lies_ahead():
    search = make_search(MemoryRun())
    search.decide()
    assert search.intervene(Cull(individuals=(0,)), at=9) == 9
    for n in (0, 8):
        with pytest.raises(ValueError, match=f"no intervention at decision {n}: the search is at 1"):
            search.intervene(Cull(individuals=(0,)), at=n)
    search = finished()[1]
    with pytest.raises(ValueError, match="finishing has begun"):
        search.intervene(Cull(individuals=(0,)))


def test_damaged_events_are_named():
    assert scheduled("lost", 3, None) is None
    with pytest.raises(StoreError, match=r"event cull at decision 3: Expected `object`.*doctor"):
        scheduled("cull", 3, None)
    with pytest.raises(StoreError, match=r"event cull: expected the decision it takes effect at"):
        scheduled("cull", None, {"change": {"type": "cull", "individuals": [1]}})


@pytest.mark.parametrize("change", ["rates", "score"])
@pytest.mark.parametrize("n", range(18, 24))
def test_parents_drawn_by_the_old_terms_stay_until_the_next_block(change, n):
    """Drawn or not by the time the terms change: after a kill nobody may have asked for them."""
    whole, _ = ran((n, Configure(config=change)))
    cut = MemoryRun()
    cut.rows, cut.written = whole.rows[:n], whole.written
    run(search_of(cut), in_turn(rough), cut, past=cut.decisions(), checked=lambda _: False)
    assert cut.trace() == whole.trace()
