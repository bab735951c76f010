"""The arithmetic of the tables, the verdicts, and the times."""

from itertools import pairwise

import pytest
from clock import interleaved
from conversion import GENOME, conversion, conversion_table, pair
from drawing import draw
from hypothesis import given
from hypothesis import strategies as st
from jobs import append, lines
from results import Point, cheapest, closed_gap, error_at, frontier, rows
from scheduler import prepare
from tables import report
from verdicts import verdicts

from evonet.genome.text import load

points = st.lists(st.builds(Point, st.floats(1, 1e6), st.floats(0, 1), st.sampled_from("abc")), min_size=1, max_size=12)


@given(points)
def test_the_frontier_is_what_nothing_beats(found):
    front = frontier(found)
    assert all(a.cost < b.cost and a.error > b.error for a, b in pairwise(front))
    for point in found:
        assert any(f.cost <= point.cost and f.error <= point.error for f in front)


@given(points, st.floats(0.5, 2e6))
def test_the_frontier_between_its_points_is_between_their_errors(found, cost):
    front = frontier(found)
    error = error_at(front, cost)
    assert (error is None) == (cost < front[0].cost)
    if error is not None:
        assert front[-1].error - 1e-12 <= error <= front[0].error + 1e-12
    for point in front:
        assert error_at(front, point.cost) == pytest.approx(point.error)


def test_half_way_is_half_way_in_the_logarithm():
    assert error_at([Point(1, 0.4, "a"), Point(100, 0.2, "b")], 10) == pytest.approx(0.3)


def test_the_cheapest_of_equal_error():
    found = [Point(5, 0.1, "a"), Point(3, 0.2, "b"), Point(9, 0.05, "c")]
    assert cheapest(found, 0.1) == found[0]
    assert cheapest(found, 0.01) is None


def test_the_closed_gap():
    assert closed_gap(0.9, 0.9, 0.1) == 0
    assert closed_gap(0.9, 0.1, 0.1) == 1
    assert closed_gap(0.9, 0.3, 0.1) == pytest.approx(0.75)
    assert closed_gap(0.1, 0.1, 0.1) is None


def record(model, error, *, task="clutter:256", lr=0.002, seed=1, macs=10_000_000, validation=None, steps=3000):
    return {
        "name": f"{task}_{model}_{lr}_{seed}_{steps}", "task": task, "model": model, "lr": lr, "seed": seed,
        "macs": macs, "steps": steps, "batch": 128,
        "parameters": 1000, "seconds": 1.0, "device": "cpu",
        "validation": {"error": error if validation is None else validation}, "test": {"error": error},
    }  # fmt: skip


def test_validation_chooses_the_rate_over_the_seeds_that_both_have():
    found = [
        record("a", 0.30, lr=0.1, seed=1, validation=0.10),
        record("a", 0.20, lr=0.2, seed=1, validation=0.20),
        record("a", 0.90, lr=0.1, seed=2, validation=0.90),  # the other rate has no second seed
    ]
    (row,) = rows(found)
    assert (row.lr, row.trials, row.values("test")) == (0.1, 3, [0.30, 0.90])


def test_trainings_of_another_length_are_another_row(tmp_path, capsys):
    found = [record("a", 0.3, steps=1500), record("a", 0.2), record("a", 0.1, seed=2), record("b", 0.4)]
    found += [record("b", 0.1, seed=2) | {"batch": 64}, record("a", 0.2, task="clutter:60")]
    assert [(r.task, r.model, r.steps, r.batch, r.values("test")) for r in rows(found)] == [
        ("clutter:60", "a", 3000, 128, [0.2]),
        ("clutter:256", "a", 1500, 128, [0.3]),
        ("clutter:256", "a", 3000, 128, [0.2, 0.1]),
        ("clutter:256", "b", 3000, 64, [0.1]),
        ("clutter:256", "b", 3000, 128, [0.4]),
    ]
    for line in found:
        append(tmp_path / "models.jsonl", line)
    report(tmp_path)
    short, long = capsys.readouterr().out.split("## clutter:256")
    assert "steps" not in short.split("## clutter:60")[1]
    assert "| 1,500 x 128 |" in long


def glance(down, missed, seed=1, cell=8):
    miss = {"miss@1": missed + 0.2, "blind@1": 0.0, "miss@2": missed, "blind@2": 0.0, "miss@4": missed, "blind@4": 0.0}
    return record(f"glance-{down}-{cell}", 0, seed=seed) | {"validation": miss, "test": miss}


