import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import (
    BATCH,
    SMALL,
    MemoryRun,
    best_of_the_first,
    finished,
    in_turn,
    landscape,
    make_search,
    rough,
    scored,
)

from evonet.errors import StoreError
from evonet.evolution.bands import Entry
from evonet.evolution.finalists import Finalists
from evonet.evolution.keys import keyed
from evonet.evolution.loop import run
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import decode
from evonet.job import Diverged, Job, Lost, Rejected, Scored, Start

HAND = Genome(sheets=(SheetGene(motifs=(MotifGene(),)),))


def changed(**changes):
    return msgspec.structs.replace(SMALL, **changes)


def kinds(recorder):
    return [decision.kind for decision, _ in recorder.rows]


def in_search(recorder):
    return [(d, o) for d, o in recorder.rows if d.kind != "finish"]


def first_look(block, options):
    """The first decision that sees this block."""
    return (block + 1) * options.block + options.lag - 1


def test_derived_settings():
    assert (SMALL.block, SMALL.lag, SMALL.founders) == (2, 6, 8)
    assert (changed(window=20).lag, changed(window=20).founders) == (20, 22)
    assert (SearchSettings(population=1).block, SearchSettings(population=1).lag) == (1, 1)


def test_seed_genomes_come_first_then_founders_then_children():
    recorder, _ = finished(genomes=(HAND, HAND))
    assert kinds(recorder)[: SMALL.founders] == ["seed"] * 2 + ["found"] * 6
    assert set(kinds(recorder)[SMALL.founders :]) == {"found", "breed", "promote", "finish"}
    assert recorder.rows[0][0].job.genome == recorder.rows[1][0].job.genome


def test_individuals_number_densely_and_new_genes_carry_their_number():
    recorder, _ = finished()
    births = [d for d, _ in recorder.rows if d.kind in ("seed", "found", "breed")]
    assert [d.job.individual for d in births] == list(range(SMALL.individuals))
    for d in births:
        own = [ordinal for individual, ordinal in d.job.ids if individual == d.job.individual]
        assert own == list(range(len(own)))
        assert all(individual <= d.job.individual for individual, _ in d.job.ids)
        assert d.kind == "breed" or len(own) == len(d.job.ids)


def test_a_decision_waits_for_all_it_depends_on_and_for_nothing_else():
    recorder = MemoryRun()
    search = make_search(recorder)
    while search.ready():
        search.decide()
    assert search.next == first_look(0, SMALL) == 7
    with pytest.raises(ValueError, match="decision 7 is not ready"):
        search.decide()
    search.tell(Lost(decision=0, reason="worker died"))
    search.tell(Lost(decision=3, reason="worker died"))
    assert not search.ready()
    search.tell(Lost(decision=1, reason="worker died"))
    assert search.ready()


def test_tell_refuses_what_is_not_open():
    search = make_search(MemoryRun())
    with pytest.raises(ValueError, match="decision 0 is not open"):
        search.tell(Lost(decision=0, reason=""))
    search.decide()
    search.tell(Lost(decision=0, reason=""))
    with pytest.raises(ValueError, match="decision 0 is not open: it was never taken or was told before"):
        search.tell(Lost(decision=0, reason=""))


def test_the_search_itself_lets_no_nan_in():
    """Second fence: the loop records such an outcome as Diverged, but `tell` does not rely on it."""
    search = make_search(MemoryRun(), changed(window=1))
    for n in range(SMALL.block * 2):
        job = search.decide().job
        search.tell(scored(job, math.nan if n % 2 else 1.0))
    search.decide()
    assert {e.decision for e in search.pool} == {0, 2}
    assert search.best.score > -1e6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 34), st.sampled_from(["better", "worse", "lost"]), st.sampled_from([0.0, 0.5]))
