"""How cells are picked while a glance learns: with noise, and so that the choice has a gradient."""

import torch
from torch import Tensor

from evonet import seeds
from evonet.network.choosing import Choice, choose, finite, gumbel, uniform, weights
from evonet.network.estimators import inverted
from evonet.network.looking import Picked, Question

SCORED_NOISE = 1.0  # scale for `Scored` where the settings' noise is 0: a draw from the softmax of the logits


class Noisy:
    """The best cells under Gumbel noise, weighted as evaluation weights them: by the softmax of their logits."""

    def __init__(self, key: int, scale: float) -> None:
        """`key`: of the step; `scale` 0 picks what evaluation picks."""
        self.key, self.scale = key, scale

    def choice(self, question: Question) -> Choice:
        return choose(
            question.logits,
            question.budgets,
            threshold=question.threshold,
            noise=_noise(question, self.key, self.scale),
            taken=question.taken,
        )

    def __call__(self, question: Question) -> Picked:
        choice = self.choice(question)
        return Picked(choice, weights(choice, question.logits))


class Sampled:
    """As many independent draws as there are cells in the budgets, each with equal weight: ATS.

    `evonet.network.estimators.sampled` with `leave_one_out` as weights: the mean over the draws is an unbiased estimate
    of the mean by the softmax over all cells, and so is its gradient. A cell may be drawn twice, and is then computed
    twice.
    """

    def __init__(self, key: int) -> None:
        self.key = key

    def __call__(self, question: Question) -> Picked:
        logits, draws = question.logits, sum(question.budgets)
        open_ = logits.new_tensor([0.0 if n else -torch.inf for n in question.budgets])[:, None]
        known = finite(logits) + open_
        if question.taken is not None:
            known = known.masked_fill(question.taken[:, None], -torch.inf)
        log_a = known.flatten(1).log_softmax(1)
        marks = uniform((len(logits), draws), seeds.key(self.key, question.time), logits.device)
        drawn = inverted(log_a.detach(), marks)
        learn = log_a.gather(1, drawn)
        learn = learn - learn.detach()
        if draws > 1:  # what the other draws have in common adds no variance
            learn = (learn * draws - learn.sum(1, keepdim=True)) / (draws - 1)
        cells = logits.shape[2]
        image = torch.arange(len(logits), device=logits.device)[:, None].expand_as(drawn)
        weight = (1 + learn) / draws
        choice = Choice(image.flatten(), (drawn % cells).flatten(), (drawn // cells + 1).flatten(), weight.flatten())
        return Picked(choice, weight.flatten())


class Scored:
    """Cells under noise with equal weights, whose log-probability is kept for a score function.

    Cells are drawn one after another without replacement (Gumbel top-k), so that the log-probability of the draw, in
    its order, is a sum of log-softmaxes over what was left each time (Plackett 1975). For budgets of one class.
    """

    def __init__(self, key: int, scale: float) -> None:
        """`key`: of the step; `scale` of the noise, > 0: the draw is from the softmax of the logits / scale."""
        self.noisy = Noisy(key, scale)
        self.scale = scale
        self.kept: list[Tensor] = []  # log-probabilities of every fixation, (images,)

    def __call__(self, question: Question) -> Picked:
        choice = self.noisy.choice(question)
        ones = torch.ones_like(choice.log_weight.detach())
        counted = ones.new_zeros(len(question.logits)).index_add(0, choice.image, ones)
        self.kept.append(self._log_probability(choice, question))
        return Picked(choice, 1 / counted[choice.image])

    def _log_probability(self, choice: Choice, question: Question) -> Tensor:
        """Of images without a threshold; each class's looks lie image by image, the first drawn first."""
        total = question.logits.new_zeros(len(question.logits))
        taken = question.taken
        taken = torch.zeros_like(question.logits[:, 0], dtype=torch.bool) if taken is None else taken
        start = 0
        for k, n in enumerate(question.budgets):
            cells = choice.cell[start : start + n * len(total)].view(len(total), n)
            start += n * len(total)
            for place in range(n):
                known = finite(question.logits[:, k]).masked_fill(taken, -torch.inf) / self.scale
                total = total + known.log_softmax(1).gather(1, cells[:, place : place + 1])[:, 0]
                taken = taken.scatter(1, cells[:, place : place + 1], True)
        return total


def _noise(question: Question, key: int, scale: float) -> Tensor | None:
    if not scale:
        return None
    logits = question.logits
    return scale * gumbel(logits.shape, seeds.key(key, question.time), logits.device)
