"""Estimators of the gradient of a discrete choice: where to look, and with which kernel.

| function | chooses | computes | unbiased |
|---|---|---|---|
| `sampled` | cells, drawn independently | the drawn blocks | yes, if the loss is linear in the pooled features |
| `sampled_without_replacement` | cells, drawn one after the other | the drawn blocks | likewise |
| `straight_through` | a class for every cell | all classes of all cells | no |
| `reinforce` | one cell per fixation | the fixated blocks | yes, for any reward |

*Weighted top-k* (`choosing.choose` and `choosing.weights`, the features of the chosen cells averaged by the softmax of
their logits) has an exact gradient of what it computes, but is no estimate of the expectation: cells that are not
chosen get no gradient at all, and the softmax over the chosen is not that over all.

For a loss that is not linear in the pooled features Phi, `sampled` follows dL/dPhi at the drawn Phi instead of at its
mean. Both the value and the gradient are then off by O(1 / draws), from the variance of Phi. The tests measure it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.network.choosing import finite

FeaturesAt = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(image, cell, kind), each (N,) int64, to features (N, F); kind in 1..K as in `choosing.Choice`."""


def sampled(
    logits: Tensor, features_at: FeaturesAt, draws: int, uniforms: Tensor, *, leave_one_out: bool = False
) -> Tensor:
    """An unbiased estimate (B, F) of sum_q a_q f_q, a = softmax of logits (B, K, cells) over all classes and cells.

    `draws` of (class, cell) per image are independent draws from a; the result is the mean of their features, and only
    those are computed. Its gradient is 1 / draws for each drawn f_q, and dL/da_q = <dL/dPhi, f_q> / (draws a_q)
    (Katharopoulos & Fleuret 2019, "Processing megapixel images with deep attention-sampling models", ATS).

    Args:
        uniforms: (B, draws), in [0, 1), as `choosing.uniform` makes them; looked up in the cumulative a, in the order
            (class, cell).
        leave_one_out: in the gradient of the logits, subtract from each drawn f_q the mean of the other draws. It does
            not depend on q, so it changes no expectation, and what all features have in common adds no variance any
            more (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"). Needs at least 2 draws.

    Raises:
        ValueError: draws below 1 (2 with leave_one_out), or uniforms of another shape.
    """
    least = 2 if leave_one_out else 1
    if draws < least:
        raise ValueError(f"draws = {draws}, expected at least {least}")
    if uniforms.shape != (len(logits), draws):
        raise ValueError(f"uniforms of shape {tuple(uniforms.shape)}, expected {(len(logits), draws)} (images, draws)")
    log_a = finite(logits).flatten(1).log_softmax(1)
    drawn = inverted(log_a.detach(), uniforms)
    f = _features(features_at, drawn, logits.shape[2])
    told = f.detach()
    if leave_one_out:
        told = (told * draws - told.sum(1, keepdim=True)) / (draws - 1)
    return (f + told * _stand_in(log_a.gather(1, drawn))[:, :, None]).mean(1)


def sampled_without_replacement(logits: Tensor, features_at: FeaturesAt, draws: int, noise: Tensor) -> Tensor:
    """As `sampled`, but no (class, cell) is drawn twice: all draws but the last count exactly, the last for the rest.

    Phi = sum over the first draws - 1 of a_q f_q  +  (mass of the rest) x f of the last, which was drawn from the rest.
    Given the first draws, the second term is an unbiased estimate of the rest of the sum, whatever they are: so is Phi
    of the whole, and its gradient. With as many draws as (class, cell) pairs it is exact. The variance is less than
    that of `sampled` where few pairs hold most of the mass, and more where all are alike. In the logits' gradient, the
    mean of the first draws is subtracted from all features: it does not depend on the last, and what features have in
    common moves no logit, since a sums to 1 whatever they are.
    (Sum-and-sample: Liu et al. 2019, "Rao-Blackwellized stochastic gradients for discrete distributions"; Kool et al.
    2020, "Estimating gradients for discrete random variables by sampling without replacement".)

    Args:
        noise: Gumbel noise, shaped as `logits` (B, K, cells); the draws are the largest of logits + noise, in order.

    Raises:
        ValueError: draws out of 1..K x cells, or noise of another shape.
    """
    pairs = logits.shape[1] * logits.shape[2]
    if not 1 <= draws <= pairs:
        raise ValueError(f"draws = {draws}, expected 1..{pairs}, the number of classes x cells")
    if noise.shape != logits.shape:
        raise ValueError(f"noise of shape {tuple(noise.shape)}, expected that of the logits, {tuple(logits.shape)}")
    log_a = finite(logits).flatten(1).log_softmax(1)
    drawn = (log_a.detach() + noise.flatten(1)).sort(dim=1, descending=True, stable=True).indices[:, :draws]
    f = _features(features_at, drawn, logits.shape[2])
    log_drawn = log_a.gather(1, drawn)
    # Added up over what is left, not 1 minus what is gone: that could round to less than nothing.
    rest = log_a.detach().exp().scatter(1, drawn[:, :-1], 0.0).sum(1, keepdim=True)
    share = torch.cat((log_drawn[:, :-1].exp(), rest * (1 + _stand_in(log_drawn[:, -1:]))), dim=1)[:, :, None]
    common = _mean(f[:, :-1].detach(), share[:, :-1].detach())
    return (share.detach() * f + (f.detach() - common) * _stand_in(share)).sum(1)


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


def fixate(logits: Tensor, noise: Tensor | None = None, visited: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The next fixation of each image: (cell (B,) int64, its log-probability (B,)).

    Drawn from the softmax of logits (B, cells) over the cells not `visited` (B, cells) by Gumbel `noise` of that shape,
    or the most probable without. The cell carries no gradient, the log-probability does. Each image needs a cell that
    is not visited.
    """
    known = finite(logits)
    if visited is not None:
        known = known.masked_fill(visited, -torch.inf)
    log_p = known.log_softmax(1)
    with torch.no_grad():
        cell = (known if noise is None else known + noise).argmax(1)
    return cell, log_p.gather(1, cell[:, None])[:, 0]


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


def _stand_in(x: Tensor) -> Tensor:
    """Zero, with the gradient of x. With x = log a, f (1 + this) is f, with the gradient f da / a (DiCE, 2018)."""
    return x - x.detach()


def _mean(f: Tensor, share: Tensor) -> Tensor:
    """(B, 1, F), weighted mean of f (B, n, F) by shares (B, n, 1) >= 0; 0 where there is nothing."""
    total = share.sum(1, keepdim=True)
    return (share * f).sum(1, keepdim=True) / total.where(total > 0, 1)


def inverted(log_a: Tensor, uniforms: Tensor) -> Tensor:
    """(B, draws) flat indices of (class, cell): the first whose cumulative probability is above the uniform."""
    total = log_a.double().exp().cumsum(1)
    marks = uniforms.to(total) * total[:, -1:]
    # A uniform just below 1 may round up to the total; the last index that has a probability is then meant.
    last = (total < total[:, -1:]).sum(1, keepdim=True)
    return torch.minimum(torch.searchsorted(total, marks, right=True), last)


def _features(features_at: FeaturesAt, drawn: Tensor, cells: int) -> Tensor:
    """(B, draws, F) of flat (class, cell) indices (B, draws)."""
    image = torch.arange(len(drawn), device=drawn.device)[:, None].expand_as(drawn)
    pairs = drawn.flatten()
    kind = torch.div(pairs, cells, rounding_mode="floor") + 1
    f = features_at(image.flatten(), pairs % cells, kind)
    return f.reshape(*drawn.shape, f.shape[1])