def answers(out, records):
    return {v.subject: (v.answer, v.why) for v in verdicts(out, rows(records))}


def test_a_view_is_given_up_below_99_percent_of_recall(tmp_path):
    found = answers(tmp_path, [glance(2, 0.005), glance(8, 0.02)])
    of = {subject.split()[2]: answer for subject, (answer, _) in found.items() if subject.startswith("glance")}
    assert of == {"1/2": "go on", "1/4": "not measured", "1/8": "stop", "1/16": "not measured"}


def test_networks_are_chosen_by_validation_and_told_by_their_test_error(tmp_path):
    lucky = {"pool4": (0.05, 0.01), "stem8": (0.04, 0.04)}  # validation, test
    ours = {"saccade:a.toml:learned": (0.06, 0.001), "saccade:b.toml:learned": (0.03, 0.03)}
    found = [record(name, test, validation=held, macs=5_000_000) for name, (held, test) in (lucky | ours).items()]
    glances = [glance(4, 0.02) | {"validation": glance(4, 0.0)["test"]}, glance(4, 0.0, cell=16)]
    glances[1]["validation"] = glance(4, 0.01)["test"]
    given_ = answers(tmp_path, [*found, *glances])
    assert given_["glance at 1/4 on clutter:256, recall@4 of the object's cell >= 99%"] == (
        "stop",
        "98.00% (glance-4-8)",
    )
    answer, why = given_["clutter:256, learned cells"]
    assert answer == "not reached"
    assert why.startswith("3.00% at 5,000,000 MACs (saccade:b.toml:learned), expected 2.00%; the ladder there: 4.00%")
    assert why.endswith("against 2 of 12 rungs")


@pytest.mark.parametrize("error, answer", [(0.02, "go on"), (0.05, "stop")])
def test_oracle_cells_have_to_beat_the_ladder_at_equal_macs(tmp_path, error, answer):
    ladder = [record("pool4", 0.04), record("pool8", 0.10, macs=1_000_000), record("pool4@box", 0.001)]
    found = answers(tmp_path, [*ladder, record("saccade:g.toml:oracle", error, macs=10_000_000)])
    assert found["oracle cells against the ladder on clutter:256"][0] == answer


def timed(out, task, model, ms):
    append(out / "clock.jsonl", {"task": task, "model": model, "batch": 1, "threads": 1, "ms": ms, "macs": 1})


@pytest.mark.parametrize("ms, answer", [(1.0, "as predicted"), (4.0, "not as predicted"), (0.1, "not as predicted")])
def test_wall_time_is_judged_at_equal_error(tmp_path, ms, answer):
    found = [
        record("pool4", 0.04, macs=9_000_000),
        record("pool2", 0.01, macs=12_000_000),
        record("saccade:g.toml:learned", 0.03, macs=3_000_000),
    ]
    for model, each in (("pool4", 1.0), ("pool2", 3.0), ("saccade:g.toml:learned", ms)):
        timed(tmp_path, "clutter:256", model, each)
    given_ = answers(tmp_path, found)
    assert given_["wall time on clutter:256: 2-5x less wall time"][0] == answer


@pytest.mark.parametrize("second, answer", [(0.6, "reached"), (0.59, "not reached")])
def test_saved_macs_have_to_become_saved_time_at_every_batch(tmp_path, second, answer):
    for batch, efficiency in ((1, 0.9), (64, second)):
        line = {"batch": batch, "efficiency": efficiency, "speedup": 5 * efficiency, "ratio": 5.0}
        append(tmp_path / "conversion.jsonl", line)
    subject = "MACs to time at 256, 10 % of the cells: speed-up over the ratio of MACs >= 0.6"
    assert answers(tmp_path, [])[subject][0] == answer


