"""What a network is worth on a part of the data: loss in bits per label, and accuracy."""

from collections.abc import Iterable, Sequence
from math import log
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.network import Network
from evonet.training.corruptions import TRAINING, Corrupted
from evonet.training.images import Chunked

LN2 = log(2)
UNIFORM = 0.01  # share of the uniform distribution in the mixture: one sure mistake costs about 10 bits


def quality(
    network: Network, images: Chunked, *, weights: Sequence[Tensor] | None = None, chunk: int = 512
) -> tuple[float, float]:
    """Cross-entropy in bits per label, probabilities mixed with 1 % uniform; accuracy in [0, 1].

    Both are NaN if any logit is not finite: torch's argmax would take NaN for the greatest.
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    bits, hits, finite = (torch.full((), start, dtype=torch.float64, device=device) for start in (0.0, 0.0, 1.0))
    with torch.no_grad():
        for x, labels in images.chunks(chunk):
            logits = network(x.to(device), weights).double()
            labels = labels.to(device)
            finite *= torch.isfinite(logits).all()
            p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
            bits -= torch.log2((1 - UNIFORM) * p + UNIFORM / logits.shape[1]).sum()
            hits += (logits.argmax(1) == labels).sum()
    # Read once, at the end: on a GPU every reading waits for all that was asked of it.
    lost, right, sound = torch.stack([bits, hits, finite]).tolist()
    return (lost / len(images), right / len(images)) if sound else (float("nan"), float("nan"))


def robustness(
    network: Network, images: Chunked, families: Iterable[str] = TRAINING, *, weights: Sequence[Tensor] | None = None
) -> tuple[float, float]:
    """The mean loss and accuracy, as in `quality`, under each of `families`: what a score may see of robustness.

    Raises DataError: one of them is unknown. NaN if any logit is not finite.
    """
    found = [quality(network, Corrupted(images, name), weights=weights) for name in families]
    losses, accuracies = zip(*found, strict=True)
    return fmean(losses), fmean(accuracies)


def slopes(
    network: Network, images: Chunked, weights: Sequence[Tensor], *, chunk: int = 100
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradient of the mean cross-entropy (bits per label) with respect to `weights`, and a diagonal of its curvature.

    The curvature is the Fisher information as chunks tell it: the variance of their gradients times the images of one.
    """
    inputs = [w.detach().clone().requires_grad_() for w in weights]
    first, second = ([torch.zeros_like(w) for w in inputs] for _ in range(2))
    device, size = inputs[0].device, 0
    for x, labels in images.chunks(chunk):
        size = max(size, len(labels))  # large canvases come in smaller chunks than asked for
        loss = F.cross_entropy(network(x.to(device), inputs), labels.to(device))
        share = len(labels) / len(images)
        for mean, square, slope in zip(first, second, _slopes(loss, inputs), strict=True):
            mean += share * slope
            square += share * slope.square()
    bends = [size * (square - mean.square()).clamp(min=0) / LN2 for mean, square in zip(first, second, strict=True)]
    return [mean / LN2 for mean in first], bends


def _slopes(loss: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Zeros for weights of sheets that nothing reads."""
    return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
