"""The load test: its clock keeps the laws of queues, its figures are those of hand-made cases, its runs repeat."""

import math
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonet.bench.cluster import Load, measure, steady_utilisation
from evonet.bench.simulated import ATTEMPTS, RESTART, SimulatedWorkers, barrier_utilisation
from evonet.bench.stubs import PACKAGE, SHADOW, Durations, answer
from evonet.errors import WorkersError
from evonet.job import Job, Lost, Scored, encode
from evonet.store import open_run, run_digest


def job(n: int, steps: int = 150) -> Job:
    return Job(decision=n, individual=n, rung=0, genome=b"", ids=(), steps=steps, seed=n, key=f"key {n}")


def drained(workers):
    return list(iter(lambda: workers.collect(1.0), None))


def test_durations_are_log_normal_with_the_mean_asked_for_and_named_by_the_job():
    durations = Durations(mean=10.0, sigma=0.5)
    drawn = [durations.of(job(n)) for n in range(4000)]
    logs = [math.log(seconds) for seconds in drawn]
    assert fmean(drawn) == pytest.approx(10.0, rel=0.03)
    assert pstdev(logs) == pytest.approx(0.5, rel=0.05)
    assert durations.of(job(7)) == drawn[7]
    assert Durations(mean=3.0, sigma=0.0).of(job(1)) == 3.0


def test_with_a_rung_longer_trainings_take_longer():
    durations = Durations(rung=150)
    assert durations.of(job(1, steps=450)) == pytest.approx(3 * durations.of(job(1)))
    assert Durations().of(job(1, steps=450)) == Durations().of(job(1))


def test_a_stub_is_as_large_as_an_outcome():
    a, b = answer(job(1), 2.5), answer(job(2), 2.5)
    assert (len(a.package), len(a.shadow), len(a.rounds), a.seconds) == (PACKAGE, SHADOW, 2, 2.5)
    assert (a.package != b.package, a.measures.loss != b.measures.loss) == (True, True)
    assert 3600 < len(encode(a)) < 4500
    assert a == answer(job(1), 2.5)


@given(st.integers(1, 9), st.integers(0, 30), st.sampled_from([0.0, 0.3]))
def test_every_job_has_one_answer_at_the_time_a_queue_gives_it(count, jobs, kill_rate):
    tries = []
    workers = SimulatedWorkers(
        count, Durations(), kill_rate=kill_rate, on_attempt=lambda *attempt: tries.append(attempt)
    )
    for n in range(jobs):
        workers.submit(job(n))
    assert workers.collect(0.0) is None  # nothing is there at once
    outcomes = drained(workers)
    assert sorted(o.decision for o in outcomes) == list(range(jobs))
    seconds = [Durations().of(job(n)) for n in range(jobs)]
    scored = sum(o.seconds for o in outcomes if isinstance(o, Scored))
    assert workers.now >= max(scored / count, 0.0) - 1e-9
    if not kill_rate:
        assert (tries, scored) == ([], pytest.approx(sum(seconds)))
        assert workers.now <= sum(seconds) / count + max(seconds, default=0) + 1e-9  # Graham's bound of list scheduling
    for lost in (o for o in outcomes if isinstance(o, Lost)):
        assert [t[1] for t in tries if t[0] == lost.decision] == list(range(1, ATTEMPTS + 1))


def test_answers_come_in_the_order_of_the_clock():
    workers = SimulatedWorkers(2, Durations(sigma=0.0, mean=5.0, rung=150))
    for n, steps in enumerate((450, 150, 150, 150)):
        workers.submit(job(n, steps))
    seen = []
    while (outcome := workers.collect(1.0)) is not None:
        seen.append((outcome.decision, workers.now))
        again = workers.collect(0.0)
        assert (again is None) == (workers.now < 15.0)
        if again is not None:
            seen.append((again.decision, workers.now))
    assert seen == [(1, 5.0), (2, 10.0), (0, 15.0), (3, 15.0)]


def test_a_dead_worker_is_away_for_a_while():
    workers = SimulatedWorkers(1, Durations(), kill_rate=0.99)
    for n in range(3):
        workers.submit(job(n))
    outcomes = drained(workers)
    assert sum(isinstance(o, Lost) for o in outcomes) >= 2
    assert workers.now > 6 * RESTART


def test_a_closed_pool_takes_nothing():
    with SimulatedWorkers(1, Durations()) as workers:
        workers.submit(job(0))
    assert workers.collect(1.0) is None
    with pytest.raises(WorkersError, match=r"decision 1 came after close\(\)"):
        workers.submit(job(1))


@pytest.mark.parametrize(
    "durations, workers, population, share",
    [
        ([1.0] * 8, 4, 4, 1.0),
        ([1.0, 3.0], 2, 2, 4 / 6),
        ([1.0, 3.0, 2.0], 1, 2, 1.0),
        ([2.0, 1.0, 1.0, 2.0], 2, 2, 6 / 8),  # each generation waits for its longer one
        ([2.0, 1.0, 1.0, 2.0], 2, 4, 6 / 8),
        ([], 2, 2, 0.0),
    ],
)
def test_the_barrier_of_hand_made_generations(durations, workers, population, share):
    assert barrier_utilisation(durations, workers=workers, population=population) == pytest.approx(share)


@pytest.mark.parametrize(
    "starts, seconds, share",
    [
        ([0.0, 0.0, 4.0, 4.0], [4.0, 4.0, 1.0, 1.0], 1.0),  # the tail is left out
        ([0.0, 2.0, 4.0, 6.0], [4.0, 2.0, 1.0, 1.0], 5 / 8),  # and so is the start: 2 + 2 + 1 of 2 x (6 - 2)
        ([0.0, 0.0], [1.0, 2.0], 0.0),  # too short to say
    ],
)
def test_steady_utilisation_of_hand_made_schedules(starts, seconds, share):
    assert steady_utilisation(starts, seconds, 2) == pytest.approx(share)


@pytest.fixture(scope="module")
def report():
    return measure(Load(workers=64, individuals=1000, population=256, window=256))


def test_the_window_keeps_a_cluster_busier_than_a_barrier(report):
    assert report.utilisation >= 0.95
    assert 0.6 < report.barrier < 0.75
    assert report.barrier < report.utilisation_whole < report.utilisation
    assert report.span * 64 * report.utilisation_whole == pytest.approx(10.0 * report.candidates, rel=0.05)
    assert (report.candidates >= 1000, report.tries_lost, len(report.cpu_ms_stretches)) == (True, 0, 1)
    assert report.feeds == pytest.approx(10 * report.candidates_per_s, rel=0.05)
    assert 0 < report.database_mb < 20


def test_a_load_test_repeats_whatever_the_number_of_workers_and_deaths(tmp_path):
    digests = {}
    for workers, kill_rate in ((1, 0.0), (2, 0.0), (4, 0.02), (8, 0.0), (8, 0.0)):
        load = Load(workers=workers, individuals=40, population=8, kill_rate=kill_rate)
        folder = tmp_path / f"{len(digests)}-{workers}"
        report = measure(load, folder)
        with open_run(folder) as run:
            digests[folder] = run_digest(run)
            assert (run.state, run.counts().issued) == ("finished", report.candidates)
            assert run.provenance["evaluations"] == "stubs"
            assert len(run.attempts()) == report.tries_lost
    assert len(digests) == 5
    assert len(set(digests.values())) == 1
