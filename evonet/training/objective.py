"""What training minimises: the cross-entropy of the answers, and what a network that looks is to learn beside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet import seeds
from evonet.network import Network
from evonet.network.choosing import gumbel
from evonet.network.estimators import reinforce, straight_through
from evonet.network.looking import Looked, Pick
from evonet.network.saccade import with_none
from evonet.plan.types import Plan, SaccadePlan
from evonet.training.boxes import centred
from evonet.training.corruptions import mixed
from evonet.training.looking import (
    Phase,
    answer_consistency,
    bounds,
    class_probabilities,
    cost,
    entropy,
    location,
    map_consistency,
    phase,
)
from evonet.training.picks import SCORED_NOISE, Noisy, Sampled, Scored
from evonet.training.settings import SaccadeSettings

Weights = Sequence[Tensor]


class Objective:
    """The loss of a network with a saccade gene, step by step."""

    def __init__(self, network: Network, settings: SaccadeSettings, *, steps: int, seed: int) -> None:
        """`steps`: of the whole training, over which phases go. Raises ValueError: the network looks everywhere."""
        if network.plan.saccade is None:
            raise ValueError("the network looks everywhere, expected a saccade gene in its genome")
        self.network, self.settings, self.steps, self.seed = network, settings, steps, seed
        self.at: SaccadePlan = network.plan.saccade
        self._choosing = _choosing(network.plan)

    @property
    def wants_boxes(self) -> bool:
        return self.settings.location > 0 and bool(self.at.glance)

    def __call__(
        self, x: Tensor, labels: Tensor, weights: Weights, step: int, boxes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(cross-entropy, all that is minimised), both in nats.

        `x`: (batch, channels, height, width); `labels`: (batch,); `boxes`: (batch, 4) y0, x0, y1, x1 of the objects,
        where they are known. With fixations the cross-entropy is the mean of those after each of them.
        """
        now = phase(step / self.steps)
        pick = self.pick(step, now)
        looked = self._look(x, weights, step, now, pick)
        each = _each(looked, labels)
        task = each.mean()
        scores = self._scores(x, weights, looked)
        total = task + self._robust(x, labels, weights, step, now, looked, scores)
        if self.at.glance:
            total = total + self._glance(scores, now, boxes)
        if isinstance(pick, Scored):
            total = total + self._score_function(pick, each.detach())
        return task, total

    def pick(self, step: int, now: Phase) -> Pick | None:
        """How cells are chosen at this step; None: as they are when the network is scored.

        `SaccadeSettings.estimator` says which applies where; elsewhere, and for the last fifth, `weighted` does.
        """
        key = seeds.key(self.seed, "looks", step)
        if not now.drawn or not self.at.glance:
            return None
        if self._by_score_function:
            return Scored(key, self.settings.noise or SCORED_NOISE)
        if self._sampled:
            return Sampled(key)
        scale = self.settings.noise * now.noise
        return Noisy(key, scale) if scale else None

    def _look(self, x: Tensor, weights: Weights, step: int, now: Phase, pick: Pick | None) -> Looked:
        """Straight through, every class is computed in every cell, which `pick` and budgets then have no part in."""
        if not self.settings.taught:
            weights = [w.detach() if k in self._choosing else w for k, w in enumerate(weights)]
        saccade = self.network.saccade
        if saccade is None or not (self._everywhere and now.drawn):
            return self.network.look(x, weights, pick=pick, halt=False)[1]

        def one_hot(scores: Tensor) -> Tensor:
            logits = with_none(scores)
            if now.every:  # kernels learn before the choice does: each cell any class with a budget, but not none
                known = [-torch.inf, *(0.0 if n else -torch.inf for n in self.at.budgets)]
                logits = logits.new_tensor(known)[:, None].expand_as(logits)
            key = seeds.key(self.seed, "classes", step)
            noise = self.settings.noise * gumbel(logits.shape, key, logits.device) if self.settings.noise else None
            return straight_through(logits, noise, now.temperature)

        return saccade.mixed(x, weights, one_hot)

    def _scores(self, x: Tensor, weights: Weights, looked: Looked) -> Tensor:
        """(batch, classes, cells): of the glance at `x`, with the gradient that the task may be kept from."""
        if self.settings.taught or self.network.saccade is None:
            return looked.scores.flatten(2)
        return self.network.saccade.glance(x, weights)[0]

    @property
    def _everywhere(self) -> bool:
        chosen = self.settings.estimator == "straight_through"
        return chosen and self.at.form == "conv" and bool(self.at.glance)

    @property
    def _sampled(self) -> bool:
        return self.settings.estimator == "sampled" and self.at.form == "set" and not self.at.fixations

    @property
    def _by_score_function(self) -> bool:
        """Asked for, or all there is: the weight of an only look is one, whatever its logit, and teaches nothing.

        Where every image has the same number of looks, all of one class, so that the draw has a probability; and where
        labels may teach it.
        """
        if self.at.form != "set" or self._sampled or not self.settings.taught:
            return False
        only = sum(self.at.budgets) == 1
        countable = sum(n > 0 for n in self.at.budgets) == 1 and self.at.route == "budget"
        return only or (self.settings.estimator == "reinforce" and self.at.fixations > 0 and countable)

    def _robust(
        self, x: Tensor, labels: Tensor, weights: Weights, step: int, now: Phase, looked: Looked, scores: Tensor
    ) -> Tensor | float:
        """The same answer, and the same map, for corrupted views of the same images."""
        s = self.settings
        if not (s.corrupted or s.consistency or s.map):
            return 0.0
        view = mixed(x, seeds.key(self.seed, "corrupted", step))
        other = self._look(view, weights, step, now, self.pick(step, now))
        total = s.corrupted * _each(other, labels).mean()
        total = total + s.consistency * answer_consistency(looked.answers[:, -1], other.answers[:, -1])
        if s.map and self.at.glance:
            total = total + s.map * map_consistency(scores, self._scores(view, weights, other))
        return total

    def _glance(self, scores: Tensor, now: Phase, boxes: Tensor | None) -> Tensor | float:
        s = self.settings
        total: Tensor | float = 0.0
        if s.cost:
            total = total + s.cost * self._cost(class_probabilities(scores)[:, 1:], now)
        if s.entropy:
            total = total - s.entropy * entropy(scores)
        if s.location and boxes is not None:
            at = centred(boxes.to(scores.device), self.at.grid, self.at.cell)
            total = total + s.location * now.location * location(scores, at)
        return total

    def _cost(self, looks: Tensor, now: Phase) -> Tensor:
        """The reward for zeros: of the MACs of the dearest class in every cell, the share `rho`.

        All classes that have a budget aim at the same share t of the cells, such that both terms are 0 at once: t is
        the share at which they cost rho together, t x (sum of prices) = rho x (the dearest price). So t <= rho.
        """
        known = [k for k, n in enumerate(self.at.budgets) if n]
        prices = [float(self.at.eyes[k].costs.macs) for k in known]
        rho, dearest = self.settings.rho, max(prices)
        if not dearest:  # an eye of identities: there is nothing to save
            return looks.new_zeros(())
        targets = [rho * dearest / sum(prices)] * len(prices)
        looks = torch.stack([looks[:, k] for k in known], dim=1)
        full = dearest * self.at.cells
        return cost(looks, prices, fixed=0.0, full=full, target=rho) + bounds(looks, targets, now.tightness)

    def _score_function(self, pick: Scored, each: Tensor) -> Tensor:
        """Williams 1992, over whole scan paths: what a fixation brought is the fall of the loss from it on.

        The baseline of an image is the mean over the others of the batch: it depends on no draw of its own, so the
        estimate stays unbiased without a network that learns it.
        """
        reward = -each  # (batch, fixations)
        later = reward.flip(1).cumsum(1).flip(1) / reward.shape[1]
        others = (later.sum(0, keepdim=True) - later) / max(1, len(later) - 1)
        return reinforce(torch.stack(pick.kept, dim=1), later, others)[0]


def _each(looked: Looked, labels: Tensor) -> Tensor:
    """(batch, fixations or 1): the cross-entropy after every fixation, in nats."""
    answers = looked.answers
    rows = F.cross_entropy(answers.flatten(0, 1), labels.repeat_interleave(answers.shape[1]), reduction="none")
    return rows.view(answers.shape[:2])


def _choosing(plan: Plan) -> frozenset[int]:
    """The tensors that say where to look: of the glance and of the query."""
    if plan.saccade is None:
        return frozenset()
    queries = () if plan.saccade.query is None else (plan.saccade.query,)
    sheets = [plan.sheets[k] for k in (*plan.saccade.glance, *queries)]
    stages = [stage for sheet in sheets for branch in sheet.incoming for stage in branch.stages]
    found = [stage.weight for stage in stages] + [sheet.bias for sheet in sheets]
    return frozenset(k for k in found if k is not None)
