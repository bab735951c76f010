"""Both ideas together: local or long-range wiring, computed everywhere or where the network looks, in as many bytes.

All four networks get the same images, steps, codes and bound on their files; their genomes spend about the same MACs.
The long-range motif has its nine taps four positions apart; where the network looks, it is the second class.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jobs import append, lines
from tables import percent

from evonet.compression.settings import CompressionSettings
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.genome.text import load
from evonet.job import Job, Scored
from evonet.training.data import load_data
from evonet.training.settings import BudgetSettings, SaccadeSettings, TrainingSettings

HERE = Path(__file__).parent / "genomes"
ARMS = ("everywhere-local", "everywhere-long", "looks-local", "looks-long")
TASK, BOUND, BATCH, STEPS = "clutter:60", 2048, 64, 3000


def wiring(out: Path, data_dir: Path | None, *, seeds: int, steps: int) -> None:
    """Train and compress every arm, seed by seed; one line each in OUT/wiring.jsonl."""
    done = {(line["arm"], line["seed"], line["steps"]) for line in lines(out / "wiring.jsonl")}
    evaluator = Evaluator(_settings(), load_data(TASK, data_dir))
    out.mkdir(parents=True, exist_ok=True)
    for seed in range(1, seeds + 1):
        for arm in ARMS:
            if (arm, seed, steps) not in done:
                line = _line(evaluator, arm, seed, steps)
                append(out / "wiring.jsonl", line)
                print(line, flush=True)


def _settings() -> EvaluationSettings:
    return EvaluationSettings(
        training=TrainingSettings(batch=BATCH, lr=0.005, average=0.99),
        compression=CompressionSettings(bound=BOUND, finish_rounds=12),
        budget=BudgetSettings(weights=2**17, macs=2**27, neurons=2**22),
        saccades=SaccadeSettings(noise=0.0),
    )


def _line(evaluator: Evaluator, arm: str, seed: int, steps: int) -> dict[str, Any]:
    genome = load(HERE / f"{arm}.toml")
    job = Job(
        decision=0,
        individual=0,
        rung=-1,
        genome=encode(genome),
        ids=ids_of(stamp(genome, 0)),
        steps=steps,
        seed=seed,
        key="",
    )
    started = time.perf_counter()
    outcome = evaluator(job)
    if not isinstance(outcome, Scored):
        return {"arm": arm, "seed": seed, "steps": steps, "failed": outcome.reason}
    m = outcome.measures
    found = {"bytes": m.bytes, "macs": m.macs, "weights": m.weights, "error": 1 - m.accuracy, "loss": m.loss}
    return {"arm": arm, "seed": seed, "steps": steps, **found, "seconds": round(time.perf_counter() - started, 1)}


def wiring_table(out: Path) -> None:
    """Validation error of the decoded files: the choice split is for others, the test split for finished claims."""
    found = lines(out / "wiring.jsonl")
    if not found:
        return
    print(f"## Wiring x looking on {TASK}, files of at most {BOUND:,} bytes\n")
    print("| arm | MACs | weights | bytes | seeds | validation % ± 95 % |\n|---|---:|---:|---:|---:|---:|")
    for arm in ARMS:
        of = [line for line in found if line["arm"] == arm and "error" in line]
        if not of:
            continue
        macs, weights, size = (round(sum(line[k] for line in of) / len(of)) for k in ("macs", "weights", "bytes"))
        error = percent([line["error"] for line in of])
        print(f"| {arm} | {macs:,} | {weights:,} | {size:,} | {len(of)} | {error} |")
    print()
