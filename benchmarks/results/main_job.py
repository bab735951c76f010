"""The runs behind docs/results/main-job.md: resumable, a seed more with every call that has time for it.

    python benchmarks/results/main_job.py digits --seeds 5
    python benchmarks/results/main_job.py mnist --seeds 1 --data-dir ../shared/data
    python benchmarks/results/main_job.py compare --seeds 3 --data-dir ../shared/data

Arms: `digits` and `mnist` are the shipped configurations; `compare` is a shortened MNIST search beside random search
(every birth a fresh sample) with the same births, rungs and finishing. Runs lie in runs/results/ARM-SEED; a finished
one is not run again, a stopped one is resumed. Each winner is chosen on the choice split; the test split is looked at
here, once, at the end. Printed: one Markdown row per run, then means with the standard error of the mean.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

PROGRAM = (sys.executable, "-m", "evonet")  # of the tree that is measured, not of the one that is installed
SHORT = ["search.individuals=64", "search.rungs=[150, 400]", "search.finish_share=0.3"]
ARMS = {
    "digits": [("digits", "configs/digits.toml", [])],
    "mnist": [("mnist", "configs/mnist.toml", [])],
    "compare": [
        ("mnist-short", "configs/mnist.toml", SHORT),
        ("mnist-short-random", "configs/mnist.toml", [*SHORT, "search.fresh=1.0"]),
    ],
}


def evonet(*arguments: str) -> str:
    return subprocess.run([*PROGRAM, *arguments], check=True, capture_output=True, text=True).stdout


def finish(folder: Path, config: str, sets: list[str], data: list[str], log: Path) -> None:
    """Run or resume until the run is finished; its wall time is added up in seconds.json beside it."""
    clock = folder.with_suffix(".seconds.json")
    if folder.exists() and json.loads(evonet("status", str(folder), "--json"))["state"] == "finished":
        return
    verb = ["resume", str(folder)] if folder.exists() else ["run", config, "--run", str(folder)]
    options = [] if folder.exists() else [part for key in sets for part in ("--set", key)]
    started = time.monotonic()
    with log.open("a") as out:
        subprocess.run([*PROGRAM, *verb, *data, *options], check=True, stdout=out, stderr=out)
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    clock.write_text(json.dumps(before + time.monotonic() - started))


def result(folder: Path, spec: str, data: list[str]) -> dict[str, float]:
    """The winner, decoded from its bytes and measured on the test split."""
    with tempfile.TemporaryDirectory() as scratch:
        evonet("export", str(folder), "--best", "1", "--format", "evo", "--out", f"{scratch}/best", *data)
        (package,) = Path(scratch).rglob("*.evo")
        measured = json.loads(evonet("eval", str(package), "--data", spec, "--split", "test", "--json", *data))
    state = json.loads(evonet("status", str(folder), "--json"))
    clock = folder.with_suffix(".seconds.json")
    seconds = json.loads(clock.read_text()) if clock.exists() else float("nan")
    return {
        **measured,
        "individuals": state["individuals"],
        "evaluations": sum(state["outcomes"].values()),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--runs", default="runs/results")
    chosen = parser.parse_args()
    data = ["--data-dir", chosen.data_dir] if chosen.data_dir else []
    base = Path(chosen.runs)
    base.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, float]]] = {}
    print("| run | test accuracy | bytes | MACs | individuals | evaluations | wall |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for seed in range(1, chosen.seeds + 1):
        for name, config, sets in ARMS[chosen.arm]:
            folder = base / f"{name}-{seed}"
            finish(folder, config, [*sets, f"run.seed={seed}"], data, folder.with_suffix(".log"))
            row = result(folder, "digits" if chosen.arm == "digits" else "mnist", data)
            rows.setdefault(name, []).append(row)
            print(
                f"| {folder.name} | {100 * row['accuracy']:.2f} % | {row['bytes']:.0f} | {row['macs']:,.0f} | "
                f"{row['individuals']:.0f} | {row['evaluations']:.0f} | {row['seconds']:.0f} s |",
                flush=True,
            )
    for name, found in rows.items():
        for key, scale, unit in (("accuracy", 100, "%"), ("bytes", 1, "bytes")):
            values = [scale * row[key] for row in found]
            error = f" ± {stdev(values) / len(values) ** 0.5:.2f}" if len(values) > 1 else ""
            print(f"{name}: {key} {mean(values):.2f}{error} {unit} over {len(values)} seeds")


if __name__ == "__main__":
    main()
