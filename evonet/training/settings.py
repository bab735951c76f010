"""How a network is trained. Budgets are counted in steps; seconds decide nothing."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [training] of a run configuration."""

    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: Annotated[float, Meta(gt=0, le=10)] = 0.01
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.0
    momentum: Share = 0.9  # sgd only
    batch: Annotated[int, Meta(ge=1, le=65536)] = 64
    schedule: Literal["trapezoid", "cosine", "constant"] = "trapezoid"
    warmup: Share = 0.05  # share of the steps with a rising rate
    decay: Share = 0.3  # share of the steps, the last ones, in which `trapezoid` falls to zero
    inherited_rate: Share = 1.0  # inherited slots learn at this share of the rate
    shift: Annotated[int, Meta(ge=0, le=16)] = 0  # random translation of each training image, whole pixels
    rotation: Annotated[float, Meta(ge=0, le=180)] = 0.0  # random rotation of each training image, degrees
    scaling: Annotated[float, Meta(ge=0, le=0.9)] = 0.0  # random change of its size, share
    augment_until: Share = 0.85  # share of the steps after which images stay as they are
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # decay of the mean of weights that is compressed
    clip: Annotated[float, Meta(ge=0)] = 1.0  # largest norm of the gradient, 0 = no limit
    # torch.compile while finishing; needs a C++ compiler and 5 to 15 s a network. On a CPU plain convolutions take
    # 0.94 of the time (16 channels, 14x14), separable and scattered motifs 2.3 times as much: measure first.
    compile: bool = False


class SaccadeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [saccades]: how genomes with a saccade gene are trained to look; all others are trained as without it.

    The loss is the cross-entropy of the answers plus the weighted terms of `evonet.training.looking`. A term of weight
    0 is not computed. By default the task alone teaches where to look.
    """

    # How a choice of cells gets a gradient in the first 80 % of the training (evonet.network.estimators). In the rest,
    # and in genomes to which the estimator does not apply (sets that look at two classes at each fixation, say), it is
    # `weighted` that trains.
    # - `weighted`, for all: cells are chosen and averaged as in evaluation. Where a set looks at one cell, in all or at
    #   a time, its weight is 1 whatever its logit and teaches nothing: there it is the score function.
    # - `sampled`, for sets without fixations: as many cells are drawn as there are in the budgets; unbiased.
    # - `straight_through`, for grids (form = "conv"): all classes in all cells; for the choice of kernels.
    # - `reinforce`, for sets with fixations and one class, under route = "budget" or one cell a fixation: the score
    #   function of the scan path; the cells of a fixation weigh the same.
    estimator: Literal["weighted", "sampled", "straight_through", "reinforce"] = "weighted"
    # Scale of the Gumbel noise on logits; 1 draws from their softmax. Under `weighted` it fades in the first third, and
    # on clutter:256 every noise cost accuracy (docs/results/saccades.md): try it where a glance keeps looking away.
    # The score function cannot learn without a draw: its noise does not fade, and where 0 is set here it is 1
    # (`evonet.training.picks.SCORED_NOISE`). `sampled` always draws from the softmax.
    noise: Annotated[float, Meta(ge=0, le=10)] = 0.0
    # Whether the labels' gradient reaches the glance. If not, whatever trains with answers (the cross-entropy of clean
    # and corrupted images, `consistency`) takes glance and query as they are, no score function is used, and `cost`,
    # `map`, `entropy` and `location` alone teach where to look. The first two alone make all images' maps the same.
    taught: bool = True
    corrupted: Annotated[float, Meta(ge=0, le=10)] = 0.0  # weight of the cross-entropy, nats, of a corrupted view (a)
    consistency: Annotated[float, Meta(ge=0, le=100)] = 0.0  # of KL(clean || corrupted answers), nats (b)
    map: Annotated[float, Meta(ge=0, le=100)] = 0.0  # of the divergence of clean and corrupted maps, nats per cell (c)
    cost: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # of (MACs / all - rho)^2 and of the bounds; DynConv takes 10
    # In sets with route = "threshold" the task teaches which cells are better than others, not how many are looked at
    # (weights are relative): the level of their logits is taught by `cost` or `location` alone.
    # Of the MACs of the dearest class with a budget in every cell, the share that cost aims at. Bounds aim at the share
    # of the cells that each class with a budget then gets, the same for all: rho x dearest / sum of their MACs a cell.
    rho: Share = 0.25
    entropy: Annotated[float, Meta(ge=0, le=1)] = 0.0  # of the map's entropy, nats, as a reward; ATS takes 1e-4 to 1e-2
    # Of the cross-entropy, nats per cell, of map and object's box. Not with [training] shift, rotation or scaling: they
    # move images and not boxes.
    location: Annotated[float, Meta(ge=0, le=100)] = 0.0


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [budget]: what a candidate may cost. Over it: `Rejected` before anything is trained.

    The upper limits are those of the package format (`evonet.package.format.BUDGET`): what it refuses to hold would be
    trained in vain.
    """

    macs: Annotated[int, Meta(ge=1, le=2**34)] = 2_000_000  # multiply-adds per image
    weights: Annotated[int, Meta(ge=1, le=2**18)] = 20_000
    neurons: Annotated[int, Meta(ge=1, le=2**24)] = 200_000  # over all applications; they are small networks' time
    work: Annotated[int, Meta(ge=1)] = 10**15  # MACs x images x steps of one evaluation
