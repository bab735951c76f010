"""Do saccades pay? A ladder of CNNs, rivals, controls and saccade networks under one budget; docs/results/saccades.md.

    python benchmarks/saccades plan glance ladder box --seeds 3 > plan.jsonl     # what is trained, in order
    python benchmarks/saccades train --plan plan.jsonl --jobs 2                  # resumable
    python benchmarks/saccades sizes             # trained at 100 and 256, tested at 60 to 1024
    python benchmarks/saccades budgets           # the same weights with more cells, at 1024
    python benchmarks/saccades corrupt           # under 15 corruptions
    python benchmarks/saccades clock             # milliseconds; nothing else should run
    python benchmarks/saccades conversion        # saved MACs to saved time, with a tenth of the cells; as quiet
    python benchmarks/saccades wiring --seeds 3  # local and long-range wiring, everywhere and where it looks
    python benchmarks/saccades paths             # scan paths in other orders, looking twice, halting otherwise
    python benchmarks/saccades table             # the tables and verdicts as Markdown
    python benchmarks/saccades draw --to docs/saccades-error.png     # error against MACs and milliseconds
    python benchmarks/saccades tiny --out /tmp/tiny                  # all of it in a minute, meaning nothing

Every model of a task gets the same canvases (by seed), optimiser, steps, batch, and grid of two learning rates, between
which the validation error decides; with --rate R of plan, R alone. The test canvases decide nothing. Trainings of other
steps or another batch are rows of their own. On one GPU, in one call of limited time:

    python benchmarks/saccades train --plan plan.jsonl --device cuda --jobs 4 --lanes 4 --claim-s 150 --limit-s 220 --out /tmp/s
    python benchmarks/saccades pack --out /tmp/s --to "$OUT"         # records and weights in few files
    python benchmarks/saccades unpack --from FOLDER                  # into OUT, where they came back to

runs/records/saccades-5acd271.jsonl was made with one rate, 0.004, for all, with part of the ladder, one or three seeds,
and other steps than those of `plan`. Its plan, from the root of the project, then `train` as above:

    bash benchmarks/saccades/record.sh > plan.jsonl
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(HERE.parents[1]))  # a checkout without an installation

import torch  # noqa: E402
from canvas import read_digits, task_of  # noqa: E402
from jobs import PARTS, TASKS, Job, jobs_of, read_plan, trials  # noqa: E402
from models import counts_of  # noqa: E402
from scheduler import supervise, work  # noqa: E402

from evonet.errors import EvonetError  # noqa: E402

MEASURES = ("sizes", "budgets", "corrupt", "clock", "paths")  # of trained networks
VERBS = ("plan", "train", "work", *MEASURES, "conversion", "wiring", "table", "draw", "pack", "unpack", "tiny")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=VERBS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of plan: {', '.join(PARTS)}")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), help="clutter:SIDE, in order")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="*", default=[], help="only these; saccade:GENOME.toml:SELECTOR adds one")
    parser.add_argument("--steps", type=int, default=None, help="of plan and wiring: of every training")
    parser.add_argument("--rate", type=float, default=None, help="of plan: the one learning rate of every training")
    parser.add_argument("--plan", type=Path, default=Path("plan.jsonl"))
    parser.add_argument("--jobs", type=int, default=2, help="processes beside each other")
    parser.add_argument("--lanes", type=int, default=1, help="trainings beside each other in a process, on CUDA")
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument("--claim-s", type=float, default=float("inf"), help="begin no training after so many seconds")
    parser.add_argument("--tested", type=int, default=None, help="canvases of a test; all by default")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/saccades"))
    parser.add_argument("--to", type=Path, default=None, help="of draw: the picture; of pack: the folder")
    parser.add_argument("--from", type=Path, default=None, dest="source", help="of unpack: what pack made")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    if chosen.rate is not None and not chosen.rate > 0:
        parser.error(f"--rate {chosen.rate:g}, expected more than 0")
    if chosen.what in ("draw", "pack") and chosen.to is None:
        parser.error(f"{chosen.what} needs --to")
    if chosen.what == "unpack" and chosen.source is None:
        parser.error("unpack needs --from")
    try:
        run(chosen)
    except (EvonetError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


def run(chosen: argparse.Namespace) -> None:
    if chosen.what == "plan":
        plan(chosen)
    elif chosen.what == "train":
        train(chosen)
    elif chosen.what == "work":
        raise SystemExit(0 if worked(chosen) else 3)
    elif chosen.what == "tiny":
        tiny(chosen)
    elif chosen.what in MEASURES:
        evaluate(chosen)
    elif chosen.what == "conversion":
        from conversion import conversion

        conversion(chosen.out, read_digits(chosen.data_dir, "cpu"))
    elif chosen.what == "wiring":
        from wiring import STEPS, wiring

        torch.set_num_threads(1)
        wiring(chosen.out, chosen.data_dir, seeds=chosen.seeds, steps=chosen.steps or STEPS)
    else:
        show(chosen)


def plan(chosen: argparse.Namespace) -> None:
    """Print the jobs, a line each; on standard error what they cost."""
    jobs = planned(chosen.parts or PARTS, chosen.tasks, chosen.seeds, chosen.models, chosen.rate)
    if chosen.steps is not None:
        jobs = [job._replace(steps=chosen.steps) for job in jobs]
    for job in jobs:
        print(json.dumps(job._asdict()))
    macs = {(j.task, j.model): counts_of(j.model, task_of(j.task)).macs for j in jobs}
    work = sum(3 * macs[j.task, j.model] * j.steps * j.batch for j in jobs)
    print(f"{len(jobs)} trainings, {work / 1e15:.2f} peta-MACs forward and backward", file=sys.stderr)


def planned(
    parts: Sequence[str], tasks: Sequence[str], seeds: int, models: Sequence[str], rate: float | None = None
) -> list[Job]:
    """Seed by seed, parts in the order given; with `models` only those, and the saccade networks among them."""
    jobs = [job for job in jobs_of(parts, tasks, seeds, rate) if not models or job.model in models]
    named = [name for name in models if name.startswith("saccade:")]
    for seed in range(1, seeds + 1):
        jobs += [job for task in tasks for name in named for job in trials(task, name, seed, rate)]
    return sorted(jobs, key=lambda job: job.seed)


def train(chosen: argparse.Namespace) -> None:
    read_plan(chosen.plan)  # so that a faulty line is told once
    chosen.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE), "work", "--plan", str(chosen.plan), "--out", str(chosen.out)]
    command += ["--device", chosen.device, "--lanes", str(chosen.lanes), "--claim-s", str(chosen.claim_s)]
    command += ["--data-dir", str(chosen.data_dir)] if chosen.data_dir else []
    command += ["--tested", str(chosen.tested)] if chosen.tested else []
    supervise(command, chosen.out, processes=chosen.jobs, limit=chosen.limit_s)


def worked(chosen: argparse.Namespace) -> bool:
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    digits = read_digits(chosen.data_dir, chosen.device)
    jobs = read_plan(chosen.plan)
    return work(jobs, chosen.out, digits, chosen.device, lanes=chosen.lanes, few=chosen.tested, seconds=chosen.claim_s)


def evaluate(chosen: argparse.Namespace) -> None:
    from clock import clock
    from evaluating import TESTED, corrupted, sizes

    torch.set_num_threads(1)
    digits = read_digits(chosen.data_dir, chosen.device)
    if chosen.what == "clock":
        clock(chosen.out, digits, tasks=[*chosen.tasks, "clutter:1024"])
    elif chosen.what == "budgets":
        from budgets import budgets

        budgets(chosen.out, digits, chosen.device)
    elif chosen.what == "paths":
        from paths import paths

        paths(chosen.out, digits, chosen.device, tested=chosen.tested)
    else:
        (sizes if chosen.what == "sizes" else corrupted)(
            chosen.out, digits, chosen.device, tested=chosen.tested or TESTED
        )


def show(chosen: argparse.Namespace) -> None:
    if chosen.what == "table":
        from tables import report

        report(chosen.out)
    elif chosen.what == "draw":
        from drawing import draw

        draw(chosen.out, chosen.to)
    else:
        from archive import pack, unpack

        if chosen.what == "pack":
            missed = pack(chosen.out, chosen.to)
            print(f"{len(missed)} weights left out: {', '.join(missed) or 'none'}")
        else:
            print(f"{unpack(chosen.out, chosen.source)} weights")


def tiny(chosen: argparse.Namespace) -> None:
    """All parts with a few steps and canvases: does everything run?"""
    from clock import clock
    from conversion import conversion
    from evaluating import sizes

    tasks = ["clutter:60", "clutter:100"]
    names = ["stride2-narrow", "pool4", "blob-crop", "pool4@box", "glance-4-8", *chosen.models]
    jobs = planned(PARTS, tasks, 2, names)
    chosen.plan, chosen.tested = chosen.out / "plan.jsonl", 64
    chosen.out.mkdir(parents=True, exist_ok=True)
    chosen.plan.write_text("".join(json.dumps(j._replace(steps=8, batch=16)._asdict()) + "\n" for j in jobs))
    train(chosen)
    digits = read_digits(chosen.data_dir, chosen.device)
    sizes(chosen.out, digits, chosen.device, tested=8)
    conversion(chosen.out, read_digits(chosen.data_dir, "cpu"), batches=(1,), rounds=3)
    clock(chosen.out, read_digits(chosen.data_dir, "cpu"), tasks=tasks[:1], rounds=3, untrained=False)
    for verb, to in (("table", None), ("draw", chosen.out / "error.png"), ("pack", chosen.out / "packed")):
        chosen.what, chosen.to = verb, to
        show(chosen)


if __name__ == "__main__":
    main()
