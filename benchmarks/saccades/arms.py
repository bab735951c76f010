"""Saccade networks in this benchmark: the one seam to `evonet`'s core. Same weights, same budget, other selectors.

A model is named saccade:GENOME.toml:SELECTOR. Selectors: learned (the best cells, weighted by the softmax of their
logits), learned-noisy (the same under fading Gumbel noise), learned-sampled (independent draws, unbiased, for 80 % of
the training), learned-scored (the score function, for fixations and single cells); and the controls. With @box the
glance is also told in which cell the digit's middle lies, by the loss and at the weight that a CNN@box gets: the
cross-entropy over the cells (`ladder.location_loss`) of each cell's log odds of being looked at, in any class, fading
to nothing (`ladder.location_weight`). It is not the library's own `[saccades] location`, a binary cross-entropy a cell.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from canvas import Batch
from controls import SCORES, ranked
from ladder import CLASSES, Classifier, location_loss, location_weight
from macs import Counts
from torch import Tensor
from training import Moment

from evonet import seeds
from evonet.genome import Genome
from evonet.genome.text import load
from evonet.network import Network, build, initialise
from evonet.network.choosing import choose
from evonet.network.looking import Pick, Picked, Question
from evonet.plan import expand
from evonet.training.clutter import Canvas
from evonet.training.looking import phase
from evonet.training.objective import Objective
from evonet.training.picks import Noisy, Sampled
from evonet.training.settings import SaccadeSettings

LEARNED = ("learned", "learned-noisy", "learned-sampled", "learned-scored")
SELECTORS = (*LEARNED, *(f"{name}@box" for name in LEARNED), *SCORES)


class Saccade(Classifier):
    """A network of a genome; its cells are its own glance's, or those of a control at the same budget."""

    def __init__(self, network: Network, selector: str, seed: int) -> None:
        super().__init__()
        at = network.plan.saccade
        assert at is not None
        self.network, self.at, self.seed = network, at, seed
        self.selector, _, located = selector.partition("@")
        self.located = bool(located)
        # Looks of one class without memory have shapes that do not depend on what is seen, unless cells reach beyond the
        # eye's last sheet; in `learned` and in controls nothing fades: neither noise nor the loss of the boxes.
        last = network.plan.sheets[at.depth - 1].shape[1:]
        whole = all(cells * at.steps[-1] == side for cells, side in zip(at.grid, last, strict=True))
        plain = at.classes == 1 and not at.fixations and at.route != "threshold" and whole
        self.capturable = plain and not located and self.selector not in LEARNED[1:]

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        return self.network.look(images, pick=self._control(images, boxes))[0]

    def loss(self, batch: Batch, at: Moment | None = None) -> Tensor:
        """Of the task; @box: and of the cell with the middle of the box, less and less."""
        if at and self.selector == "learned-scored":
            settings = SaccadeSettings(estimator="reinforce", noise=1.0)
            objective = Objective(self.network, settings, steps=at.steps, seed=self.seed)
            loss = objective(batch.images, batch.labels, self.network.weights, at.step)[1]
            return loss + self._box_loss(batch, at, None)
        pick = self._control(batch.images, batch.boxes) or self._noise(at)
        logits, looked = self.network.look(batch.images, pick=pick, halt=False)
        return F.cross_entropy(logits, batch.labels) + self._box_loss(batch, at, looked.scores)

    def _box_loss(self, batch: Batch, at: Moment | None, scores: Tensor | None) -> Tensor | float:
        """Of the glance's logits (B, classes, rows, columns); where they are not at hand, a glance is taken again."""
        if not (self.located and (weight := location_weight(at))):
            return 0.0
        if scores is None:
            assert self.network.saccade is not None
            scores = self.network.saccade.glance(batch.images, self.network.weights)[0].unflatten(2, self.at.grid)
        return weight * location_loss(scores.logsumexp(1), batch.boxes, self.at.cell)

    def counts(self) -> Counts:
        """The plan's own: glance, halo and every fixation included."""
        costs = self.network.plan.costs
        return Counts(costs.macs, costs.weights, len(self.network.plan.stages), costs.neurons)

    def _control(self, images: Tensor, boxes: Tensor | None) -> Pick | None:
        """None for a glance that chooses itself."""
        if self.selector in LEARNED:
            return None
        if boxes is None:
            raise ValueError(f"selector {self.selector!r} came without boxes, expected (B, 4)")
        rows, columns = self.at.grid  # of the cells that the eye can see whole; an image may have a margin beside them
        scores = SCORES[self.selector](images, boxes, self.at.cell)[:, :rows, :columns]
        return controlled(ranked(scores))

    def _noise(self, at: Moment | None) -> Pick | None:
        now = phase(at.step / at.steps) if at else phase(1.0)
        if at is None or not now.drawn or self.selector == "learned":
            return None
        key = seeds.key("saccades", "pick", self.seed, at.step)
        return Sampled(key) if self.selector == "learned-sampled" else Noisy(key, now.noise) if now.noise else None


def controlled(scores: Tensor) -> Pick:
    """Chooses by `scores` (B, cells) instead of the glance, by the core's own rule; all cells weigh the same."""

    def pick(question: Question) -> Picked:
        logits = scores[question.images, None].expand_as(question.logits)
        choice = choose(logits, question.budgets, threshold=False, taken=question.taken)
        weight = torch.full_like(choice.log_weight, len(question.images) / len(choice.image))
        return Picked(choice, weight)

    return pick


def saccade(genome: Genome, selector: str, *, side: int, seed: int) -> Saccade:
    """The network of `genome` for images of `side` pixels, drawn by `seed`, looking where `selector` says.

    Raises ValueError for an unknown selector or a genome without a saccade, GenomeError where it does not fit.
    """
    if selector not in SELECTORS:
        raise ValueError(f"selector {selector!r}, expected one of {', '.join(SELECTORS)}")
    if genome.saccade is None:
        raise ValueError("the genome has no saccade, expected one with [saccade]: others are rungs of the ladder")
    plan = expand(genome, input=(1, side, side), classes=CLASSES)
    network = build(plan)
    with torch.no_grad():
        for parameter, drawn in zip(network.weights, initialise(plan, seed), strict=True):
            parameter.copy_(drawn)
    return Saccade(network, selector, seed)


def saccade_of(name: str, task: Canvas, seed: int) -> Saccade:
    """`saccade:GENOME.toml:SELECTOR`, as jobs name it. Raises ValueError where it is not of that form."""
    parts = name.split(":")
    if len(parts) != 3:
        raise ValueError(f"model {name!r}, expected saccade:GENOME.toml:SELECTOR")
    return saccade(load(Path(parts[1])), parts[2], side=task.side, seed=seed)
