"""Factories for worker processes in tests. A job's genome says in words how its evaluation behaves."""

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from evonet.errors import DataError
from evonet.job import Diverged, Job, Measures, Outcome, Rejected, Scored
from evonet.workers import Evaluate


def no_data() -> Evaluate:
    raise DataError("data/none.npz: no such file, expected images and labels. Fetch it.")


def broken() -> Evaluate:
    raise TypeError("no factory at all")


def spoils(images: npt.NDArray[np.float32]) -> Evaluate:
    images[0] = 0.0
    raise AssertionError("the shared data could be overwritten")


def candidates(images: npt.NDArray[np.float32], folder: str) -> Evaluate:
    """An evaluation that trains, or fails in the way that the genome names. `folder` remembers who died once."""
    import torch

    features = torch.from_numpy(images.copy())

    def train(job: Job) -> Outcome:
        generator = torch.Generator().manual_seed(job.seed)
        weights = torch.randn(features.shape[1], 8, generator=generator, requires_grad=True)
        for _ in range(job.steps):
            loss = torch.tanh(features @ weights).square().mean() - weights.std()
            (gradient,) = torch.autograd.grad(loss, [weights])
            weights = (weights - 0.1 * gradient).detach().requires_grad_()
        return scored(job, weights.detach().numpy().tobytes())

    return _failing(train, folder)


def light(images: npt.NDArray[np.float32], folder: str) -> Evaluate:
    """The same without torch, whose import would be most of what tests of faults wait for."""

    def train(job: Job) -> Outcome:
        weights = np.random.default_rng(job.seed).normal(size=(images.shape[1], 8))
        return scored(job, np.tanh(images @ weights).mean(axis=0).tobytes())

    return _failing(train, folder)


def _failing(train: Evaluate, folder: str) -> Evaluate:
    def evaluate(job: Job) -> Outcome:
        how = job.genome.decode()
        if how == "raise":
            raise ZeroDivisionError("a bug in the evaluation")
        if how == "exhaust":
            raise MemoryError("no room")
        if how == "diverge":
            return Diverged(decision=job.decision, step=41, reason="loss is nan")
        if how == "reject":
            return Rejected(decision=job.decision, reason="too large")
        if how == "mistake":
            return Rejected(decision=job.decision + 1, reason="another job's")
        if how.startswith("slow"):
            time.sleep(float(how[4:] or 0.2))
        if how == "hang":
            _hang()
        if how == "die" or (how == "die once" and _first_time(Path(folder) / str(job.decision))):
            os.kill(os.getpid(), signal.SIGKILL)
        return train(job)

    return evaluate


def scored(job: Job, package: bytes) -> Scored:
    """A plain outcome that carries `package`."""
    measures = Measures(
        bytes=len(package), loss=1.0, accuracy=0.5, weights=8, nonzero=8, macs=8, connections=8,
        sheets=1, taps=1, long_share=0.0, seen=job.steps, train_images=32,
    )  # fmt: skip
    return Scored(decision=job.decision, measures=measures, package=package, shadow=b"", rounds=())


def _hang() -> None:
    while True:
        time.sleep(1)


def _first_time(marker: Path) -> bool:
    if marker.exists():
        return False
    marker.touch()
    return True


def leaves() -> Evaluate:
    os._exit(7)


def with_a_broken_gpu(broken: str, images: npt.NDArray[np.float32], folder: str) -> Evaluate:
    """As `candidates`, on GPUs that do not exist; the one that CUDA_VISIBLE_DEVICES calls `broken` reports errors."""

    def synchronize() -> None:
        if os.environ["CUDA_VISIBLE_DEVICES"] == broken:
            raise RuntimeError("device-side assert triggered")

    torch = SimpleNamespace(cuda=SimpleNamespace(synchronize=synchronize), set_num_threads=lambda _: None)
    sys.modules["torch"] = torch  # type: ignore[assignment]
    return light(images, folder)
