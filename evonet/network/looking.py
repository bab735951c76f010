"""Where a network looked, and who says where it looks next."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from evonet.network.choosing import Choice, choose, weights


@dataclass(frozen=True)
class Question:
    """What a choice of cells is made from, for `images` of a batch that still look."""

    logits: Tensor  # (images, classes, cells): how good class 1, 2, ... would be; none is 0, no budget -inf
    taken: Tensor | None  # (images, cells) bool: looked at before
    time: int  # number of the fixation
    images: Tensor  # (images,) int64: which of the batch
    budgets: tuple[int, ...]  # cells per class
    threshold: bool  # only cells with a logit above 0
    grid: tuple[int, int]


@dataclass(frozen=True)
class Picked:
    """The cells chosen, and what each counts for in the weighted mean, or in a grid.

    In a set weights sum to one per image; in a grid they say nothing.
    """

    choice: Choice  # `image` counts within `Question.images`
    weight: Tensor  # (looks,)


Pick = Callable[[Question], Picked]


def greedy(question: Question) -> Picked:
    """The best cells, weighted by the softmax of their logits: how networks are scored."""
    choice = choose(question.logits, question.budgets, threshold=question.threshold, taken=question.taken)
    return Picked(choice, choice.log_weight.exp())


@dataclass(frozen=True)
class Looked:
    """Where a batch of images was looked at: all looks together, by fixation, then by class, then by image."""

    image: Tensor  # (looks,) int64, index in the batch
    cell: Tensor  # (looks, 2) int64: row and column in the grid
    kind: Tensor  # (looks,) int64: class 1, 2, ...
    time: Tensor  # (looks,) int64: number of the fixation; 0 without fixations
    weight: Tensor  # (looks,): in the weighted mean, summing to one per image and fixation; of a grid it says nothing
    # (batch, classes, rows, columns): logits of the first glance; none is 0, a class without a budget -inf. Without a
    # glance zeros.
    scores: Tensor
    answers: Tensor  # (batch, fixations or 1, classes): logits after each; an image that halted keeps its last
    fixations: Tensor  # (batch,) int64: how many it took; 0 without

    def held(self, *, weights: bool = True) -> Pick:
        """Picks the same cells again, with the same weights; or with those that the glance now gives them."""
        return Held(self, weights)

    def detached(self) -> "Looked":
        """Without what gradients would need."""
        return Looked(**{field.name: getattr(self, field.name).detach() for field in fields(self)})


@dataclass(frozen=True)
class Held:
    """The cells of an earlier look, and with `weights` what they counted for; else the softmax of their new logits."""

    looked: Looked
    weights: bool = True

    def __call__(self, question: Question) -> Picked:
        """Of the images asked for. As many have to be asked for as looked then."""
        looked = self.looked
        place = torch.full((len(looked.scores),), -1, device=looked.image.device)
        place[question.images] = torch.arange(len(question.images), device=place.device)
        at = ((looked.time == question.time) & (place[looked.image] >= 0)).nonzero()[:, 0]
        cell = looked.cell[at, 0] * question.grid[1] + looked.cell[at, 1]
        choice = Choice(place[looked.image[at]], cell, looked.kind[at], torch.zeros_like(looked.weight[at]))
        return Picked(choice, looked.weight[at] if self.weights else weights(choice, question.logits))
