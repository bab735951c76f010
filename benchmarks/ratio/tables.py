"""The tables as Markdown."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from cases import BOUND, BOUND_MNIST, BOUNDS, LAGS, Case

from evonet.training.tasks import SCRAMBLES
from evonet.twins import estimate


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Results:
    """The lines of a folder, by case."""

    def __init__(self, out: Path) -> None:
        test = {Case(*line["case"]): line["test_accuracy"] for line in lines(out / "test.jsonl")}
        self.lines = {Case(*line["case"]): line for line in lines(out / "runs.jsonl")}
        for case, line in self.lines.items():
            line["test_accuracy"] = test.get(case)

    def of(self, task: str, arm: str, bound: int, name: str) -> dict[int, float]:
        """By seed; for accuracies the test split if it has been looked at, else the choice split."""
        found = {}
        for case, line in self.lines.items():
            if case[:3] == (task, arm, bound):
                value = line["test_accuracy"] if name == "accuracy" else line[name]
                found[case.seed] = line["choice_accuracy"] if value is None else value
        return dict(sorted(found.items()))

    @property
    def split(self) -> str:
        looked = [line["test_accuracy"] is not None for line in self.lines.values()]
        return "test" if looked and all(looked) else "choice; the test split has not been looked at for all"


def report(out: Path) -> None:
    results = Results(out)
    commits = sorted({line["commit"] for line in results.lines.values()})
    minutes = sum(line["seconds"] for line in results.lines.values()) / 60
    print(f"{len(results.lines)} runs, {minutes:.0f} core-minutes, commits {', '.join(commits) or 'none'}.")
    print(f"Accuracy on the split {results.split}.\n")
    for table in (lag_table, bytes_table, scramble_table, mnist_table):
        table(results)


def lag_table(results: Results) -> None:
    print("| task | arm | seeds | long share, median (each) | accuracy, mean ± 95 % | bytes | MACs | s a run |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for r in LAGS:
        for arm in ("search", "drift", "cnn"):
            row(results, f"lag:{r}", arm, BOUND, shares)
    print()
    print("| task | median long share of the search | 90 % band of the drift control | outside |")
    print("|---|---:|---:|---|")
    for r in LAGS:
        found, drift = (list(results.of(f"lag:{r}", arm, BOUND, "long_share").values()) for arm in ("search", "drift"))
        if found and len(drift) > 1:
            low, high = band(drift)
            outside = "yes" if not low <= median(found) <= high else "no"
            print(f"| lag:{r} | {median(found):.2f} | {low:.2f} to {high:.2f} ({len(drift)} seeds) | {outside} |")
    print()


def bytes_table(results: Results) -> None:
    print("| task | bound, bytes | search | CNN-only twin | difference, points ± 95 % | CNN's MACs / search's |")
    print("|---|---:|---:|---:|---:|---:|")
    for bound in BOUNDS:
        against(results, "lag:13", bound, "search", "cnn", lead=f"| lag:13 | {bound} ")
    print()


def scramble_table(results: Results) -> None:
    print("| task | arm | seeds | long share, median (each) | accuracy, mean ± 95 % | bytes | MACs | s a run |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for kind in SCRAMBLES:
        for arm in ("search", "cnn", "oracle"):
            row(results, f"scramble:{kind}", arm, BOUND_MNIST, shares)
    for kind in SCRAMBLES:
        found, cnn, best = (
            results.of(f"scramble:{kind}", arm, BOUND_MNIST, "accuracy") for arm in ("search", "cnn", "oracle")
        )
        if found and cnn and best:
            gain, whole = mean(found.values()) - mean(cnn.values()), mean(best.values()) - mean(cnn.values())
            print(f"\nscramble:{kind}: {100 * gain:.2f} of the oracle's {100 * whole:.2f} points: {gain / whole:.0%}")
    print()


def mnist_table(results: Results) -> None:
    print("| task | arms | first | second | difference, points ± 95 % | second's MACs / first's |")
    print("|---|---|---:|---:|---:|---:|")
    for task, first, second in (
        ("mnist", "search", "cnn"),
        ("mnist", "local", "random"),
        ("permuted", "local", "random"),
    ):
        against(results, task, BOUND_MNIST, first, second, lead=f"| {task} | {first}, {second} ")


def row(results: Results, task: str, arm: str, bound: int, last: Callable[[list[float]], str]) -> None:
    def each(name: str) -> list[float]:
        return list(results.of(task, arm, bound, name).values())

    if accuracy := each("accuracy"):
        print(
            f"| {task} | {arm} | {len(accuracy)} | {last(each('long_share'))} | {points(accuracy)} | "
            f"{mean(each('bytes')):.0f} | {mean(each('macs')):,.0f} | {mean(each('seconds')):.0f} |"
        )


def against(results: Results, task: str, bound: int, first: str, second: str, *, lead: str) -> None:
    """Two arms seed by seed."""
    a, b = (results.of(task, arm, bound, "accuracy") for arm in (first, second))
    if both := sorted(a.keys() & b.keys()):
        macs = [mean(results.of(task, arm, bound, "macs").values()) for arm in (first, second)]
        print(
            f"{lead}| {points(list(a.values()))} | {points(list(b.values()))} | "
            f"{points([a[s] - b[s] for s in both])} ({len(both)} pairs) | {macs[1] / macs[0]:.2f} |"
        )


def shares(values: list[float]) -> str:
    return f"{median(values):.2f} ({', '.join(f'{v:.2f}' for v in values)})"


def points(values: list[float]) -> str:
    found = estimate([100 * v for v in values])
    return f"{found.mean:.2f}" + ("" if found.half is None else f" ± {found.half:.2f}")


def band(values: list[float]) -> tuple[float, float]:
    """The 5 % and 95 % quantiles, interpolated."""
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[0], cuts[-1]
