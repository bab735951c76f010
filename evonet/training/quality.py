"""What a network is worth on a part of the data: loss in bits per label, and accuracy."""

from collections.abc import Sequence

import torch
from torch import Tensor

from evonet.network import Network
from evonet.training.batches import Images

UNIFORM = 0.01  # share of the uniform distribution in the mixture: one sure mistake costs about 10 bits


def quality(
    network: Network, images: Images, *, weights: Sequence[Tensor] | None = None, chunk: int = 512
) -> tuple[float, float]:
    """Cross-entropy in bits per label, probabilities mixed with 1 % uniform; accuracy in [0, 1].

    Both are NaN if any logit is not finite: torch's argmax would take NaN for the greatest.
    """
    bits = hits = 0.0
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    with torch.no_grad():
        for x, labels in images.chunks(chunk):
            logits = network(x.to(device), weights).double()
            labels = labels.to(device)
            if not bool(torch.isfinite(logits).all()):
                return float("nan"), float("nan")
            p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
            bits -= float(torch.log2((1 - UNIFORM) * p + UNIFORM / logits.shape[1]).sum())
            hits += float((logits.argmax(1) == labels).sum())
    return bits / len(images), hits / len(images)
