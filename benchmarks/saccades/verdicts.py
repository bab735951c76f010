"""The stop rules of the issue, part 8, and its table "Reach", answered from the record.

Networks are chosen by their validation errors; what is told of them are test errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from clock import milliseconds
from glance import CELLS, DOWNS
from jobs import lines, models_of
from predictions import EFFICIENCY, REACH, RECALL, SPEEDUP, WORDS
from results import Point, Row, best, cheapest, chosen, error_at, frontier, is_dense, is_learned, is_mixed, side_of

Times = dict[tuple[str, str, int, int], float]
LOOKS = 4  # cells among which the object's has to be
BATCH, THREADS = 1, 1  # what wall time is judged at


class Verdict(NamedTuple):
    subject: str
    answer: str  # stop, go on, reached, not reached, as predicted, not as predicted, not measured
    why: str


def verdicts(out: Path, every: Sequence[Row]) -> list[Verdict]:
    """Trainings with corrupted canvases count for the corruptions alone."""
    times = milliseconds(out)
    found = [row for row in every if not is_mixed(row.model)]
    return [
        *(recall(found, task, down) for task in _tasks(found, "glance-") for down in DOWNS),
        bounds(found, "clutter:256"),
        *(reach(found, side) for side in REACH),
        *(speed(found, times, side) for side in SPEEDUP if side != 1024),
        far(out, found, times),
        corrupted(out, every),
        conversion(out),
    ]


def _tasks(found: Sequence[Row], prefix: str) -> list[str]:
    return sorted({row.task for row in found if row.model.startswith(prefix)}, key=side_of)


def recall(found: Sequence[Row], task: str, down: int) -> Verdict:
    """First: does the view still show where the object is? At least as well as the best glance in validation finds it.

    Below the bar the rule says stop, though a lower bound cannot prove that no glance would find it.
    """
    subject = f"glance at 1/{down} on {task}, recall@{LOOKS} of the object's cell >= {RECALL:.0%}"
    names = {f"glance-{down}-{cell}" for cell in CELLS}
    some = [row for row in found if row.task == task and row.model in names]
    if not some:
        return Verdict(subject, "not measured", "")
    row = min(some, key=lambda row: row.mean("validation", f"miss@{LOOKS}"))
    found_at = 1 - row.mean("test", f"miss@{LOOKS}")
    return Verdict(subject, "go on" if found_at >= RECALL else "stop", f"{found_at:.2%} ({row.model})")


def bounds(found: Sequence[Row], task: str) -> Verdict:
    """Second: can any selector win? Oracle cells against the ladder's frontier at the same MACs."""
    subject = f"oracle cells against the ladder on {task}"
    oracle = [row for row in found if row.task == task and row.model.endswith(":oracle")]
    dense = _dense(found, task)
    held_out = frontier(Point(rung.macs, rung.mean("validation"), rung.model) for rung in dense)
    known = [(row, there) for row in oracle if (there := error_at(held_out, row.macs)) is not None]
    if not known:
        below = f"none of {trained_of(dense, task)} is as cheap" if oracle and dense else ""
        return Verdict(subject, "go on" if below else "not measured", below)
    row, _ = min(known, key=lambda pair: pair[0].mean("validation") - pair[1])
    there = error_at(_front(dense), row.macs)
    assert there is not None  # the cheapest rung is on either frontier
    return Verdict(
        subject,
        "go on" if row.mean() < there else "stop",
        f"{row.mean():.2%} against {there:.2%} at {row.macs:,} MACs ({row.model}), against {trained_of(dense, task)}",
    )


def reach(found: Sequence[Row], side: int) -> Verdict:
    """Learned cells against the bar of the table, and against the frontier where the bar is the ladder itself."""
    bar, limit = REACH[side]
    task = f"clutter:{side}"
    ours = [row for row in found if row.task == task and is_learned(row.model)]
    if limit is not None:
        ours = [row for row in ours if row.macs <= limit]
    subject = f"{task}, learned cells"
    if not ours:
        return Verdict(subject, "not measured", "" if limit is None else f"none within {limit / 1e6:g} M MACs")
    row, dense = best(ours), _dense(found, task)
    there = error_at(_front(dense), row.macs)
    wanted = bar / 100 if bar is not None else there
    if wanted is None:
        return Verdict(subject, "not measured", f"none of {trained_of(dense, task)} is as cheap")
    ladder = "-" if there is None else f"{there:.2%}"
    why = (
        f"{row.mean():.2%} at {row.macs:,} MACs ({row.model}), expected {wanted:.2%}; "
        f"the ladder there: {ladder}, against {trained_of(dense, task)}"
    )
    return Verdict(subject, "reached" if row.mean() <= wanted else "not reached", why)


def speed(found: Sequence[Row], times: Times, side: int) -> Verdict:
    """Wall time of the fastest CNN that is at least as good in validation, over the learned saccade network's."""
    task = f"clutter:{side}"
    subject = f"wall time on {task}: {WORDS[side]}"
    timed = [row for row in found if row.task == task and (task, row.model, BATCH, THREADS) in times]
    ours = [row for row in timed if is_learned(row.model)]
    if not ours:
        return Verdict(subject, "not measured", "")
    row = best(ours)
    good = [rung for rung in timed if is_dense(rung.model) and _valid(rung) <= _valid(row)]
    ladder = f"against {trained_of(_dense(found, task), task)}"
    if not good:
        return Verdict(subject, "not measured", f"no trained CNN is as good as {row.mean():.2%}, {ladder}")
    ms = {r.model: times[task, r.model, BATCH, THREADS] for r in (*good, row)}
    rival = min(good, key=lambda rung: (ms[rung.model], _valid(rung)))
    ratio = ms[rival.model] / ms[row.model]
    low, high = SPEEDUP[side]
    answer = "as predicted" if low <= ratio <= high else "not as predicted"
    errors = f"{row.mean():.2%} against its {rival.mean():.2%}"
    return Verdict(subject, answer, f"{ratio:.2f}x against {rival.model}, {errors}, {ladder}")


