"""Pareto successive halving against full budgets: the same front for fewer training steps? Resumable, seed by seed.

    python benchmarks/halving.py run --seeds 5 --data-dir DIR        # about six minutes a seed and core
    python benchmarks/halving.py report

Both arms are `evonet run` with score.kind = "pareto" (validation loss, bytes), the same number of births, every genome
trained from scratch (search.inherit = false). `full` trains each birth for 300 steps; `halving` trains it for 50 and
promotes by non-dominated rank, for 300 more. Hypervolume of the front of everybody's newest evaluation, as `evonet
front` shows it, in the box of loss below 1 bit per label and log2(bytes) from 6 to 14, both scaled to 1; beside it
that of those trained at the top rung alone. Rungs were chosen on seed 101, which is not reported.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import moocore
import numpy as np

from evonet.job import Scored
from evonet.provenance import provenance
from evonet.store import open_run
from evonet.twins import estimate

PROGRAM = (sys.executable, "-m", "evonet")  # of the tree that is measured, not of the one that is installed
CONFIG = Path(__file__).parent.parent / "configs" / "mnist.toml"
ARMS = {"full": "[300]", "halving": "[50, 300]"}
SETS = [
    'score.kind="pareto"',
    "search.population=16",
    "search.individuals=40",
    "search.inherit=false",
    "search.finish_best=0",
    "search.promote=0.2",
    "search.promote_every=4",
    "compression.bound=0",
    "compression.size_weight=1.0",
    "workers.kind=serial",
]
BYTES = 6.0, 14.0  # log2


def volume(points: Iterable[tuple[float, float]]) -> float:
    """Of (loss, bytes), both less is better; in [0, 1]."""
    scaled = [(loss, (math.log2(size) - BYTES[0]) / (BYTES[1] - BYTES[0])) for loss, size in points]
    inside = np.array([p for p in scaled if max(p) < 1.0] or [(1.0, 1.0)])
    return float(moocore.hypervolume(inside, ref=[1.0, 1.0]))


def result(arm: str, seed: int, folder: Path) -> dict[str, Any]:
    steps, newest, top = 0, {}, {}
    with open_run(folder) as run:
        for d in run.decisions():
            steps += d.steps
            if isinstance(d.outcome, Scored):
                newest[d.individual] = d.outcome.measures.loss, float(d.outcome.measures.bytes)
                if d.rung == len(json.loads(ARMS[arm])) - 1:
                    top[d.individual] = newest[d.individual]
    return {
        "arm": arm,
        "seed": seed,
        "hypervolume": volume(newest.values()),
        "hypervolume_of_top": volume(top.values()),
        "steps": steps,
        "top": len(top),
        "commit": provenance()["commit"],
    }


def report(lines: list[dict[str, Any]]) -> None:
    found = {(line["arm"], line["seed"]): line for line in lines}
    seeds = sorted({seed for _, seed in found if all((arm, seed) in found for arm in ARMS)})
    print("| seed | full: hypervolume, steps | halving: hypervolume, steps | ratio of hypervolumes | of steps |")
    print("|---:|---:|---:|---:|---:|")
    ratios, shares = [], []
    for seed in seeds:
        full, halving = found["full", seed], found["halving", seed]
        ratios.append(halving["hypervolume"] / full["hypervolume"])
        shares.append(halving["steps"] / full["steps"])
        print(
            f"| {seed} | {full['hypervolume']:.4f}, {full['steps']:,} | {halving['hypervolume']:.4f}, "
            f"{halving['steps']:,} | {ratios[-1]:.3f} | {shares[-1]:.2f} |"
        )
    for name, values in (("hypervolume", ratios), ("steps", shares)):
        e = estimate(values)
        print(f"{name}: halving / full {e.mean:.3f}" + ("" if e.half is None else f" ± {e.half:.3f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/halving"))
    a = parser.parse_args()
    log = a.out / "results.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if a.what == "report":
        report(lines)
        return
    a.out.mkdir(parents=True, exist_ok=True)
    data = ["--data-dir", str(a.data_dir)] if a.data_dir else []
    done = {(line["arm"], line["seed"]) for line in lines}
    for seed in range(a.first, a.first + a.seeds):
        for arm, rungs in ARMS.items():
            if (arm, seed) in done:
                continue
            folder = a.out / f"{arm}-{seed}"
            sets = [*SETS, f"search.rungs={rungs}", f"run.seed={seed}"]
            verb = ["resume", str(folder)] if folder.exists() else ["run", str(CONFIG), "--run", str(folder)]
            options = [] if folder.exists() else [part for key in sets for part in ("--set", key)]
            with folder.with_suffix(".log").open("a") as out:
                subprocess.run([*PROGRAM, *verb, *data, *options], check=True, stdout=out, stderr=out)
            line = result(arm, seed, folder)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
