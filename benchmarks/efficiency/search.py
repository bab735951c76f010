"""Search against its rivals at equal wall time: the best accuracy below 1 kB on MNIST. Resumable, a seed more a call.

    pip install -c constraints.txt -e '.[bench]'                             # Optuna
    python benchmarks/efficiency/search.py run --seeds 3 --data-dir DIR      # 8 minutes a run, two cores, nothing else
    python benchmarks/efficiency/search.py run --jobs 8 ...                  # so many runs at a time, two cores each
    python benchmarks/efficiency/search.py report

Arms, all with the genes, rungs, training and compression of configs/mnist.toml and two worker processes:

evonet        the configuration as it is, without finishing
random        every birth a fresh sample; rungs and promotions stay
regularised   aging evolution (Real et al. 2019, algorithm 1): the newest individuals stay whatever they are worth, one
              parent by tournament, no crossover, every child trained from scratch
tpe           Optuna's multivariate TPE with successive halving over the same genes (tpe.py)

Each is stopped after SECONDS of wall time, start-up included. Its winner is the file of at most 1,024 bytes with the
least loss on the choice split among those trained at the top rung (if none was, the best score); `run` reads it on the
test split, once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from evonet.config import load_config
from evonet.evolution.score import score
from evonet.job import Scored
from evonet.measured import evaluate
from evonet.provenance import provenance
from evonet.store import open_run
from evonet.twins import estimate

HERE = Path(__file__).parent
CONFIG = HERE.parent.parent / "configs" / "mnist.toml"
PROGRAM = (sys.executable, "-m", "evonet")  # of the tree that is measured, not of the one that is installed
BOUND = 1024
ENDLESS = ["search.individuals=100000", "search.finish_best=0", "workers.kind=process"]
ARMS: dict[str, list[str]] = {
    "evonet": [],
    "random": ["search.fresh=1.0"],
    "regularised": [
        "search.fresh=0.0",
        "search.crossover=0.0",
        "search.inherit=false",
        "search.survival=plugins:newest",  # beside this file
    ],
    "tpe": [],
}


def run_search(arm: str, seed: int, folder: Path, seconds: float, data: list[str]) -> None:
    """`evonet run`, interrupted after `seconds`."""
    sets = [*ENDLESS, *ARMS[arm], f"run.seed={seed}"]
    command = [*PROGRAM, "run", str(CONFIG), "--run", str(folder), "--workers", "2", *data]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    with folder.with_suffix(".log").open("a") as log:
        process = subprocess.Popen(
            [*command, *(part for key in sets for part in ("--set", key))], stdout=log, stderr=log, env=environment
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def run_tpe(seed: int, folder: Path, seconds: float, data: list[str]) -> None:
    """Two workers of one study."""
    folder.mkdir(parents=True)
    arguments = [str(CONFIG), str(folder / "journal"), str(seconds)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "tpe.py"), *arguments, str(2 * seed + k), str(folder / f"{k}.jsonl"), *data],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for k in range(2)
    ]
    until = time.monotonic() + seconds
    for worker in workers:  # a trial that began before the end is not waited for
        try:
            worker.wait(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def of_search(folder: Path) -> Iterator[dict[str, Any]]:
    settings = load_config(CONFIG).score
    with open_run(folder) as run:
        for d in run.decisions(weights=True):
            if isinstance(d.outcome, Scored):
                m = d.outcome.measures
                yield {
                    "rung": d.rung,
                    "bytes": m.bytes,
                    "score": score(m, settings),
                    "choice_loss": m.choice_loss,
                    "package": d.outcome.package.hex(),
                }


def of_tpe(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def result(arm: str, seed: int, folder: Path, data_dir: Path | None) -> dict[str, Any]:
    found = list(of_tpe(folder) if arm == "tpe" else of_search(folder))
    fitting = [line for line in found if line["bytes"] <= BOUND]
    top = [line for line in fitting if line["choice_loss"] is not None]
    best = min(top, key=lambda r: r["choice_loss"]) if top else max(fitting, key=lambda r: r["score"])
    package = bytes.fromhex(best["package"])
    measured = evaluate(package, spec="mnist", data_dir=data_dir, split="test", where=str(folder))
    return {
        "arm": arm,
        "seed": seed,
        "test_accuracy": measured.accuracy,
        "bytes": len(package),
        "evaluations": len(found),
        "at_the_top_rung": len([line for line in found if line["choice_loss"] is not None]),
        "commit": provenance()["commit"],
    }


def run(arm: str, seed: int, out: Path, seconds: float, data: list[str]) -> dict[str, Any]:
    """One run, or what is left of one, and its winner on the test split."""
    folder = out / f"{arm}-{seed}"
    if not folder.exists():
        (run_tpe if arm == "tpe" else partial(run_search, arm))(seed, folder, seconds, data)
    return result(arm, seed, folder, Path(data[1]) if data else None)


def report(lines: list[dict[str, Any]]) -> None:
    print("| arm | seeds | test accuracy, % ± 95 % | each | bytes | evaluations | of them at the top rung |")
    print("|---|---:|---:|---|---:|---:|---:|")
    for arm in ARMS:
        rows = [line for line in lines if line["arm"] == arm]
        if rows:
            values = [100 * line["test_accuracy"] for line in rows]
            e = estimate(values)
            half = "" if e.half is None else f" ± {e.half:.2f}"
            print(
                f"| {arm} | {len(rows)} | {e.mean:.2f}{half} | {', '.join(f'{v:.2f}' for v in values)} | "
                f"{mean(r['bytes'] for r in rows):.0f} | {mean(r['evaluations'] for r in rows):.0f} | "
                f"{mean(r['at_the_top_rung'] for r in rows):.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--only", default="", help="only this arm")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/efficiency"))
    a = parser.parse_args()
    log = a.out / "results.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if a.what == "report":
        report(lines)
        return
    a.out.mkdir(parents=True, exist_ok=True)
    data = ["--data-dir", str(a.data_dir)] if a.data_dir else []
    done = {(line["arm"], line["seed"]) for line in lines}
    wanted = [(arm, seed) for seed in range(1, a.seeds + 1) for arm in ARMS if a.only in ("", arm)]
    with ThreadPoolExecutor(a.jobs) as pool:
        for line in pool.map(lambda one: run(*one, a.out, a.seconds, data), [one for one in wanted if one not in done]):
            with log.open("a") as file:
                file.write(json.dumps(line | {"jobs": a.jobs}) + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
