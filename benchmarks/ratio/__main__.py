"""Does the ratio of local to long connections learn? The runs behind docs/results/ratio.md, resumable.

    python benchmarks/ratio run lag --seeds 5             # half an hour on two cores; also between, bytes, ...
    python benchmarks/ratio test                          # once, at the end: the winners on the test split
    python benchmarks/ratio report                        # the tables as Markdown

Every run is `evonet run` with a configuration of its own, one worker, in OUT/runs; `--jobs` of them go beside each
other. A finished run is a line of OUT/runs.jsonl and is not run again, a stopped one is resumed. Arms, of the same
births and steps from the same start:

search   all of the language          cnn      genes held to box motifs of radius 3 at most
drift    scores shuffled              oracle   the known best wiring, frozen
local, random   a small CNN and its random twin, both frozen

A run finishes one individual, the best on the choice split: that is its winner. Tuned on the validation split of seeds
101 and up, which are not reported.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from cases import PARTS, Case, cases, config_of
from tables import lines, report

from evonet.config import to_toml
from evonet.job import Scored
from evonet.measured import evaluate
from evonet.provenance import provenance
from evonet.store import open_run

PROGRAM = (sys.executable, "-m", "evonet")  # of the tree that is measured, not of the one that is installed


def run_all(plan: list[Case], out: Path, data_dir: Path | None, jobs: int, *, tiny: bool) -> None:
    done = {Case(*line["case"]) for line in lines(out / "runs.jsonl")}
    lock = Lock()

    def work(case: Case) -> None:
        line = run_one(case, out / "runs" / case.name, data_dir, tiny=tiny)
        with lock, (out / "runs.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(
            case.name,
            {k: line[k] for k in ("accuracy", "choice_accuracy", "long_share", "bytes", "seconds")},
            flush=True,
        )

    (out / "runs").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, [case for case in plan if case not in done]))


def run_one(case: Case, folder: Path, data_dir: Path | None, *, tiny: bool) -> dict[str, Any]:
    config = folder.with_suffix(".toml")
    config.write_text(to_toml(config_of(case, tiny=tiny)))
    verb = ["resume", str(folder)] if folder.exists() else ["run", str(config), "--run", str(folder)]
    data = ["--data-dir", str(data_dir)] if data_dir else []
    clock = folder.with_suffix(".seconds")
    started = time.monotonic()
    with folder.with_suffix(".log").open("a") as log:
        subprocess.run([*PROGRAM, *verb, *data], check=True, stdout=log, stderr=log)
    seconds = time.monotonic() - started + (float(clock.read_text()) if clock.exists() else 0.0)
    clock.write_text(str(seconds))
    return {"case": case, **winner(folder), "seconds": round(seconds, 1), "commit": provenance()["commit"]}


def winner(folder: Path) -> dict[str, Any]:
    """The individual that the run finished, by its last evaluation."""
    with open_run(folder) as opened:
        (last,) = (d for d in opened.decisions() if d.rung < 0)
        outcomes = opened.counts().recorded
    if not isinstance(last.outcome, Scored):
        raise SystemExit(f"{folder}: the finished individual was not scored: {last.outcome}")
    measures = last.outcome.measures
    names = ("accuracy", "choice_accuracy", "choice_loss", "long_share", "bytes", "macs", "nonzero", "taps", "sheets")
    return {
        "individual": last.individual,
        "genome": last.genome.hex(),
        "evaluations": sum(outcomes.values()),
        **{name: getattr(measures, name) for name in names},
    }


def test_all(out: Path, data_dir: Path | None) -> None:
    """The winners on the test split, each once."""
    done = {Case(*line["case"]) for line in lines(out / "test.jsonl")}
    for line in lines(out / "runs.jsonl"):
        case = Case(*line["case"])
        if case in done:
            continue
        folder = out / "runs" / case.name
        with open_run(folder) as opened:
            package = opened.package(line["individual"])
        assert package is not None
        found = evaluate(package, spec=case.task, data_dir=data_dir, split="test", where=str(folder))
        with (out / "test.jsonl").open("a") as file:
            file.write(json.dumps({"case": case, "test_accuracy": found.accuracy}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "test", "report"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="the first seed; 101 and up are for tuning")
    parser.add_argument("--jobs", type=int, default=2, help="runs beside each other")
    parser.add_argument("--tiny", action="store_true", help="a few births and steps, to see that everything runs")
    parser.add_argument("--only", default="", help="only cases whose name has this in it")
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/ratio"))
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    if chosen.what == "run":
        seeds = range(chosen.first, chosen.first + chosen.seeds)
        plan = [case for part in chosen.parts for case in cases(part, seeds) if chosen.only in case.name]
        run_all(list(dict.fromkeys(plan)), chosen.out, chosen.data_dir, chosen.jobs, tiny=chosen.tiny)
    elif chosen.what == "test":
        test_all(chosen.out, chosen.data_dir)
    else:
        report(chosen.out)


if __name__ == "__main__":
    main()
