"""The stop rules of the issue, part 8, and its table "Reach", answered from the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from clock import milliseconds
from glance import CELLS, DOWNS
from jobs import lines
from predictions import EFFICIENCY, REACH, RECALL, SPEEDUP, WORDS
from results import Point, Row, cheapest, error_at, frontier, is_dense, is_learned, is_mixed, side_of

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
        conversion(found, times),
    ]


def _tasks(found: Sequence[Row], prefix: str) -> list[str]:
    return sorted({row.task for row in found if row.model.startswith(prefix)}, key=side_of)


def recall(found: Sequence[Row], task: str, down: int) -> Verdict:
    """First: does the view still show where the object is? The better cell size counts."""
    subject = f"glance at 1/{down} on {task}, recall@{LOOKS} of the object's cell >= {RECALL:.0%}"
    names = {f"glance-{down}-{cell}" for cell in CELLS}
    some = {
        row.model: 1 - row.mean("test", f"miss@{LOOKS}") for row in found if row.task == task and row.model in names
    }
    if not some:
        return Verdict(subject, "not measured", "")
    best = max(some, key=lambda name: some[name])
    return Verdict(subject, "go on" if some[best] >= RECALL else "stop", f"{some[best]:.2%} ({best})")


def bounds(found: Sequence[Row], task: str) -> Verdict:
    """Second: can any selector win? Oracle cells against the ladder's frontier at the same MACs."""
    subject = f"oracle cells against the ladder on {task}"
    oracle = [row for row in found if row.task == task and row.model.endswith(":oracle")]
    front = _front(found, task)
    pairs = [(row, error_at(front, row.macs)) for row in oracle]
    known = [(row, dense) for row, dense in pairs if dense is not None]
    if not known:
        below = "no rung is as cheap" if oracle and front else ""
        return Verdict(subject, "not measured" if not below else "go on", below)
    row, dense = min(known, key=lambda pair: pair[0].mean() - pair[1])
    return Verdict(
        subject,
        "go on" if row.mean() < dense else "stop",
        f"{row.mean():.2%} against {dense:.2%} at {row.macs:,} MACs ({row.model})",
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
    best = min(ours, key=lambda row: row.mean())
    dense = error_at(_front(found, task), best.macs)
    wanted = bar / 100 if bar is not None else dense
    if wanted is None:
        return Verdict(subject, "not measured", "no rung is as cheap")
    against = "-" if dense is None else f"{dense:.2%}"
    why = f"{best.mean():.2%} at {best.macs:,} MACs, expected {wanted:.2%}; the ladder there: {against}"
    return Verdict(subject, "reached" if best.mean() <= wanted else "not reached", why)


def speed(found: Sequence[Row], times: Times, side: int) -> Verdict:
    """Wall time of the fastest CNN that is at least as good, over the learned saccade network's."""
    task = f"clutter:{side}"
    subject = f"wall time on {task}: {WORDS[side]}"
    timed = [row for row in found if row.task == task and (task, row.model, BATCH, THREADS) in times]
    ours = [row for row in timed if is_learned(row.model)]
    if not ours:
        return Verdict(subject, "not measured", "")
    best = min(ours, key=lambda row: row.mean())
    dense = cheapest(_timed(timed, times), best.mean())
    if dense is None:
        return Verdict(subject, "not measured", f"no trained CNN is as good as {best.mean():.2%}")
    ratio = dense.cost / times[task, best.model, BATCH, THREADS]
    low, high = SPEEDUP[side]
    answer = "as predicted" if low <= ratio <= high else "not as predicted"
    return Verdict(subject, answer, f"{ratio:.2f}x against {dense.model} at {best.mean():.2%}")


def far(out: Path, found: Sequence[Row], times: Times) -> Verdict:
    """Trained at 100 or 256, tested at 1024: both errors, and the time of the fastest CNN that is at least as good."""
    subject = f"clutter:1024, trained smaller: {WORDS[1024]}"
    measured = {line["name"]: line["error"] for line in lines(out / "sizes.jsonl") if line["side"] == 1024}
    dense: list[Point] = []
    ours: list[Point] = []
    for row in found:
        errors = [measured[record["name"]] for record in row.records if record["name"] in measured]
        ms = times.get(("clutter:1024", row.model, BATCH, THREADS))
        if errors and ms is not None:
            side = dense if is_dense(row.model) else ours if is_learned(row.model) else []
            side.append(Point(ms, mean(errors), f"{row.model} of {side_of(row.task)}"))
    if not ours:
        return Verdict(subject, "not measured", "")
    best = min(ours, key=lambda point: point.error)
    equal = cheapest(dense, best.error)
    if equal is None:
        near = min((point.error for point in dense), default=float("nan"))
        return Verdict(subject, "no equal error", f"ours {best.error:.2%}, the best CNN {near:.2%}")
    ratio = equal.cost / best.cost
    answer = "as predicted" if ratio >= SPEEDUP[1024][0] else "not as predicted"
    return Verdict(subject, answer, f"{ratio:.1f}x against {equal.model} at {best.error:.2%}")


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
    ours = [(mean(errors.values()), row, errors) for row, errors in measured if is_learned(row.model)]
    if not ours:
        return Verdict(subject, "not measured", "")
    error, best, each = min(ours, key=lambda found: found[0])
    rivals = [(mean(e.values()), r, e) for r, e in measured if is_dense(r.model) and r.macs <= best.macs]
    if not rivals:
        return Verdict(subject, "not measured", "no rung is as cheap")
    dense, rival, theirs = min(rivals, key=lambda found: found[0])
    better = sum(each[name] < theirs[name] for name in each)
    answer = "reached" if error <= dense and 2 * better >= len(each) else "not reached"
    return Verdict(
        subject, answer, f"{error:.2%} against {dense:.2%} ({rival.model}), better in {better} of {len(each)}"
    )


def conversion(found: Sequence[Row], times: Times) -> Verdict:
    """Measured speed-up over the ratio of MACs, against the dense rung of the most MACs that was timed at 256."""
    subject = f"MACs to time at 256: speed-up over the ratio of MACs >= {EFFICIENCY}"
    task = "clutter:256"
    timed = [row for row in found if row.task == task and (task, row.model, BATCH, THREADS) in times]
    ours = [row for row in timed if is_learned(row.model)]
    dense = [row for row in timed if is_dense(row.model)]
    if not ours or not dense:
        return Verdict(subject, "not measured", "")
    small, large = min(ours, key=lambda row: row.mean()), max(dense, key=lambda row: row.macs)
    ratio = times[task, large.model, BATCH, THREADS] / times[task, small.model, BATCH, THREADS]
    share = ratio / (large.macs / small.macs)
    why = f"{share:.2f}: {ratio:.2f}x the speed for {large.macs / small.macs:.2f}x fewer MACs than {large.model}"
    return Verdict(subject, "reached" if share >= EFFICIENCY else "not reached", why)


def _front(found: Sequence[Row], task: str) -> list[Point]:
    dense = [row for row in found if row.task == task and is_dense(row.model)]
    return frontier(Point(row.macs, row.mean(), row.model) for row in dense)


def _timed(found: Sequence[Row], times: Times) -> Iterator[Point]:
    for row in found:
        if is_dense(row.model):
            yield Point(times[row.task, row.model, BATCH, THREADS], row.mean(), row.model)


def _means(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """Corruption by corruption over the seeds."""
    return {name: mean(table[name] for table in tables) for name in tables[0]} if tables else {}
