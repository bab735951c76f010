"""Images in chunks and batches, as tensors: stored ones, and canvases that are composed when they are asked for."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from evonet.training.canvases import Scene, boxes, canvases
from evonet.training.clutter import Canvas

AT_ONCE = 2**22  # pixels of canvases in a chunk: 4 of 1024x1024, 419 of 100x100


class Chunked(Protocol):
    """Images that can be gone through in chunks: all that measuring needs."""

    def __len__(self) -> int: ...

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (at most `size`, channels, height, width) in [0, 1] with their labels; all once, in order."""
        ...


class Images:
    """A part of a data set as tensors: `images` stay uint8 and become float32 in [0, 1] batch by batch."""

    def __init__(self, images: Tensor, labels: Tensor, *, scale: float) -> None:
        """`images`: (n, channels, height, width) uint8; `labels`: (n,); `scale`: the pixel value that means 1.0."""
        # The stride of a dimension of size 1 is free, arrays from another process have another one, and torch picks its
        # convolution by it: one layout for all, or the bits would depend on where the images came from.
        self.images, self.labels, self.scale = images.reshape(-1).reshape(images.shape), labels.long(), scale

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, n: int) -> "Images":
        """At most n images, evenly spaced: sorted data sets give every class its share."""
        n = min(n, len(self))
        return self.take(torch.arange(n) * len(self) // n)

    def take(self, index: Tensor) -> "Images":
        return Images(self.images[index], self.labels[index], scale=self.scale)

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in order."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.images[part].float() / self.scale, self.labels[part]

    def batch(self, index: Tensor, key: int) -> tuple[Tensor, Tensor]:
        """The images of `index` for the training step that `key` names: stored ones are the same in all steps."""
        del key
        return self.images[index].float() / self.scale, self.labels[index]

    def boxes(self, index: Tensor, key: int) -> Tensor | None:
        """Where the objects of `batch` are, (n, 4): y0, x0, y1, x1. None: of these images that is not known."""
        del index, key
        return None


class Canvases(Images):
    """Canvases of one split, composed when they are asked for: the digits are all that is stored.

    Measured (`chunks`), canvas i is the same for ever. Trained on (`batch`), canvases are fresh in every step.
    """

    def __init__(
        self,
        digits: Tensor,
        labels: Tensor,
        *,
        scale: float,
        canvas: Canvas,
        key: int,
        numbers: Tensor | None = None,
        clutter: int | None = None,
    ) -> None:
        """`digits`: (n, 1, 28, 28) uint8, all of the split; `numbers`: which canvases these are, None: all n.

        `key`: names the fixed canvases; `clutter`: another key for their clutter, `key` if None.
        """
        self.digits, self.canvas, self.key, self.clutter = digits, canvas, key, clutter
        self.numbers = torch.arange(len(digits), device=digits.device) if numbers is None else numbers
        self._labels, self.labels, self.scale = labels.long(), labels[self.numbers].long(), scale

    def take(self, index: Tensor) -> "Canvases":
        return self._with(self.numbers[index.to(self.numbers.device)], self.clutter)

    def among(self, clutter: int) -> "Canvases":
        """The same digits in the same places, among other clutter: that which the key `clutter` names."""
        return self._with(self.numbers, clutter)

    def _with(self, numbers: Tensor, clutter: int | None) -> "Canvases":
        return Canvases(
            self.digits,
            self._labels,
            scale=self.scale,
            canvas=self.canvas,
            key=self.key,
            numbers=numbers,
            clutter=clutter,
        )

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Fewer than `size` at a time where the canvases are large."""
        for scene in self.scenes(size):
            yield scene.images.float() / self.scale, scene.labels

    def scenes(self, size: int) -> Iterator[Scene]:
        """The same as bytes, with boxes."""
        size = min(size, max(1, AT_ONCE // self.canvas.side**2))
        for start in range(0, len(self), size):
            numbers = self.numbers[start : start + size]
            yield self._scene(numbers, self.key, numbers, self.clutter)

    def fixed_boxes(self) -> Tensor:
        """(n, 4) int64: y0, x0, y1, x1 of the digits' ink, y1 and x1 not included."""
        return boxes(self.digits, self.numbers, canvas=self.canvas, key=self.key, numbers=self.numbers)

    def batch(self, index: Tensor, key: int) -> tuple[Tensor, Tensor]:
        scene = self.fresh(index, key)
        return scene.images.float() / self.scale, scene.labels

    def boxes(self, index: Tensor, key: int) -> Tensor:
        chosen, places = self._placed(index)
        return boxes(self.digits, chosen, canvas=self.canvas, key=key, numbers=places)

    def fresh(self, index: Tensor, key: int) -> Scene:
        """A canvas for each digit of `index`: a function of the digit, its place in `index` and `key`."""
        chosen, places = self._placed(index)
        return self._scene(chosen, key, places, None)

    def _placed(self, index: Tensor) -> tuple[Tensor, Tensor]:
        chosen = self.numbers[index.to(self.numbers.device)]
        return chosen, torch.arange(len(chosen), device=chosen.device)

    def _scene(self, chosen: Tensor, key: int, numbers: Tensor, clutter: int | None) -> Scene:
        return canvases(
            self.digits, self._labels, chosen, canvas=self.canvas, key=key, numbers=numbers, clutter=clutter
        )