def test_conversion_is_timed_between_one_genomes_sheets_here_and_everywhere(tmp_path, digits, capsys):
    conversion(tmp_path, digits, batches=(1, 2), rounds=2)
    conversion(tmp_path, digits, batches=(1, 2), rounds=2)
    found = lines(tmp_path / "conversion.jsonl")
    assert [(n["batch"], n["cells"], n["of"]) for n in found] == [(1, 24, 256), (2, 24, 256)]
    # 3x3 layers of 8, 16, 32 and 32 channels on maps of 256, 128, 64 and 32
    everywhere = 256**2 * 9 * 8 + 128**2 * 72 * 16 + 64**2 * 144 * 32 + 32**2 * 288 * 32
    for n in found:
        assert 0 <= n["macs"]["everywhere"] - everywhere < 2_000  # the readout
        assert n["efficiency"] == pytest.approx(n["speedup"] / n["ratio"])
        assert n["ratio"] == n["macs"]["everywhere"] / n["macs"]["looks"] > 2
    looking, dense = pair(load(GENOME))
    own = [tuple(w.shape) for w in looking.weights]
    assert all(own.count(tuple(w.shape)) for w in dense.weights)
    capsys.readouterr()
    conversion_table(tmp_path)
    assert "| set-w8 | clutter:256 | 24 of 256 | 2, 1 |" in capsys.readouterr().out


def test_bars_of_the_issue_are_held_within_their_macs(tmp_path):
    found = answers(tmp_path, [record("saccade:g.toml:learned", 0.019, macs=8_000_001)])
    assert found["clutter:256, learned cells"][0] == "not measured"
    found = answers(tmp_path, [record("saccade:g.toml:learned", 0.019, macs=8_000_000)])
    assert found["clutter:256, learned cells"][0] == "reached"


def test_far_sizes_and_corruptions_are_judged_from_their_files(tmp_path):
    task = "clutter:100"
    both = [record("pool4", 0.02, task=task), record("saccade:g.toml:learned", 0.02, task=task)]
    for line, error in zip(both, (0.10, 0.05), strict=True):
        append(tmp_path / "sizes.jsonl", {"name": line["name"], "side": 1024, "error": error, "macs": 1})
        for corruption, add in (("fog", 0.0), ("spatter", 0.01)):
            append(tmp_path / "corrupted.jsonl", {"name": line["name"], "corruption": corruption, "error": error + add})
        timed(tmp_path, "clutter:1024", line["model"], 10.0)
    found = answers(tmp_path, both)
    assert found["clutter:1024, trained smaller: more than 20x less"][0] == "no equal error"
    assert found["corruptions on clutter:100: no worse in the mean, better in at least half"][0] == "reached"


def test_corruptions_are_judged_among_networks_trained_alike(tmp_path):
    names = ("pool4", "saccade:g.toml:learned", "pool4~mixed", "saccade:g.toml:learned~mixed")
    found = [record(name, 0.02, task="clutter:100") for name in names]
    for line, error in zip(found, (0.3, 0.2, 0.10, 0.15), strict=True):
        append(tmp_path / "corrupted.jsonl", {"name": line["name"], "corruption": "fog", "error": error})
    answer = answers(tmp_path, found)["corruptions on clutter:100: no worse in the mean, better in at least half"]
    assert answer == ("not reached", "15.00% against 10.00% (pool4~mixed), better in 0 of 1, against 1 of 6 rungs")


def test_the_report_and_the_picture_hold_every_model(tmp_path, capsys):
    prepare(tmp_path)
    found = [
        glance(4, 0.01),
        *(record("pool4", 0.02 + 0.001 * seed, seed=seed) for seed in (1, 2, 3)),
        *(record(f"saccade:g.toml:{s}", e) for s, e in (("random", 0.5), ("learned", 0.1), ("oracle", 0.02))),
    ]
    for line in found:
        append(tmp_path / "models.jsonl", line)
        timed(tmp_path, line["task"], line["model"], 1.5)
    report(tmp_path)
    printed = capsys.readouterr().out
    assert "| **pool4** | 10,000,000 | 1,000 | 3 | 3 | 0.002 | 2.20 | 2.20 ± 0.25 |" in printed
    assert "| clutter:256 | g | 10,000,000 | learned | 10.00 | 0.83 | 2.20 |" in printed
    assert "Predictions of 2026-11-27" in printed
    draw(tmp_path, tmp_path / "error.png")
    assert (tmp_path / "error.png").stat().st_size > 10_000


def test_works_are_timed_in_turn():
    calls = []
    found = interleaved({n: lambda n=n: calls.append(n) for n in "abc"}, rounds=10, few={"c"})
    assert calls[:4] == ["a", "b", "a", "b"]
    assert {name: len(times) for name, times in found.items()} == {"a": 10, "b": 10, "c": 2}
    assert calls.count("a") == 13
