"""The networks of `genomes/saccade-*.toml` in torch's own modules: whole images, loops over cells, nothing gathered.

Every class is computed everywhere by an ordinary padded convolution, and then of each image what its cells say is
taken. Parameters and their order are as in `genomes/twins.py`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Conv2d, Linear


class Look(NamedTuple):
    row: int  # of the cell
    column: int
    kind: int  # 0 for class 1
    weight: Tensor


class Glance(nn.Module):
    """Means of d x d pixels, 3x3 convolutions that halve them to the grid of cells, and logits."""

    def __init__(self, d: int, halvings: int, classes: int, side: int, channels: int = 8) -> None:
        """`side`: pixels that the grid covers."""
        super().__init__()
        sizes = [1, *[channels] * halvings]
        self.d, self.side = d, side
        self.sheets = nn.ModuleList(Conv2d(i, channels, 3, padding=1) for i in sizes[:-1])
        self.logits = Conv2d(channels, classes, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes, rows, columns) and features (batch, channels, rows, columns)."""
        missing = self.side - x.shape[-1]
        h = F.avg_pool2d(F.pad(x, (0, missing, 0, missing)), self.d)
        for sheet in self.sheets:
            h = F.leaky_relu(F.max_pool2d(sheet(h), 2), 1 / 8)
        return self.logits(h), h


def chosen(logits: Tensor, budgets: Sequence[int], taken: Sequence[int] = ()) -> list[Look]:
    """Of one image's (classes, rows, columns): class by class the cells with the best odds against all else."""
    flat = logits.flatten(1)
    free = [cell for cell in range(flat.shape[1]) if cell not in taken]
    found = []
    for kind, n in enumerate(budgets):
        others = torch.cat([torch.zeros_like(flat[:1]), flat[:kind], flat[kind + 1 :]]).logsumexp(0)
        odds = (flat[kind] - others).tolist()
        best = sorted(free, key=lambda cell: -odds[cell])[:n]
        free = [cell for cell in free if cell not in best]
        found += [(cell, kind) for cell in best]
    weights = torch.stack([flat[kind, cell] for cell, kind in found]).softmax(0)
    columns = logits.shape[2]
    return [Look(cell // columns, cell % columns, kind, w) for (cell, kind), w in zip(found, weights, strict=True)]


def positions(look: Look, n: int, side: int) -> Iterator[tuple[int, int]]:
    """Those of a cell of n x n positions that lie in a sheet of side x side."""
    for y in range(look.row * n, min(side, look.row * n + n)):
        for x in range(look.column * n, min(side, look.column * n + n)):
            yield y, x


class SaccadeSet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Conv2d(1, 8, 3, padding=1)
        self.small = Conv2d(8, 16, 3, padding=1)
        self.large = Conv2d(8, 16, 5, padding=2, bias=False)  # one bias serves both
        self.each, self.readout = Linear(18, 32), Linear(64, 10)
        self.glance = Glance(2, 2, 2, side=64)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(self.first(x).relu(), 2)
        bias = self.small.bias[:, None, None]
        maps = [F.max_pool2d(m.relu(), 2) for m in (self.small(h), self.large(h) + bias)]
        return torch.stack([self._image([m[i] for m in maps], self.glance(x)[0][i]) for i in range(len(x))])

    def _image(self, maps: list[Tensor], logits: Tensor) -> Tensor:
        vectors, weights = [], []
        for look in chosen(logits, (4, 2)):
            spots = list(positions(look, 2, 15))
            for y, x in spots:
                place = torch.tensor([2 * (4 * y + 2) / 60 - 1, 2 * (4 * x + 2) / 60 - 1])
                vectors.append(self.each(torch.cat([place, maps[look.kind][:, y, x]])).relu())
                weights.append(look.weight / len(spots))
        mean = sum(v * w for v, w in zip(vectors, weights, strict=True))
        return self.readout(torch.cat([mean, torch.stack(vectors).amax(0)]))


class SaccadePath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Conv2d(1, 8, 3, padding=1), Conv2d(8, 16, 3, padding=1)
        self.see, self.remember = Linear(18, 24), Linear(24, 24, bias=False)
        self.readout = Linear(24, 10)
        self.glance = Glance(4, 2, 1, side=64)
        self.query = Linear(24, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(self.second(F.max_pool2d(self.first(x).relu(), 2)).relu(), 2)
        logits, features = self.glance(x)
        return torch.stack([self._image(*one) for one in zip(h, logits, features, strict=True)])

    def _image(self, sheet: Tensor, logits: Tensor, features: Tensor) -> Tensor:
        state, taken, before = torch.zeros(24), [], None
        for time in range(6):
            scores = logits
            if time:
                scores = logits + torch.einsum("g,gyx->yx", self.query(state), features) / 8
            (look,) = chosen(scores, (1,), taken)
            taken.append(4 * look.row + look.column)
            spots = list(positions(look, 4, 15))
            places = torch.tensor([[4 * y + 2.0, 4 * x + 2.0] for y, x in spots])
            origin = places.mean(0) if before is None else before
            seen = torch.stack([sheet[:, y, x] for y, x in spots]).mean(0)
            now = torch.cat([(places.mean(0) - origin) / 16, seen])
            state, before = torch.tanh(self.see(now) + self.remember(state)), places.mean(0)
            answer = self.readout(state)
            if float(answer.detach().softmax(0).max()) > 1 - 2**-5:
                break
        return answer


class SaccadeConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.large = Conv2d(1, 8, 5, padding=2)
        self.later, self.readout = Conv2d(8, 16, 3, padding=1), Linear(64, 10)
        self.glance = Glance(2, 1, 2, side=28)
        self.cheap = Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        middle = F.conv2d(x, self.large.weight[:, :, 1:4, 1:4], self.large.bias, padding=1)
        maps = [F.max_pool2d(m.relu(), 2) for m in (middle, self.large(x))]
        logits, features = self.glance(x)
        h = F.interpolate(self.cheap(features).relu(), scale_factor=2, mode="nearest")
        h = torch.stack([self._put(h[i], [m[i] for m in maps], logits[i]) for i in range(len(x))])
        h = F.max_pool2d(self.later(h).relu(), 2)
        return self.readout(F.adaptive_avg_pool2d(h, 2).flatten(1))

    def _put(self, base: Tensor, maps: list[Tensor], logits: Tensor) -> Tensor:
        """What the classes of the chosen cells make, over `base`; its probability has the gradient of a factor."""
        p = torch.cat([torch.zeros_like(logits[:1]), logits]).softmax(0)
        for look in chosen(logits, (10, 4)):
            at = torch.zeros(1, 14, 14, dtype=torch.bool)
            at[:, 2 * look.row : 2 * look.row + 2, 2 * look.column : 2 * look.column + 2] = True
            q = p[look.kind + 1, look.row, look.column]
            base = torch.where(at, maps[look.kind] * (1 + (q - q.detach())), base)
        return base
