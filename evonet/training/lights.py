"""Corruptions of brightness: noise, light, fog and what covers pixels. For `evonet.training.corruptions`.

Each takes images (B, C, H, W) float32 in [0, 1] and a seed (B,) int64 for each, and gives images of that shape, whose
values the caller clamps. Lengths are pixels of a 28x28 digit, whatever the side of the image: a larger one has more of
the same. All operations are exact or elementwise, so an image comes out the same in any batch.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.training.draws import LEVELS, normals, pixels, unit, words

PHOTONS = 3  # of a white pixel
IMPULSES = 0.17  # share of the pixels
LIGHT = 0.5
FOG = 2.0  # how thick, in units of white
SPATTER = 0.25  # how light the mud is
DIGIT = 28


def shot_noise(x: Tensor, seeds: Tensor) -> Tensor:
    """Poisson counts with a mean of 3 in white. Counts above it are white, so three thresholds tell all there is."""
    level, drawn = (x * 255).round().long(), pixels(seeds, tuple(x.shape[1:]))
    table = _photon_table(str(x.device))
    counts = torch.zeros_like(x)
    for k in range(PHOTONS):
        counts += drawn >= table[k][level]
    return counts / PHOTONS


@lru_cache(maxsize=4)
def _photon_table(device: str) -> Tensor:
    """(PHOTONS, 256): the probability of at most k photons at each of 256 levels, in units of 2**-16."""
    means = [PHOTONS * level / 255 for level in range(256)]
    terms = [[exp(-m) * t for t in (1.0, m, m * m / 2)] for m in means]
    return torch.tensor([[round(LEVELS * sum(t[: k + 1])) for t in terms] for k in range(PHOTONS)], device=device)


def impulse_noise(x: Tensor, seeds: Tensor) -> Tensor:
    """Salt and pepper, half of each."""
    drawn, each = pixels(seeds, tuple(x.shape[1:])), round(IMPULSES / 2 * LEVELS)
    return torch.where(drawn < each, 1.0, torch.where(drawn < 2 * each, 0.0, x))


def brightness(x: Tensor, seeds: Tensor) -> Tensor:
    """Half of white added: the value of HSV, which for grey is the grey itself."""
    del seeds
    return x + LIGHT


def fog(x: Tensor, seeds: Tensor) -> Tensor:
    """Fractal noise in [0, 1], twice as thick as white, then all scaled back into [0, 1].

    Octaves of value noise, each half as high and half as wide as the one before, from 32 pixels down: the spectrum of
    the plasma of Hendrycks & Dietterich 2019, of features as large as a digit.
    """
    height, width = x.shape[2:]
    plasma = torch.zeros(len(x), height, width, device=x.device)
    for spacing in (32, 16, 8, 4, 2):  # one after the other: `sum` picks its order by the size of the batch
        plasma += spacing * _octave(seeds, height, width, spacing)
    least, most = plasma.amin((1, 2), keepdim=True), plasma.amax((1, 2), keepdim=True)
    return (x + FOG * ((plasma - least) / (most - least).clamp(min=1e-6))[:, None]) / (1 + FOG)


def _octave(seeds: Tensor, height: int, width: int, spacing: int) -> Tensor:
    """(B, height, width): bilinear between uniform draws `spacing` pixels apart."""
    shape = -(-height // spacing) + 1, -(-width // spacing) + 1
    lattice = pixels(seeds, shape, stream=spacing).float() / LEVELS
    rows, columns = (torch.arange(n, device=seeds.device) for n in (height, width))
    down, right = (rows % spacing).float()[:, None] / spacing, (columns % spacing).float() / spacing
    bands = lattice[:, rows // spacing] * (1 - down) + lattice[:, rows // spacing + 1] * down
    return bands[..., columns // spacing] * (1 - right) + bands[..., columns // spacing + 1] * right


def spatter(x: Tensor, seeds: Tensor) -> Tensor:
    """Specks of mud: smooth noise above its mean, smoothed again, and what is then thinner than 0.8 wiped off."""
    mud = blurred(normals(seeds, (1, *x.shape[2:])), 1.0) > 0
    thick = blurred(mud.float(), 1.5)
    cover = torch.where(thick < 0.8, 0.0, thick)
    return x * (1 - cover) + SPATTER * cover


def gaussian_noise(x: Tensor, seeds: Tensor) -> Tensor:
    """Added; the deviation is uniform in [0.1, 0.4], drawn for each image."""
    deviation = 0.1 + 0.3 * unit(words(torch.zeros_like(seeds), seeds))
    return x + deviation[:, None, None, None] * normals(seeds, tuple(x.shape[1:]), stream=1)


def erasing(x: Tensor, seeds: Tensor) -> Tensor:
    """Rectangles with sides of 4 to 14 pixels in one random grey, one for every 56x56 pixels (Zhong et al. 2020).

    There the rectangle grows with the image; here a digit in a large image meets what it would meet in a small one.
    """
    height, width = x.shape[2:]
    count = ceil(height * width / (2 * DIGIT) ** 2)
    u = unit(words(torch.arange(4 * count + 1, device=x.device), seeds[:, None]))
    places = u[:, 1:].reshape(len(x), count, 4)
    sides = (4 + places[..., :2] * 11).long()
    ends = torch.tensor([height, width], device=x.device)
    start = ((places[..., 2:] * (ends + sides)).long() - sides).clamp(min=0)  # as often across an edge as anywhere
    stop = torch.minimum(start + sides, ends)
    return torch.where(_covered(start, stop, height, width)[:, None], u[:, :1, None, None], x)


def _covered(start: Tensor, stop: Tensor, height: int, width: int) -> Tensor:
    """(B, height, width) bool: inside any of the rectangles (B, n, 2). Corners count +1 and -1, sums fill them in."""
    marks = torch.zeros(len(start), height + 1, width + 1, dtype=torch.int32, device=start.device)
    image = torch.arange(len(start), device=start.device)[:, None].expand(start.shape[:2])
    for y, x, sign in ((start, start, 1), (stop, stop, 1), (start, stop, -1), (stop, start, -1)):
        one = torch.full(image.shape, sign, dtype=torch.int32, device=start.device)
        marks.index_put_((image, y[..., 0], x[..., 1]), one, accumulate=True)
    return marks.cumsum(1).cumsum(2)[:, :height, :width] > 0


def contrast(x: Tensor, seeds: Tensor) -> Tensor:
    """Values drawn to the image's mean, to a share of their distance that is uniform in [0.3, 0.9]."""
    share = 0.3 + 0.6 * unit(words(torch.zeros_like(seeds), seeds))
    # Summed as integers: a float sum may depend on how many images lie beside.
    mean = (x * 65535).round().long().sum((1, 2, 3), keepdim=True) / (65535 * x[0].numel())
    return mean + share[:, None, None, None] * (x - mean)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) smoothed by a Gaussian of `sigma` pixels, cut at 4 sigma; edges repeat."""
    radius = int(4 * sigma + 0.5)
    bell = [exp(-(k * k) / (2 * sigma * sigma)) for k in range(-radius, radius + 1)]
    for dim in (2, 3):
        pad = (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0)
        wide, length = F.pad(x, pad, mode="replicate"), x.shape[dim]
        # Not conv2d: its kernels, and so its bits, depend on the batch.
        x = torch.zeros_like(x)
        for k, weight in enumerate(bell):
            x += weight / sum(bell) * wide.narrow(dim, k, length)
    return x
