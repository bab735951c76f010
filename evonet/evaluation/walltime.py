"""How long a forward pass takes on this machine: recorded beside what the cost table predicts, decides nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from evonet.network import Network
from evonet.training.images import Chunked

BATCH = 64
PASSES = 7  # timed, after one that is not


class WallTimes(NamedTuple):
    """Milliseconds per image on one thread of the processor, the median of some passes."""

    single: float  # one image at a time
    batched: float  # of a batch of BATCH, or of all images there are


def wall_times(network: Network, images: Chunked) -> WallTimes:
    """Of a network on the CPU. How far it looks depends on the image, so every pass of one image takes another one."""
    x = _first(images, BATCH).cpu()
    with one_thread(), torch.no_grad():
        return WallTimes(_median_ms(network, [x[i : i + 1] for i in range(len(x))]), _median_ms(network, [x]) / len(x))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _first(images: Chunked, count: int) -> Tensor:
    """Large canvases come in smaller chunks than asked for."""
    parts = list[Tensor]()
    for x, _ in images.chunks(count):
        parts.append(x)
        if sum(map(len, parts)) >= count:
            break
    return torch.cat(parts)[:count]


def _median_ms(network: Network, batches: Sequence[Tensor]) -> float:
    network(batches[0])
    return median(_ms(network, batches[i % len(batches)]) for i in range(1, PASSES + 1))


def _ms(network: Network, x: Tensor) -> float:
    started = time.perf_counter()
    network(x)
    return 1000 * (time.perf_counter() - started)
