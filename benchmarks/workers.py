"""Do Ray workers cost anything? Evaluations per minute of N Ray workers against N bare Python processes, same jobs.

    python benchmarks/workers.py [--workers 2] [--jobs 60] [--rounds 5] [--seconds 0.3]

Both are started before the clock is, and take turns, so that a busy machine harms both. A bare process has a fixed
share of the jobs; Ray's workers take the next one. Printed: the medians, their ratio (1.00 is no cost, the goal is at
least 0.95), and the driver's own processor time per job.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

import numpy as np
import numpy.typing as npt
import torch

from evonet.job import Job, Outcome, Rejected
from evonet.workers import Evaluate, Workers, WorkersSettings, make_workers
from evonet.workers.inside import make_evaluate

FACTORY = "workers:convolutions"  # this file, as a worker imports it
IMAGES = np.random.default_rng(1).random((128, 8, 14, 14)).astype(np.float32)


def convolutions(images: npt.NDArray[np.float32]) -> Evaluate:
    """An evaluation of `job.steps` steps of a small convolution, forward and backward."""
    batch = torch.from_numpy(images.copy())

    def evaluate(job: Job) -> Outcome:
        weights = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(job.seed), requires_grad=True)
        for _ in range(job.steps):
            loss = torch.conv2d(batch, weights, padding=1).relu().mean()
            (gradient,) = torch.autograd.grad(loss, [weights])
            weights = (weights - 0.1 * gradient).detach().requires_grad_()
        return Rejected(decision=job.decision, reason=f"{weights.sum().item():.9g}")

    return evaluate


def jobs(number: int, *, steps: int) -> list[Job]:
    common = {"rung": 0, "genome": b"", "ids": (), "steps": steps, "key": ""}
    return [Job(decision=n, individual=n, seed=n, **common) for n in range(number)]


def steps_for(seconds: float) -> int:
    """Steps of one job that last about `seconds` on this machine."""
    evaluate, trial = make_evaluate(FACTORY, (IMAGES,), threads=1), 20
    for job in jobs(2, steps=trial):  # the first one warms up
        started = time.perf_counter()
        evaluate(job)
    return max(1, round(trial * seconds / (time.perf_counter() - started)))


class Bare:
    """Processes without Ray: each has its share of the jobs beforehand and waits for a line to begin."""

    def __init__(self, workers: int, *, number: int, steps: int, rounds: int) -> None:
        command = [sys.executable, __file__, "--bare", str(steps), str(rounds)]
        shares = [len(range(n, number, workers)) for n in range(workers)]
        self.processes = [
            subprocess.Popen([*command, str(share)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for share in shares
        ]
        self._all_answer()

    def seconds(self) -> float:
        started = time.perf_counter()
        for process in self.processes:
            print(file=process.stdin, flush=True)
        self._all_answer()
        return time.perf_counter() - started

    def close(self) -> None:
        for process in self.processes:
            process.communicate()

    def _all_answer(self) -> None:
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n", "a bare process failed"


def bare(steps: int, rounds: int, share: int) -> None:
    evaluate = make_evaluate(FACTORY, (IMAGES,), threads=1)
    evaluate(jobs(1, steps=3)[0])
    print("done", flush=True)
    for _ in range(rounds):
        sys.stdin.readline()
        for job in jobs(share, steps=steps):
            evaluate(job)
        print("done", flush=True)


def through(workers: Workers, work: list[Job]) -> tuple[float, float]:
    """Wall seconds, and processor seconds of this process, until every job has its outcome."""
    wall, cpu = time.perf_counter(), time.process_time()
    waiting, running = work[::-1], 0
    while waiting or running:
        while waiting and running < workers.slots:
            workers.submit(waiting.pop())
            running += 1
        running -= workers.collect(1.0) is not None
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(*, workers: int, number: int, rounds: int, seconds: float) -> None:
    steps = steps_for(seconds)
    plain = Bare(workers, number=number, steps=steps, rounds=rounds)
    plains, rays, drivers = [], [], []
    with make_workers(WorkersSettings(count=workers), FACTORY, (IMAGES,)) as pool:
        through(pool, jobs(workers, steps=3))
        for _ in range(rounds):
            plains.append(60 * number / plain.seconds())
            wall, cpu = through(pool, jobs(number, steps=steps))
            rays.append(60 * number / wall)
            drivers.append(1000 * cpu / number)
    plain.close()
    print(
        f"{workers} workers, {number} jobs of {steps} steps (about {seconds:g} s), {rounds} rounds, "
        f"torch {torch.__version__}"
    )
    for name, rates in (("bare processes", plains), ("Ray workers", rays)):
        print(f"{name:15} {median(rates):8.1f} evaluations/min   ({min(rates):.1f} to {max(rates):.1f})")
    print(f"{'ratio':15} {median(r / p for r, p in zip(rays, plains, strict=True)):8.3f}")
    print(f"{'driver':15} {median(drivers):8.2f} ms of processor time per job")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--bare", type=int, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        bare(*args.bare)
    else:
        compare(workers=args.workers, number=args.jobs, rounds=args.rounds, seconds=args.seconds)


if __name__ == "__main__":
    main()
