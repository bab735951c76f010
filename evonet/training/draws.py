"""Random draws as tensors, on any device: counter-based, a draw depends on its counter and its seed alone.

The words are those of `evonet.training.words.mix`, bit for bit, in torch's only wide integers: int64 that wrap around.
So what is drawn for an item of a batch is the same whatever else is in the batch, on every machine and device. Floats
are made of words by exact operations and tables only: a library's `log` or `cos` may round otherwise in the middle of
an array than at its end.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Tensor

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_HALF = 0xFFFF_FFFF
LEVELS = 2**16  # of a pixel's draw


def words(counter: Tensor, seed: Tensor | int) -> Tensor:
    """Uniform 64-bit words (int64, of the broadcast shape of both) for int64 `counter` under `seed`."""
    z = (counter + 1) * _signed(_STEP) + (seed if isinstance(seed, Tensor) else _signed(seed))
    z = (z ^ _shifted(z, 30)).mul_(_signed(_FIRST))
    z = (z ^ _shifted(z, 27)).mul_(_signed(_SECOND))
    return z ^ _shifted(z, 31)


def high(word: Tensor, n: Tensor | int) -> Tensor:
    """A uniform integer in [0, n) of the upper 32 bits, n <= 2**31; the bias is below n / 2**32."""
    return (_shifted(word, 32) * n) >> 32


def low(word: Tensor, n: Tensor | int) -> Tensor:
    """A uniform integer in [0, n) of the lower 32 bits: independent of `high`."""
    return ((word & _HALF) * n) >> 32


def unit(word: Tensor) -> Tensor:
    """A uniform float32 in [0, 1), a multiple of 2**-24, of the upper bits."""
    return _shifted(word, 40).to(torch.float32) * 2.0**-24


def pixels(seeds: Tensor, shape: tuple[int, ...], *, stream: int = 0) -> Tensor:
    """Uniform integers in [0, 65536), int32 (len(seeds), *shape): one for every pixel of every image.

    `stream` tells apart the draws of one image.
    """
    count = torch.Size(shape).numel()
    counter = torch.arange(-(-count // 4), device=seeds.device)
    found = words(counter, words(torch.full_like(seeds, stream), seeds)[:, None])
    # Four draws a word; int16 is all that torch can look at words as, so the sign is taken off again.
    quarters = found.contiguous().view(torch.int16)[:, :count].to(torch.int32) & (LEVELS - 1)
    return quarters.reshape(len(seeds), *shape)


def normals(seeds: Tensor, shape: tuple[int, ...], *, stream: int = 0) -> Tensor:
    """Standard normal float32 (len(seeds), *shape), by inversion: the 65,536 quantiles, none beyond 4.33."""
    return _quantiles(str(seeds.device))[pixels(seeds, shape, stream=stream)]


@lru_cache(maxsize=4)
def _quantiles(device: str) -> Tensor:
    normal = NormalDist()
    upper = [normal.inv_cdf((k + 0.5) / LEVELS) for k in range(LEVELS // 2, LEVELS)]
    return torch.tensor([-v for v in reversed(upper)] + upper, dtype=torch.float32, device=device)


def _signed(word: int) -> int:
    """A 64-bit word as the int64 with its bits."""
    return ((word + 2**63) % 2**64) - 2**63


def _shifted(word: Tensor, by: int) -> Tensor:
    """A logical shift to the right: torch's copies the sign."""
    return (word >> by) & ((1 << (64 - by)) - 1)
