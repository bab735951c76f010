"""One training: fresh canvases, AdamW, one cosine. On CUDA the whole step, batch included, is one captured graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from math import pi
from typing import Any, NamedTuple

import torch
from canvas import Numbered
from torch import Tensor, nn

WARMUP = 0.05  # share of the steps over which the learning rate rises
WEIGHT_DECAY = 0.01
EAGER = 5  # steps before the capture: cuDNN tries its algorithms, the optimiser makes its state


class Moment(NamedTuple):
    """Where a training is, for losses that change on the way. In a captured graph it stays what it was."""

    step: int
    steps: int


class Training:
    """`advance` it until it is done. Steps are counted on the device, so nothing ever waits for the host."""

    def __init__(self, model: nn.Module, canvases: Numbered, *, steps: int, batch: int, lr: float, device: str) -> None:
        self.model, self.canvases, self.steps, self.batch, self.lr = model.to(device), canvases, steps, batch, lr
        cuda = device.startswith("cuda")
        self.capture = cuda and bool(model.capturable)
        self.stream = torch.cuda.Stream() if cuda else None
        self.number = torch.zeros((), dtype=torch.int64, device=device)
        self.rate = torch.zeros((), device=device)
        self.offsets = torch.arange(batch, device=device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.rate, weight_decay=WEIGHT_DECAY, fused=True, capturable=cuda
        )
        self.done = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.refused = ""  # why the step could not be captured
        if cuda:
            torch.cuda.synchronize()  # what was copied on another stream is there before this one reads it

    def lane(self) -> Any:
        """The stream of this training as a context: others beside it overlap on the device."""
        return torch.cuda.stream(self.stream) if self.stream else nullcontext()

    def advance(self, steps: int) -> bool:
        """At most `steps` more; whether all are done."""
        self.model.train()
        with self.lane():
            for _ in range(min(steps, self.steps - self.done)):
                if self.graph is None and self.capture and self.done >= EAGER:
                    self._capture()
                if self.graph is None:
                    self._step()
                else:
                    self.graph.replay()
                self.done += 1
        return self.done >= self.steps

    def _capture(self) -> None:
        """Nothing is computed here, so where it fails training goes on step by step; `refused` says why."""
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)  # so that the graph owns the gradients' memory
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self._step()
        except RuntimeError as error:
            self.capture, self.refused = False, str(error).splitlines()[0]
            print(f"the step cannot be captured, training goes on without: {self.refused}", file=sys.stderr, flush=True)
        else:
            self.graph = graph

    def _step(self) -> None:
        batch = self.canvases.at(self.number * self.batch + self.offsets)
        self.rate.copy_(self._rate())
        self.optimizer.zero_grad(set_to_none=True)
        self.model.loss(batch, Moment(self.done, self.steps)).backward()  # type: ignore[operator]
        self.optimizer.step()
        self.number += 1

    def _rate(self) -> Tensor:
        rising = (self.number + 1) / (WARMUP * self.steps + 1)
        return self.lr * rising.clamp(max=1) * 0.5 * (1 + torch.cos(pi * self.number / self.steps))


def measure(model: nn.Module, canvases: Numbered, count: int, *, chunk: int, device: str) -> dict[str, float]:
    """The mean of what the model misses over canvases 0 to count - 1, name by name."""
    model.eval()
    sums: dict[str, Tensor] = {}
    with torch.no_grad():
        for index in _chunks(count, chunk, device):
            for name, missed in model.misses(canvases.at(index)).items():  # type: ignore[operator]
                sums[name] = sums.get(name, torch.zeros((), device=device)) + missed.sum()
    return {name: float(total) / count for name, total in sums.items()}


def chunk_of(side: int, device: str) -> int:
    """Canvases at a time: about 32 MB of pixels on CUDA, 2 MB on a CPU."""
    pixels = 2**23 if device.startswith("cuda") else 2**19
    return max(1, min(1000, pixels // side**2))


def _chunks(count: int, size: int, device: str) -> Iterator[Tensor]:
    for start in range(0, count, size):
        yield torch.arange(start, min(start + size, count), device=device)