def test_an_outcome_changes_no_decision_that_may_not_see_it(victim, how, adapt):
    """The window, measured from outside: all before the first decision whose pool holds the outcome is the same."""

    def bent(job):
        if job.decision != victim:
            return rough(job)
        return Lost(decision=victim, reason="") if how == "lost" else scored(job, 0.01 if how == "better" else 9.0)

    options = changed(adapt=adapt)
    recorder, _ = finished(options, evaluate=bent)
    plain, _ = finished(options)
    prefix = first_look(victim // SMALL.block, SMALL)
    assert [d for d, _ in recorder.rows][:prefix] == [d for d, _ in plain.rows][:prefix]


def test_better_outcomes_do_change_later_decisions():
    recorder, _ = finished(evaluate=lambda job: scored(job, 0.01) if job.decision == 3 else rough(job))
    plain, _ = finished()
    assert [d for d, _ in recorder.rows] != [d for d, _ in plain.rows]


def test_failures_and_nan_never_enter_a_pool():
    def failing(job):
        return [
            scored(job, math.nan),
            Diverged(decision=job.decision, step=1, reason="nan"),
            Rejected(decision=job.decision, reason="too large"),
            Lost(decision=job.decision, reason="hung"),
            scored(job, math.inf),
            scored(job, 1.0, long_share=math.nan),
            scored(job, 1.0 / (1 + job.decision)),
        ][job.decision % 7]

    recorder, search = finished(evaluate=failing)
    for decision, _ in recorder.rows:
        assert all(parent % 7 == 6 or decision.kind != "breed" for parent in births_of(recorder, decision.parents))
    assert {e.decision % 7 for e in search.pool} == {6}
    assert search.winner().decision % 7 == 6


def births_of(recorder, individuals):
    """Decisions that gave birth to these individuals."""
    born = {d.job.individual: d.job.decision for d, _ in recorder.rows if d.kind in ("seed", "found", "breed")}
    return [born[i] for i in individuals]


def test_a_run_where_everything_fails_ends_without_a_winner():
    recorder, search = finished(evaluate=lambda job: Diverged(decision=job.decision, step=0, reason="nan"))
    assert kinds(recorder) == ["found"] * SMALL.individuals
    assert search.winner() is None


def test_the_share_of_fresh_births_and_of_two_parents():
    options = changed(individuals=600, population=40, fresh=0.2, crossover=0.5, promote=0.0)
    recorder, _ = finished(options, evaluate=landscape)
    later = [d for d, _ in in_search(recorder)[options.founders :]]
    fresh = sum(d.kind == "found" for d in later) / len(later)
    assert 0.15 < fresh < 0.25
    assert 0.4 < sum(len(d.parents) == 2 for d in later) / sum(d.kind == "breed" for d in later) <= 0.55
    assert all(d.operator.startswith("cross+") == (len(d.parents) == 2) for d in later)


def test_promotion_goes_on_from_own_weights_on_the_next_rung_once():
    recorder, _ = finished(changed(rungs=(10, 30, 70), individuals=60))
    promotions = [d for d, _ in recorder.rows if d.kind == "promote"]
    assert {d.job.rung for d in promotions} == {1, 2}
    assert len({(d.job.individual, d.job.rung) for d in promotions}) == len(promotions)
    for d in promotions:
        assert d.job.decision % SMALL.promote_every == SMALL.promote_every - 1
        before = [
            (e, o)
            for e, o in recorder.rows[: d.job.decision - SMALL.lag + 1]
            if e.job.individual == d.job.individual and isinstance(o, Scored)
        ]
        was, outcome = before[-1]
        assert was.job.rung == d.job.rung - 1
        assert d.job.steps == (10, 30, 70)[d.job.rung]
        assert [s.package for s in d.job.starts] == [outcome.package]
        assert (d.job.genome, d.job.ids, d.job.seen) == (was.job.genome, was.job.ids, outcome.measures.seen)


def test_only_the_top_share_of_a_rung_is_promoted():
    recorder, _ = finished(changed(promote=0.25, individuals=60), evaluate=landscape)
    promotions = [d for d, _ in recorder.rows if d.kind == "promote"]
    assert promotions
    for d in promotions:
        blocks = (d.job.decision - SMALL.lag + 1) // SMALL.block
        seen = [
            (-8 * o.measures.bytes - 1000 * o.measures.loss, e.job.individual)
            for e, o in recorder.rows[: blocks * SMALL.block]
            if e.job.rung == d.job.rung - 1
        ]
        mine = next(s for s, i in seen if i == d.job.individual)
        assert sum(s > mine for s, _ in seen) < 0.25 * len(seen)


def test_children_start_from_their_parents_as_the_pool_knew_them():
    recorder, _ = finished(changed(crossover=0.5))
    packages = {o.package: d.job for d, o in recorder.rows if isinstance(o, Scored)}
    bred = [d for d, _ in recorder.rows if d.kind == "breed"]
    for d in bred:
        givers = [packages[s.package] for s in d.job.starts]
        assert tuple(job.individual for job in givers) == d.parents
        assert all(job.decision <= d.job.decision - SMALL.lag for job in givers)
        assert d.job.seen == max(job.seen + job.steps * BATCH for job in givers)
    assert any(packages[s.package].rung for d in bred for s in d.job.starts)


def test_without_inheritance_children_start_anew_and_keep_their_parents():
    recorder, _ = finished(changed(inherit=False))
    bred = [d for d, _ in recorder.rows if d.kind == "breed"]
    assert all(d.parents and not d.job.starts and d.job.seen == 0 for d in bred)
    assert all(len(d.job.starts) == 1 for d, _ in recorder.rows if d.kind in ("promote", "finish"))


def test_finishing_gets_its_share_of_the_steps_and_the_best_by_choice():
    recorder, search = finished(changed(finish_share=0.6, finish_best=3))
    total = sum(d.job.steps for d, _ in in_search(recorder))
    finals = [(d, o) for d, o in recorder.rows if d.kind == "finish"]
    assert [d.job.decision for d, _ in finals] == list(range(len(recorder.rows) - 3, len(recorder.rows)))
    assert {(d.job.rung, d.job.steps) for d, _ in finals} == {(-1, round(total * 1.5 / 3))}
    top = [
        (-8 * o.measures.bytes - 1000 * o.measures.choice_loss, d.job.individual)
        for d, o in in_search(recorder)
        if isinstance(o, Scored) and d.job.rung == 1
    ]
    assert [d.job.individual for d, _ in finals] == [i for _, i in sorted(top, reverse=True)[:3]]
    done = [(o.measures, d.job.decision) for d, o in finals if isinstance(o, Scored)]
    assert search.winner().decision == max(done, key=lambda p: -8 * p[0].bytes - 1000 * p[0].choice_loss)[1]


@pytest.mark.parametrize("no_finish", [{"finish_share": 0.0}, {"finish_best": 0}])
def test_without_finishing_the_best_of_the_top_rung_wins(no_finish):
    recorder, search = finished(changed(**no_finish))
    assert "finish" not in kinds(recorder)
    assert search.winner().rung == 1


def test_without_a_top_rung_validation_decides():
    recorder, search = finished(changed(promote=0.0, finish_best=1))
    leader = min(
        (o.measures.loss * 1000 + 8 * o.measures.bytes, d.job.individual)
        for d, o in in_search(recorder)
        if isinstance(o, Scored)
    )
    assert search.winner().individual == leader[1]


def test_a_target_stops_where_the_first_decision_can_see_it():
    target = best_of_the_first(40)
    options = changed(target=target, individuals=500, promote=0.0)
    recorder, search = finished(options)
    issued = in_search(recorder)
    good = (
        d.job.decision // options.block
        for d, o in issued
        if isinstance(o, Scored) and -8 * o.measures.bytes - 1000 * o.measures.loss >= target
    )
    assert len(issued) == first_look(min(good), options)
    assert search.stopped().startswith(f"the target of {target:g} is reached: ")


def test_patience_counts_blocks_without_a_better_best():
    options = changed(patience=3, individuals=500)
    recorder, search = finished(options, evaluate=lambda job: scored(job, 1.0 if job.decision < 5 else 0.5))
    assert len(in_search(recorder)) == first_look(5 // options.block + 3, options)
    assert search.stopped() == "no better score in 3 blocks of 2"


def test_scores_decide_and_not_losses_alone():
    """Bytes and loss pull apart; the winner follows the score that was asked for."""

    def evaluate(job):
        return scored(job, 2.0 - job.individual / 20, bytes=100 + 100 * job.individual)

    _, by_length = finished(changed(finish_best=0, promote=0.0), evaluate)
    _, by_loss = finished(changed(finish_best=0, promote=0.0), evaluate, score=ScoreSettings(size_weight=0.0))
    assert (by_length.winner().individual, by_loss.winner().individual) == (0, SMALL.individuals - 1)


def test_pareto_keeps_both_ends():
    def evaluate(job):
        size = 10 + job.individual
        return scored(job, 100.0 / size, bytes=size, seen=BATCH)

    score = ScoreSettings(kind="pareto", objectives=("loss", "bytes"))
    _, search = finished(changed(promote=0.0, finish_best=0), evaluate, score=score)
    kept = {e.individual for e in search.pool}
    assert 0 in kept
    assert max(kept) >= SMALL.individuals - SMALL.lag - SMALL.block


def test_lost_weights_are_a_damaged_run():
    recorder = MemoryRun()
    search = make_search(recorder, weights=lambda individual, *, before: None)
    with pytest.raises(StoreError, match=r"decision \d+: scored, so its weights were expected"):
        run(search, in_turn(rough), recorder)


def test_search_beats_random_search_on_a_toy_landscape():
    def best(fresh, seed):
        options = SearchSettings(population=24, individuals=300, fresh=fresh, promote=0.0, finish_best=0)
        _, search = finished(options, landscape, seed=seed)
        return -search.best.score / 1000

    searched, sampled = [[best(fresh, seed) for seed in range(6)] for fresh in (0.1, 1.0)]
    assert sum(searched) < 0.8 * sum(sampled)


def test_what_is_not_admitted_is_not_bred():
    recorder, _ = finished(admit=lambda genome: genome if len(genome.sheets) == 2 else None)
    assert {len(decode(d.job.genome).sheets) for d, _ in recorder.rows} == {2}
    nothing, _ = finished(admit=lambda genome: None, evaluate=landscape)
    assert set(kinds(nothing)) == {"found", "promote", "finish"}


def test_born_is_what_admission_made_of_a_genome():
    recorder, _ = finished(admit=lambda genome: msgspec.structs.replace(genome, readout=ReadoutGene(grid=3)))
    assert {decode(d.job.genome).readout.grid for d, _ in recorder.rows} == {3}


def test_a_finalist_counts_once_and_the_top_rung_goes_before_the_leaders():
    finalists = Finalists(2, top_rung=1)
    entries = [evaluated(0, score=3.0), evaluated(1, score=4.0), evaluated(1, score=6.0, rung=1)]
    for entry in entries:
        finalists.consider(entry)
    assert finalists.best() == [entries[2], entries[0]]
    top = evaluated(2, score=1.0, rung=1, choice=1.0)
    finalists.consider(top)
    assert finalists.best() == [top, entries[2]]


def evaluated(individual, *, score, rung=0, choice=None):
    return Entry(
        decision=individual + 10 * rung,
        individual=individual,
        rung=rung,
        genome=b"",
        ids=(),
        seen=1,
        score=score,
        choice=choice,
        long_share=0.0,
        bytes=100,
        objectives=(score,),
    )


@pytest.mark.parametrize("field", ["genome", "starts", "rung", "steps", "seen"])
def test_every_part_of_a_job_is_in_its_key_and_weights_are_in_its_seed(field):
    start = Start(genome=b"g", ids=((0, 0), (0, 1)), package=b"p", shadow=b"s")
    job = Job(
        decision=1, individual=1, rung=0, genome=b"g", ids=((0, 0), (1, 0)), starts=(start,), steps=5, seed=0, key=""
    )
    other = {"genome": b"h", "starts": (msgspec.structs.replace(start, shadow=b"t"),), "rung": 1, "steps": 6, "seen": 7}
    plain = keyed(job, 1, "context")
    changed = keyed(msgspec.structs.replace(job, **{field: other[field]}), 1, "context")
    assert plain.key != changed.key
    assert (plain.seed != changed.seed) == (field in ("genome", "starts", "rung"))


def test_the_key_knows_which_genes_are_homologous_and_not_their_numbers():
    def key_of(ids, parent):
        start = Start(genome=b"g", ids=parent, package=b"p", shadow=b"s")
        job = Job(decision=1, individual=1, rung=0, genome=b"g", ids=ids, starts=(start,), steps=5, seed=0, key="")
        return keyed(job, 1, "context").key

    plain = key_of(((0, 0), (1, 0)), ((0, 0), (0, 1)))
    assert key_of(((5, 3), (9, 0)), ((5, 3), (5, 1))) == plain
    assert key_of(((0, 0), (0, 1)), ((0, 0), (0, 1))) != plain


def test_seeds_and_keys():
    """An evaluation is named by what it depends on; who asks is not part of it."""
    recorder, _ = finished(genomes=(HAND, HAND), evaluate=lambda job: scored(job, 1.0 + job.decision))
    first, second = (d.job for d, _ in recorder.rows[:2])
    assert first.ids != second.ids
    assert (first.seed, first.key) == (second.seed, second.key)
    jobs = {d.job.key: d.job for d, _ in recorder.rows}
    assert len({job.seed for job in jobs.values()}) == len(jobs)
    other_context, _ = finished(genomes=(HAND, HAND), context="other data")
    other_seed, _ = finished(genomes=(HAND, HAND), seed=8)
    assert other_context.rows[0][0].job.seed == first.seed
    assert len({first.key, other_context.rows[0][0].job.key, other_seed.rows[0][0].job.key}) == 3
