"""Trainings side by side: nothing twice, nothing lost, nothing that one failure stops."""

import json
import os
import sys

import pytest
import scheduler
import torch
from archive import pack, unpack
from canvas import Fixed, Fresh
from evaluating import sizes, trained
from jobs import RATES, Job, append, finished, jobs_of, lines, read_plan, resolved
from models import model_of
from scheduler import claim, give_up, prepare, supervise, work
from training import WARMUP, Training, measure

JOB = Job("clutter:60", "pool8-narrow", 0.01, 1, 4, 8)


@pytest.fixture
def out(tmp_path):
    prepare(tmp_path)
    return tmp_path


def worked(jobs, out, digits, lanes=2):
    return work(jobs, out, digits, "cpu", lanes=lanes, few=20)


def test_finished_jobs_are_recorded_once_and_not_trained_again(out, digits, capsys):
    jobs = [JOB, JOB._replace(seed=2), JOB._replace(model="blob-crop")]
    assert worked(jobs, out, digits)
    first = (out / "models.jsonl").read_text()
    assert {record["seed"] for record in finished(out).values()} == {1, 2}
    record = finished(out)[JOB.name]
    assert record["macs"] == 42_112
    assert record["parameters"] == 6_594
    assert set(record["validation"]) == set(record["test"]) == {"error"}
    prepare(out)
    assert worked(jobs, out, digits)
    assert (out / "models.jsonl").read_text() == first


def test_lanes_change_no_result(tmp_path, digits):
    jobs = [JOB, JOB._replace(seed=2), JOB._replace(model="stride2-narrow", steps=30)]
    found = []
    for lanes in (1, 3):
        prepare(tmp_path / str(lanes))
        worked(jobs, tmp_path / str(lanes), digits, lanes)
        found.append({name: (r["validation"], r["test"]) for name, r in finished(tmp_path / str(lanes)).items()})
    assert found[0] == found[1]


def test_after_its_seconds_nothing_is_begun(out, digits, monkeypatch, capsys):
    now = iter(range(1000))
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: float(next(now)))
    jobs = [JOB._replace(seed=seed) for seed in range(20)]
    assert work(jobs, out, digits, "cpu", lanes=2, few=20, seconds=8.0)
    assert 2 <= len(finished(out)) < 8, "what was begun is finished, the rest is left to others"
    assert len(list((out / "claims").iterdir())) == len(finished(out))


def test_a_process_trains_one_at_a_time_of_what_cannot_be_captured(out, digits, monkeypatch, capsys):
    located = [JOB._replace(model="pool8@box", seed=seed, steps=60) for seed in (1, 2)]
    beside = []

    class Watched(scheduler.Lane):
        def __init__(self, job, *args, **kwargs):
            super().__init__(job, *args, **kwargs)
            begun.append(job)

        def record(self):
            beside.append([job.model for job in begun if job.name not in finished(out)])
            return super().record()

    begun = []
    monkeypatch.setattr(scheduler, "Lane", Watched)
    unknown = JOB._replace(model="no such rung")
    assert worked([*located, JOB, JOB._replace(seed=2), unknown], out, digits, lanes=3)
    assert max(models.count("pool8@box") for models in beside) == 1
    assert len(finished(out)) == 4
    assert begun[:3] == [located[0], JOB, JOB._replace(seed=2)], "others go first, in the order of the plan"


def test_a_job_that_fails_is_tried_twice_and_stops_no_other(out, digits, monkeypatch, capsys):
    def failing(name, task, seed=0):
        if name == "pool8":
            raise RuntimeError("out of memory")
        return model_of(name, task, seed)

    monkeypatch.setattr(scheduler, "model_of", failing)
    assert worked([JOB._replace(model="pool8"), JOB], out, digits, lanes=1)
    assert list(finished(out)) == [JOB.name]
    failed = lines(out / "failed.jsonl")
    assert [line["name"] for line in failed] == [JOB._replace(model="pool8").name] * 2
    assert "out of memory" in failed[0]["error"]


def test_a_process_that_only_fails_gives_way_to_a_new_one(out, digits, monkeypatch, capsys):
    def broken(self, steps):
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(scheduler.Training, "advance", broken)
    assert not worked([JOB._replace(seed=seed) for seed in range(9)], out, digits, lanes=1)
    assert len(lines(out / "failed.jsonl")) == 3


def test_a_job_belongs_to_one_process_until_it_is_given_up(out):
    jobs = [JOB, JOB._replace(seed=2)]
    assert [claim(jobs, out), claim(jobs, out), claim(jobs, out)] == [*jobs, None]
    give_up(out, owner=os.getpid() + 1)
    assert claim(jobs, out) is None
    give_up(out, owner=os.getpid())
    assert claim(jobs, out) == JOB


def test_a_record_cut_off_by_a_kill_is_as_if_it_were_not_there(out, digits):
    append(out / "models.jsonl", {"name": JOB.name, "seed": 1})
    with (out / "models.jsonl").open("a") as file:
        file.write('{"name": "half')
    assert list(finished(out)) == [JOB.name]
    append(out / "models.jsonl", {"name": "next"})
    assert list(finished(out)) == [JOB.name, "next"], "the line after a torn one is lost"


