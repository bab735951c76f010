"""What a glance is rewarded for beside the task: looking at little, looking the same when the image is corrupted.

Loss terms, each a scalar to be weighted and added (`entropy` is a reward, to be subtracted), and the phases of a
training. `logits` are the glance's, (B, K, cells), of classes 1..K; none (class 0) has the logit 0. All terms are
finite, with finite gradients, for any logits but NaN.

Zeros and consistency alone are satisfied by a map that is the same for every image: without a gradient of the task (or
of `location`) the glance collapses to it, see tests/training/test_glance_rewards.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, log, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.network.choosing import finite
from evonet.network.estimators import annealed_temperature

ALL_CELLS = 0.1  # share of the training with every class at every cell
TIGHT = 1 / 3  # share after which the bounds are the targets, and no choice is noisy
QUIET = 0.8  # share after which classes are no more drawn, and the location loss has gone


@dataclass(frozen=True)
class Phase:
    """How to train at one moment; see `phase`."""

    every: bool  # all classes are computed at all cells (dense masked), so that kernels learn before the choice does
    tightness: float  # of `bounds`, in [0, 1]
    drawn: bool  # whether estimators draw; after that, everything is chosen as in evaluation
    noise: float  # what the noise of a weighted choice is multiplied by, in [0, 1]; at 0 it is the choice of evaluation
    temperature: float  # of `estimators.straight_through`, in [0.1, 5]
    location: float  # what the weight of `location` is multiplied by, in [0, 1]


def phase(share: float) -> Phase:
    """The phase after `share` in [0, 1] of the training.

    Straight through, all cells for 10 %; bounds tighten until 33 % (sin^2 of a quarter turn), and noise fades meanwhile
    (cos^2); draws and the fading location loss end at 80 %, so that the last fifth trains what is evaluated. The form
    of the bounds is of Verelst & Tuytelaars 2020, DynConv; in their code they go from the target to [0, 1].
    """
    return Phase(
        every=share < ALL_CELLS,
        tightness=1 - _quarter(share / TIGHT),
        drawn=share < QUIET,
        noise=_quarter(share / TIGHT),
        temperature=annealed_temperature(share / QUIET),
        location=_quarter(share / QUIET),
    )


def class_probabilities(logits: Tensor) -> Tensor:
    """(B, K + 1, cells): of none and the classes, in this order; they sum to one in each cell."""
    return _log_classes(logits).exp()


def cost(looks: Tensor, prices: Sequence[float], *, fixed: float, full: float, target: float) -> Tensor:
    """(C / full - target)^2 >= 0, with C = fixed + mean over images of sum over cells and classes of looks x price.

    The reward for zeros, weighted by what a look costs: a budget for the whole network, as in DynConv.

    Args:
        looks: (B, K, cells) in [0, 1], probabilities of classes 1..K or what `estimators.straight_through` chose.
        prices: MACs of one cell of each class.
        fixed: MACs of all that is computed for every image, the glance above all.
        full: MACs that count as 1; > 0.
        target: in [0, 1], rho.

    Raises:
        ValueError: another number of prices than classes, or full not above 0.
    """
    if len(prices) != looks.shape[1] or not full > 0:
        raise ValueError(f"{len(prices)} prices and full = {full}, expected {looks.shape[1]} and a number above 0")
    share = torch.tensor([price / full for price in prices], dtype=looks.dtype, device=looks.device)
    spent = looks.sum(2).mean(0) @ share + fixed / full
    return (spent - target).square()


def bounds(looks: Tensor, targets: Sequence[float], tightness: float) -> Tensor:
    """Mean over classes of the squared distance of the share of its cells from [low, high]; in [0, 1].

    low = tightness x target and high = 1 - tightness x (1 - target): anything goes at tightness 0, the target alone at
    1. Against gates that are all on or all off (DynConv). looks: (B, K, cells) in [0, 1]; targets: share of all cells
    per class, in [0, 1].

    Raises:
        ValueError: another number of targets than classes.
    """
    if len(targets) != looks.shape[1]:
        raise ValueError(f"{len(targets)} targets, expected one for each of {looks.shape[1]} classes")
    target = torch.tensor(targets, dtype=looks.dtype, device=looks.device)
    share = looks.mean((0, 2))
    above, below = share - (1 - tightness * (1 - target)), tightness * target - share
    return (above.relu().square() + below.relu().square()).mean()


def answer_consistency(clean: Tensor, corrupted: Tensor) -> Tensor:
    """KL(p_clean || p_corrupted) >= 0 in nats, mean over images, of answers' logits (B, classes).

    Both get a gradient; detach `clean` where a corrupted view must not teach the clean one.
    """
    p, q = (finite(logits).log_softmax(1) for logits in (clean, corrupted))
    return F.kl_div(q, p, reduction="batchmean", log_target=True)


def map_consistency(clean: Tensor, corrupted: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the classes of a cell, mean over cells and images; in [0, ln 2] nats.

    Of the logits of two views of the same images. Cells are compared place by place, so for corruptions that move
    nothing.
    """
    p, q = _log_classes(clean), _log_classes(corrupted)
    middle = torch.logaddexp(p, q) - log(2)
    return 0.5 * (p.exp() * (p - middle) + q.exp() * (q - middle)).sum(1).mean()


def entropy(logits: Tensor) -> Tensor:
    """Of the softmax over classes and cells that `picks.Sampled` draws from: in [0, ln(K x cells)] nats.

    Mean over images. To be subtracted, times 1e-4..1e-2: against attention that degenerates to one cell (ATS).
    """
    log_a = finite(logits).flatten(1).log_softmax(1)
    return -(log_a.exp() * log_a).sum(1).mean()


def location(logits: Tensor, covered: Tensor) -> Tensor:
    """Binary cross-entropy >= 0 in nats, mean over cells and images, of "looked at, in any class" against the object.

    covered: (B, cells) in [0, 1], of `boxes.centred`. P(looked at) = 1 - P(none) = sigmoid(log sum exp logits).
    """
    return F.binary_cross_entropy_with_logits(finite(logits).logsumexp(1), covered.to(logits.dtype))


def _log_classes(logits: Tensor) -> Tensor:
    known = finite(logits)
    return torch.cat((torch.zeros_like(known[:, :1]), known), dim=1).log_softmax(1)


def _quarter(share: float) -> float:
    """From 1 at 0 to 0 at 1 and beyond: cos^2 of that share of a quarter turn."""
    return cos(pi / 2 * max(share, 0.0)) ** 2 if share < 1 else 0.0