def far(out: Path, found: Sequence[Row], times: Times) -> Verdict:
    """Trained at 100 or 256, tested at 1024: both errors, and the time of the fastest CNN that is at least as good.

    Ours is chosen by validation at the size of its training. Which CNN is as good has to be asked at 1024, where there
    are test canvases only: to choose among them favours the CNNs.
    """
    subject = f"clutter:1024, trained smaller: {WORDS[1024]}"
    measured = {line["name"]: line["error"] for line in lines(out / "sizes.jsonl") if line["side"] == 1024}
    dense: list[Point] = []
    ours: list[tuple[float, Point]] = []
    for row in found:
        errors = [measured[record["name"]] for record in row.records if record["name"] in measured]
        ms = times.get(("clutter:1024", row.model, BATCH, THREADS))
        if not errors or ms is None:
            continue
        point = Point(ms, mean(errors), f"{row.model} of {side_of(row.task)}")
        if is_dense(row.model):
            dense.append(point)
        elif is_learned(row.model):
            ours.append((row.mean("validation"), point))
    if not ours:
        return Verdict(subject, "not measured", "")
    _, point = min(ours)
    equal = cheapest(dense, point.error)
    if equal is None:
        near = min((other.error for other in dense), default=float("nan"))
        return Verdict(subject, "no equal error", f"ours {point.error:.2%}, the best of {len(dense)} CNNs {near:.2%}")
    ratio = equal.cost / point.cost
    answer = "as predicted" if ratio >= SPEEDUP[1024][0] else "not as predicted"
    errors_there = f"{point.error:.2%} against its {equal.error:.2%}"
    return Verdict(subject, answer, f"{ratio:.1f}x against {equal.model} of {len(dense)} CNNs, {errors_there}")


def corrupted(out: Path, found: Sequence[Row]) -> Verdict:
    """The mean over the 15, and how many of them are better, against the best rung of at most equal MACs."""
    subject = "corruptions on clutter:100: no worse in the mean, better in at least half"
    by_name: dict[str, dict[str, float]] = {}
    for line in lines(out / "corrupted.jsonl"):
        by_name.setdefault(line["name"], {})[line["corruption"]] = line["error"]
    pairs = [(row, _means([by_name[r["name"]] for r in row.records if r["name"] in by_name])) for row in found]
    measured = [(row, errors) for row, errors in pairs if errors]
    if mixed := [(row, errors) for row, errors in measured if is_mixed(row.model)]:
        measured = mixed  # the same corruptions in training on both sides
    ours = [pair for pair in measured if is_learned(pair[0].model)]
    if not ours:
        return Verdict(subject, "not measured", "")
    row, each = min(ours, key=lambda pair: _valid(pair[0]))
    dense = [pair for pair in measured if is_dense(pair[0].model)]
    rivals = [pair for pair in dense if pair[0].macs <= row.macs]
    ladder = trained_of([rung for rung, _ in dense], "clutter:100")
    if not rivals:
        return Verdict(subject, "not measured", f"none of {ladder} is as cheap")
    rival, theirs = min(rivals, key=lambda pair: _valid(pair[0]))
    error, other = mean(each.values()), mean(theirs.values())
    better = sum(each[name] < theirs[name] for name in each)
    answer = "reached" if error <= other and 2 * better >= len(each) else "not reached"
    why = f"{error:.2%} against {other:.2%} ({rival.model}), better in {better} of {len(each)}, against {ladder}"
    return Verdict(subject, answer, why)


def conversion(out: Path) -> Verdict:
    """Measured speed-up over the ratio of MACs, one genome with a tenth of the cells against its sheets everywhere."""
    subject = f"MACs to time at 256, 10 % of the cells: speed-up over the ratio of MACs >= {EFFICIENCY}"
    found = lines(out / "conversion.jsonl")
    if not found:
        return Verdict(subject, "not measured", "")
    each = (
        f"{n['efficiency']:.2f} at batch {n['batch']} ({n['speedup']:.2f}x the speed for {n['ratio']:.2f}x fewer MACs)"
        for n in found
    )
    reached = all(n["efficiency"] >= EFFICIENCY for n in found)
    return Verdict(subject, "reached" if reached else "not reached", ", ".join(each))


def trained_of(dense: Sequence[Row], task: str) -> str:
    """How much of the ladder, as it is to be trained at this size, has been: "5 of 12 rungs"."""
    planned = _planned("mixed" if any(is_mixed(row.model) for row in dense) else "ladder", task)
    return f"{len({row.model for row in dense} & planned)} of {len(planned)} rungs"


@cache
def _planned(part: str, task: str) -> frozenset[str]:
    return frozenset(models_of(part, task))


def _dense(found: Sequence[Row], task: str) -> list[Row]:
    return [row for row in found if row.task == task and is_dense(row.model)]


def _front(dense: Sequence[Row]) -> list[Point]:
    return chosen((row.macs, row) for row in dense)


def _valid(row: Row) -> float:
    return row.mean("validation")


def _means(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """Corruption by corruption over the seeds."""
    return {name: mean(table[name] for table in tables) for name in tables[0]} if tables else {}
