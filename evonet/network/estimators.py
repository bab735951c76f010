"""Estimators of the gradient of a discrete choice: where to look, and with which kernel.

| estimator | chooses | computes | unbiased |
|---|---|---|---|
| `evonet.training.picks.Sampled` | cells, drawn independently | the drawn blocks | for linear losses |
| `straight_through` | a class for every cell | all classes of all cells | no |
| `reinforce` with `evonet.training.picks.Scored` | the cells of a scan path | the blocks looked at | yes |

*Weighted top-k* (`choosing.choose` and `choosing.weights`, the features of the chosen cells averaged by the softmax of
their logits) has an exact gradient of what it computes, but is no estimate of the expectation: cells that are not
chosen get no gradient at all, and the softmax over the chosen is not that over all.

For a loss that is not linear in the pooled features Phi, sampling follows dL/dPhi at the drawn Phi instead of at its
mean. Both the value and the gradient are then off by O(1 / draws), from the variance of Phi. The tests measure it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.network.choosing import finite


def straight_through(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    """A class for every cell: one-hot (B, K + 1, cells), with the gradient of softmax((logits + noise) / temperature).

    logits: (B, K + 1, cells), class 0 (none) included; noise: Gumbel noise of that shape, or None for the most probable
    class. Equal ones give the lower class. Biased, low variance, and needs every class at every cell, that is the dense
    masked path (Jang et al. 2017, "Categorical reparameterization with Gumbel-softmax", section 2.2).

    Raises:
        ValueError: a temperature that is not above 0, or noise of another shape.
    """
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature}, expected a number above 0")
    if noise is not None and noise.shape != logits.shape:
        raise ValueError(f"noise of shape {tuple(noise.shape)}, expected that of the logits, {tuple(logits.shape)}")
    noisy = finite(logits) if noise is None else finite(logits) + noise
    soft = (noisy / temperature).softmax(1)
    hard = torch.zeros_like(soft).scatter(1, noisy.argmax(1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def annealed_temperature(share: float, *, first: float = 5.0, last: float = 0.1) -> float:
    """Of `straight_through` after `share` in [0, 1] of the training: exponential from `first` to `last`.

    Han et al. 2022, LASNet ("Latency-aware spatial-wise dynamic networks"), 5 to 0.1.
    """
    return float(first * (last / first) ** min(max(share, 0.0), 1.0))


def reinforce(log_probability: Tensor, reward: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    """(policy loss, baseline loss) of T fixations: their gradients estimate that of -E[reward], and fit the baseline.

    log_probability (B, T) of the fixations made; reward (B,) of the whole sequence, or (B, T) what came after each;
    baseline (B, T): the reward that was expected before each fixation was drawn. The policy loss is a mean over images
    of sums over fixations, the other one a mean over both (Williams 1992; Mnih et al. 2014, RAM). Unbiased as long as
    the baseline of a fixation depends on nothing that comes after it, the fixation itself included.

    Reward and advantage are detached: through the policy loss only the log-probabilities get a gradient, through the
    other one only the baseline. Compute the baseline from a detached state, and train what answers by its own loss.

    Raises:
        ValueError: shapes that do not agree.
    """
    whole = reward.shape == log_probability.shape[:1]
    if log_probability.shape != baseline.shape or not (whole or reward.shape == baseline.shape):
        raise ValueError(
            f"log_probability, reward and baseline of shapes {tuple(log_probability.shape)}, {tuple(reward.shape)} and "
            f"{tuple(baseline.shape)}, expected (B, T), (B,) or (B, T), and (B, T)"
        )
    came = reward.detach()[:, None].expand_as(baseline) if whole else reward.detach()
    advantage = came - baseline.detach()
    return -(log_probability * advantage).sum(1).mean(), F.mse_loss(baseline, came)


def inverted(log_a: Tensor, uniforms: Tensor) -> Tensor:
    """(B, draws) flat indices of (class, cell): the first whose cumulative probability is above the uniform."""
    total = log_a.double().exp().cumsum(1)
    marks = uniforms.to(total) * total[:, -1:]
    # A uniform just below 1 may round up to the total; the last index that has a probability is then meant.
    last = (total < total[:, -1:]).sum(1, keepdim=True)
    return torch.minimum(torch.searchsorted(total, marks, right=True), last)