def test_later_seeds_take_the_rate_that_validation_chose():
    later = JOB._replace(lr=None, seed=2)
    trials = [JOB._replace(lr=lr) for lr in RATES]
    done = {t.name: {"validation": {"error": e}} for t, e in zip(trials, (0.2, 0.1), strict=True)}
    assert resolved(later, {}, set()) is None
    assert resolved(later, {trials[0].name: done[trials[0].name]}, set()) is None
    assert resolved(later, done, set()) == later._replace(lr=RATES[1])
    assert resolved(later, {trials[0].name: done[trials[0].name]}, {trials[1].name}).lr == RATES[0]
    assert resolved(later, {}, {t.name for t in trials}) is None


def test_the_plan_has_whole_seeds_first_and_both_rates_for_all_alike():
    jobs = list(jobs_of(("glance", "ladder"), ("clutter:60",), 3))
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    per_model = {m: [j.lr for j in jobs if j.model == m] for m in {j.model for j in jobs}}
    assert set(map(tuple, per_model.values())) == {(*RATES, None, None)}
    assert len({job.name for job in jobs if job.lr}) == sum(job.lr is not None for job in jobs)


def test_with_one_rate_every_seed_is_trained_at_it_once():
    jobs = list(jobs_of(("glance", "ladder"), ("clutter:60",), 3, 0.004))
    assert {job.lr for job in jobs} == {0.004}
    assert len(jobs) == len({job.name for job in jobs}) == 3 * len({job.model for job in jobs})


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"task": "clutter:60"}', json.dumps(JOB._replace(steps=0)._asdict()), json.dumps({"a": 1})],
)
def test_a_faulty_plan_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "plan.jsonl"
    path.write_text(json.dumps(JOB._asdict()) + "\n" + line + "\n")
    with pytest.raises(ValueError, match="line 2: expected a job with task, model"):
        read_plan(path)


def test_the_supervisor_restarts_what_crashes_and_ends_at_the_limit(tmp_path):
    log = tmp_path / "log"
    crash = f"open({str(log)!r}, 'a').write('x'); raise SystemExit(3)"
    supervise([sys.executable, "-c", crash], tmp_path / "a", processes=1, limit=60)
    assert log.read_text() == "xxxx"
    pids = tmp_path / "pids"
    sleep = f"import os, time; open({str(pids)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    supervise([sys.executable, "-c", sleep], tmp_path / "b", processes=2, limit=1.0)
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_training_in_pieces_is_training_at_once(digits):
    canvases = Fresh("clutter:60", digits["train"], 1)
    whole, parts = (
        Training(model_of("stride2-narrow", canvases.task), canvases, steps=12, batch=8, lr=0.01, device="cpu")
        for _ in range(2)
    )
    start = [p.clone() for p in whole.model.parameters()]
    assert whole.advance(1000)
    while not parts.advance(5):
        pass
    for a, b, before in zip(whole.model.parameters(), parts.model.parameters(), start, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, before)


def test_no_canvas_is_trained_on_twice(digits):
    canvases, seen = Fresh("clutter:60", digits["train"], 1), []

    class Recorded:
        def at(self, numbers):
            seen.extend(numbers.tolist())
            return canvases.at(numbers)

    model = model_of("pool8-narrow", canvases.task)
    Training(model, Recorded(), steps=7, batch=3, lr=0.01, device="cpu").advance(7)
    assert seen == list(range(21))


def test_the_rate_rises_then_falls_to_nothing(digits):
    canvases = Fresh("clutter:60", digits["train"], 1)
    training = Training(model_of("pool8-narrow", canvases.task), canvases, steps=1000, batch=1, lr=0.5, device="cpu")
    rates = []
    for step in range(1000):
        training.number.fill_(step)
        rates.append(float(training._rate()))
    top = max(range(1000), key=lambda step: rates[step])
    assert abs(top - 1000 * WARMUP) <= 1
    assert 0.49 < rates[top] <= 0.5
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 1e-5


def test_weights_come_back_and_are_tested_at_other_sizes(out, digits, capsys):
    worked([JOB._replace(task="clutter:100"), JOB], out, digits)
    record = finished(out)[JOB._replace(task="clutter:100").name]
    canvases = Fixed("clutter:100", digits["test"], "test")
    assert measure(trained(record, out), canvases, 20, chunk=7, device="cpu") == record["test"]
    sizes(out, digits, "cpu", tested=3)
    found = lines(out / "sizes.jsonl")
    assert [(line["name"], line["side"]) for line in found] == [(record["name"], s) for s in (60, 100, 256, 1024)]
    assert [line["macs"] for line in found] == sorted(line["macs"] for line in found)
    (out / "weights" / f"{record['name']}.safetensors").unlink()
    with pytest.raises(ValueError, match="weights of a finished training"):
        trained(record, out)


def test_what_is_packed_is_unpacked_and_merged(out, tmp_path, digits, capsys, monkeypatch):
    worked([JOB, JOB._replace(seed=2)], out, digits)
    measured = ("sizes", "corrupted", "clock", "conversion", "paths", "wiring")
    for name in measured:
        append(out / f"{name}.jsonl", {"of": name})
    assert pack(out, tmp_path / "files") == []
    there = tmp_path / "there"
    prepare(there)
    worked([JOB._replace(seed=3), JOB], there, digits)
    assert unpack(there, tmp_path / "files") == 2
    unpack(there, tmp_path / "files")
    assert {record["seed"] for record in finished(there).values()} == {1, 2, 3}
    for record in finished(there).values():
        trained(record, there)
    assert all(lines(there / f"{name}.jsonl") == [{"of": name}] for name in measured)
    monkeypatch.setattr("archive.SHARD", 40_000)
    monkeypatch.setattr("archive.SHARDS", 1)
    assert pack(out, tmp_path / "small") == [JOB._replace(seed=2).name]
