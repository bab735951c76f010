"""Saccade networks in this benchmark: the one seam to `evonet`'s core. Same weights, same budget, other selectors.

A model is named saccade:GENOME.toml:SELECTOR, or ...:learned@box where the glance is also told where the digit is.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from canvas import Batch, Task
from controls import SCORES, ranked
from ladder import CLASSES, Classifier, middle
from macs import Counts
from torch import Tensor

from evonet.genome import Genome
from evonet.genome.text import load
from evonet.network import Network, build, initialise
from evonet.network.choosing import choose
from evonet.network.looking import Looked, Pick, Picked, Question
from evonet.plan import expand

SELECTORS = ("learned", "learned@box", *SCORES)


class Saccade(Classifier):
    """A network of a genome; its cells are its own glance's, or those of a control at the same budget."""

    def __init__(self, network: Network, selector: str) -> None:
        super().__init__()
        at = network.plan.saccade
        assert at is not None
        self.network, self.at, self.selector = network, at, selector
        # Looks of one class without memory have shapes that do not depend on what is seen.
        self.capturable = at.classes == 1 and not at.fixations and at.route != "threshold"

    def forward(self, images: Tensor, boxes: Tensor | None = None) -> Tensor:
        return self._looked(images, boxes, halt=True)[0]

    def loss(self, batch: Batch) -> Tensor:
        """Of the task, through the weights of the chosen cells; @box: and of the cell with the middle of the box."""
        logits, looked = self._looked(batch.images, batch.boxes, halt=False)
        loss = F.cross_entropy(logits, batch.labels)
        if self.selector != "learned@box":
            return loss
        where = looked.scores.logsumexp(1)
        return loss + F.cross_entropy(where.flatten(1), middle(batch, rows=where.shape[1], columns=where.shape[2]))

    def counts(self) -> Counts:
        """The plan's own: glance, halo and every fixation included."""
        costs = self.network.plan.costs
        return Counts(costs.macs, costs.weights, len(self.network.plan.stages), costs.neurons)

    def _looked(self, images: Tensor, boxes: Tensor | None, *, halt: bool) -> tuple[Tensor, Looked]:
        if self.selector.startswith("learned"):
            return self.network.look(images, halt=halt)
        if boxes is None:
            raise ValueError(f"selector {self.selector!r} came without boxes, expected (B, 4)")
        scores = ranked(SCORES[self.selector](images, boxes, self.at.cell))
        return self.network.look(images, pick=controlled(scores), halt=halt)


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
    return Saccade(network, selector)


def saccade_of(name: str, task: Task, seed: int) -> Saccade:
    """`saccade:GENOME.toml:SELECTOR`, as jobs name it. Raises ValueError where it is not of that form."""
    parts = name.split(":")
    if len(parts) != 3:
        raise ValueError(f"model {name!r}, expected saccade:GENOME.toml:SELECTOR")
    return saccade(load(Path(parts[1])), parts[2], side=task.side, seed=seed)
