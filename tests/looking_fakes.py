"""A network that looks, in forty lines: the interface of `evonet.network` without genome, plan or training.

It looks at the cells with the most ink and reads each with a halo, by class 2 where the ink is above the mean of the
looks. Set form: the weighted mean of features goes to the logits. With fixations, one cell at a time, the answer the
running mean.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class FakeLooked:
    image: Tensor
    cell: Tensor
    kind: Tensor
    time: Tensor
    weight: Tensor
    scores: Tensor
    answers: Tensor
    fixations: Tensor


class FakeLooker:
    """Images (B, channels, side, side); budget cells per image; `leak`: the answer also sees the whole image."""

    def __init__(self, *, side=24, cell=8, halo=2, budget=3, fixations=0, classes=4, channels=1, leak=False, seed=0):
        g = -(-side // cell)
        saccade = SimpleNamespace(cell=cell, grid=(g, g), classes=2, form="set", fixations=fixations)
        self.plan = SimpleNamespace(
            saccade=saccade,
            input=(channels, side, side),
            classes=classes,
            costs=SimpleNamespace(macs=12_345),
        )
        self.cell, self.halo, self.budget, self.leak = cell, halo, budget, leak
        patch = channels * (cell + 2 * halo) ** 2
        generator = torch.Generator().manual_seed(seed)
        self.eye = torch.randn(2, patch, 16, generator=generator) / patch**0.5
        self.head = 3 * torch.randn(16, classes, generator=generator)

    def __call__(self, x):
        return self.look(x)[0]

    def look(self, x):
        g = self.plan.saccade.grid[0]
        ink = F.avg_pool2d(F.pad(x.mean(1, keepdim=True), (0, g * self.cell - x.shape[3]) * 2), self.cell)
        best = ink.flatten(1).topk(self.budget).indices
        image = torch.arange(len(x)).repeat_interleave(self.budget)
        cell = torch.stack([best.flatten() // g, best.flatten() % g], 1)
        score = ink.flatten(1).gather(1, best)
        kind = (score > score.mean(1, keepdim=True)).long().flatten() + 1
        turns = torch.arange(self.budget).repeat(len(x))
        order = torch.argsort(kind, stable=True)  # ascending within a class
        looked = FakeLooked(
            image=image[order],
            cell=cell[order],
            kind=kind[order],
            time=(turns if self.plan.saccade.fixations else 0 * turns)[order],
            weight=(10 * score).softmax(1).flatten()[order],
            scores=ink.expand(-1, 2, -1, -1),
            answers=torch.zeros(len(x), 1, self.plan.classes),
            fixations=torch.full((len(x),), self.budget if self.plan.saccade.fixations else 0),
        )
        answers = self._answers(x, looked)
        looked = FakeLooked(**{**looked.__dict__, "answers": answers})
        return answers[:, -1], looked

    def answer(self, x, looked):
        return self._answers(x, looked)[:, -1]

    def windows(self, looked):
        start = looked.cell * self.cell - self.halo
        return torch.cat([start, start + self.cell + 2 * self.halo], 1)

    def _answers(self, x, looked):
        """(B, T, classes): after looks 1..T by weight where there are fixations, else after all."""
        padded = F.pad(x, (self.halo, self.cell + self.halo) * 2)
        side = self.cell + 2 * self.halo
        blocks = padded.unfold(2, side, 1).unfold(3, side, 1)
        row, column = (looked.cell * self.cell).unbind(1)
        patches = blocks[looked.image, :, row, column].flatten(1)
        features = torch.einsum("np,npf->nf", patches, self.eye[looked.kind - 1]).relu()
        turns = range(self.budget) if self.plan.saccade.fixations else (0,)
        answers = []
        for turn in turns:
            weight = torch.where(looked.time <= turn, looked.weight, 0.0)[:, None]
            mean = torch.zeros(len(x), 16).index_add(0, looked.image, weight * features)
            mean = mean / torch.zeros(len(x), 1).index_add(0, looked.image, weight)
            answers.append(mean @ self.head + (x.mean((1, 2, 3))[:, None] if self.leak else 0))
        return torch.stack(answers, 1)


def canvases(count, *, side=24, digit=9, seed=0):
    """Images (count, 1, side, side) of noise: a square, the object, and specks; labels, and the objects' boxes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.zeros(count, 1, side, side)
    specks = torch.randint(0, side - 4, (count, 3, 2), generator=generator)
    corner = torch.randint(0, side - digit + 1, (count, 2), generator=generator)
    for i in range(count):
        for y, z in specks[i].tolist():
            x[i, 0, y : y + 4, z : z + 4] = torch.rand(4, 4, generator=generator)
        y, z = corner[i].tolist()
        x[i, 0, y : y + digit, z : z + digit] = 0.5 + 0.5 * torch.rand(digit, digit, generator=generator)
    labels = torch.randint(0, 4, (count,), generator=generator)
    return x, labels, torch.cat([corner, corner + digit], 1)
