"""The gradient of a training step as one CUDA graph.

A small network's step is some two hundred kernels of a few microseconds each: launched one by one, they take longer to
launch than to run. A graph is launched whole.
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: Images (batch, channels, height, width) and labels (batch,) to (loss, gradient of all that is minimised).
Slope = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
WARM = 3  # calls before the capture, in which libraries choose their kernels and allocate what they need
FEWEST = 20  # steps for which a capture pays


class Captured:
    """`slope` for batches of one shape. What else it reads is read where it lay at the capture, as it is then."""

    def __init__(self, slope: Slope, x: Tensor, labels: Tensor) -> None:
        self._slope, self._x, self._labels = slope, x.clone(), labels.clone()  # with `slope`, all that it reads is kept
        # Streams are the current device's: on another than the tensors' they would capture nothing, and a graph of
        # nothing leaves the first gradient for ever.
        with torch.cuda.device(x.device):
            self._capture(torch.cuda.Stream())  # type: ignore[no-untyped-call]

    def _capture(self, aside: torch.cuda.Stream) -> None:
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM):
                self._slope(self._x, self._labels)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=aside):
            self._loss, self._gradient = self._slope(self._x, self._labels)

    def __call__(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient is overwritten by the next call."""
        self._x.copy_(x)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._loss.clone(), self._gradient
