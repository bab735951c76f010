"""Corruptions of images by name: fifteen to test with, after MNIST-C, and other families to train with.

MNIST-C: Mu & Gilmer 2019, "MNIST-C: A robustness benchmark for computer vision", arXiv 1906.02337: fifteen corruptions
that people see through. These are our own after its descriptions and default strengths, one severity each, for images
of any side (see `lights`, `warps` and `strokes`), so figures compare within this program only. No score and no training
may see them: selection measures under TRAINING, which shares no family with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from evonet import seeds
from evonet.errors import DataError
from evonet.training import lights, strokes, warps
from evonet.training.draws import words
from evonet.training.images import Chunked

Corruption = Callable[[Tensor, Tensor], Tensor]  # (images (B, C, H, W) float32 in [0, 1], seeds (B,)) -> images

#: For testing alone, in the order of the paper.
TESTING: dict[str, Corruption] = {
    "shot_noise": lights.shot_noise,
    "impulse_noise": lights.impulse_noise,
    "glass_blur": warps.glass_blur,
    "motion_blur": warps.motion_blur,
    "shear": warps.shear,
    "scale": warps.scale,
    "rotate": warps.rotate,
    "brightness": lights.brightness,
    "translate": warps.translate,
    "stripe": strokes.stripe,
    "fog": lights.fog,
    "spatter": lights.spatter,
    "dotted_line": strokes.dotted_line,
    "zigzag": strokes.zigzag,
    "canny_edges": strokes.canny_edges,
}

#: For training, and for what selection sees of robustness. No pixel moves, so boxes and maps stay what they are.
TRAINING: dict[str, Corruption] = {
    "gaussian_noise": lights.gaussian_noise,
    "erasing": lights.erasing,
    "contrast": lights.contrast,
}

CORRUPTIONS = TESTING | TRAINING
KEY = seeds.key("corruptions", 1)  # of the corruptions that are measured


def corrupt(images: Tensor, name: str, key: int = KEY, numbers: Tensor | None = None) -> Tensor:
    """Images as `name` corrupts them: same shape, dtype, device and range.

    Args:
        images: (B, C, H, W), floating in [0, 1] or uint8 in 0..255.
        key: names the draws; training has one for each step.
        numbers: (B,) int64: an image's draws are a function of name, key and its number; None: 0, 1, ..., B - 1.

    Raises:
        DataError: there is no such corruption, or the images are of another dtype.
    """
    corruption = CORRUPTIONS[known(name)]
    if not (images.is_floating_point() or images.dtype == torch.uint8):
        raise DataError(f"corruption {name!r}: images of {images.dtype}, expected floating in [0, 1] or uint8.")
    numbers = torch.arange(len(images), device=images.device) if numbers is None else numbers.to(images.device)
    full = 255 if images.dtype == torch.uint8 else 1
    found = corruption(images.float() / full, words(numbers, seeds.key(key, name))).clamp(0, 1)
    return (found * full).round().to(torch.uint8) if full == 255 else found.to(images.dtype)


def mixed(images: Tensor, key: int) -> Tensor:
    """Each image under one of the training families, drawn for it by `key` and its place in the batch."""
    which = words(torch.arange(len(images)), seeds.key(key, "family")) % len(TRAINING)
    out = torch.empty_like(images)
    for k, name in enumerate(TRAINING):
        chosen = (which == k).nonzero()[:, 0].to(images.device)
        out[chosen] = corrupt(images[chosen], name, key, chosen)
    return out


def known(name: str) -> str:
    """`name`, if there is such a corruption. Raises DataError."""
    if name not in CORRUPTIONS:
        raise DataError(f"corruption {name!r} is unknown, expected one of {', '.join(CORRUPTIONS)}.")
    return name


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Corruptions as asked for, each once, in that order; "all" stands for those of TESTING.

    Raises DataError: one of them is unknown.
    """
    asked = [name for word in names for name in (TESTING if word == "all" else (known(word),))]
    return tuple(dict.fromkeys(asked))


class Corrupted:
    """Images as they are measured under one corruption: image i of a set is corrupted the same way for ever."""

    def __init__(self, images: Chunked, name: str, key: int = KEY) -> None:
        """Raises DataError: there is no such corruption."""
        self.images, self.name, self.key = images, known(name), key

    def __len__(self) -> int:
        return len(self.images)

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for x, labels in self.images.chunks(size):
            yield corrupt(x, self.name, self.key, torch.arange(start, start + len(x))), labels
            start += len(x)
