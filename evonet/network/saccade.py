"""Networks that look at some cells of an image: the glance, the choice, the eye, and a grid or a set of what it saw."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evonet.network.blocks import Blocks, Everywhere, joined, parted
from evonet.network.choosing import Choice
from evonet.network.elements import Elements, elements, located, pooled_max, pooled_mean
from evonet.network.looking import Looked, Pick, Picked, Question, greedy
from evonet.network.path import Path, Seen, Spread
from evonet.network.readout import Readout
from evonet.network.sheets import Sheets, Weights
from evonet.plan.types import INPUT, Plan
from evonet.timing import CostTable


class Saccade(nn.Module):
    """Called with images and weights -> logits (batch, classes), and where it looked."""

    def __init__(self, plan: Plan, readout: Readout, *, masked: bool = False, costs: CostTable | None = None) -> None:
        """`masked`: the eye is computed everywhere, and every stage as a masked matrix: the reference."""
        super().__init__()
        if plan.saccade is None:
            raise ValueError("the plan has no saccade gene")
        self.plan, self.saccade, self.readout, self.costs = plan, plan.saccade, readout, costs
        self._whole: dict[int, Everywhere] = {}
        kinds = range(self.saccade.classes)
        self.eyes = nn.ModuleList(
            Everywhere(plan, self.saccade, kind, masked=masked, costs=costs)
            if masked
            else Blocks(plan, self.saccade, self.saccade.eyes[kind], costs=costs)
            for kind in kinds
        )
        others = {k: sheet for k, sheet in enumerate(plan.sheets) if k >= self.saccade.depth}
        self.sheets = Sheets(others, masked=masked, costs=costs)

    def forward(self, x: Tensor, w: Weights, pick: Pick | None = None, *, halt: bool = True) -> tuple[Tensor, Looked]:
        """`pick`: how cells are chosen, None the best. `halt`: images that are sure look no further."""
        pick = pick or greedy
        scores, features = self.glance(x, w)
        if self.saccade.form == "conv":
            return self._grid(x, w, pick, scores, features)
        if not self.saccade.fixations:
            return self._set(x, w, pick, scores)
        return Path(self, x, w, pick).run(scores, features, halt=halt)

    def glance(self, x: Tensor, w: Weights) -> tuple[Tensor, Tensor | None]:
        """Logits of the classes (batch, classes, cells), and the features of the cells (batch, channels, cells).

        A class without a budget does not exist: its logits are -inf, and so its probability is 0 wherever one is made
        of them. Without a glance zeros, and none.
        """
        at = self.saccade
        if not at.glance:
            return x.new_zeros(len(x), at.classes, at.cells), None
        sheets = {INPUT: self.view(x)}
        for k in at.glance:
            sheets[k] = self.sheets(k, sheets, w)
        scores = sheets[at.glance[-1]].flatten(2)
        if not all(at.budgets):  # stacked of rows, so that nothing is copied from the host: a CUDA graph may hold this
            absent = torch.full_like(scores[:, 0], -torch.inf)
            scores = torch.stack([scores[:, k] if n else absent for k, n in enumerate(at.budgets)], dim=1)
        return scores, sheets[at.glance[-2]].flatten(2)

    def view(self, x: Tensor) -> Tensor:
        """The mean of every downsampling x downsampling pixels; as much of the image as the grid covers, or zeros.

        Sums of whole rows first: on a CPU 1.3 to 2.5 times as fast as avg_pool2d, which on large images takes as long
        as all that follows.
        """
        d, (_, height, width) = self.saccade.downsampling, self.saccade.view
        x = x[:, :, : height * d, : width * d]
        if x.shape[2:] != (height * d, width * d):  # padding by nothing would copy the image
            x = F.pad(x, (0, width * d - x.shape[3], 0, height * d - x.shape[2]))
        if d == 1:
            return x
        rows = torch.unflatten(x, 2, (height, d)).sum(3)
        return torch.unflatten(rows, 3, (width, d)).sum(4) / d**2

    def windows(self, looked: Looked) -> Tensor:
        """(looks, 4): y0, x0, y1, x1 of the pixels."""
        found = torch.zeros(len(looked.kind), 4, dtype=torch.int64, device=looked.kind.device)
        for kind, eye in enumerate(self.saccade.eyes, start=1):
            source = eye.sheets[0].incoming[0].stages[0].source
            at = looked.cell * self.saccade.cell + looked.cell.new_tensor(eye.first[0])
            box = torch.cat((at, at + looked.cell.new_tensor(source[1:])), dim=1)
            found = torch.where((looked.kind == kind)[:, None], box, found)
        return found

    def _every(self, images: int, device: torch.device) -> Picked:
        """All cells of all images, as class 1, with equal weights."""
        cells = self.saccade.cells
        image = torch.arange(images, device=device).repeat_interleave(cells)
        cell = torch.arange(cells, device=device).repeat(images)
        weight = torch.full((images * cells,), 1 / cells, device=device)
        return Picked(Choice(image, cell, torch.ones_like(cell), weight.log()), weight)

    def picked(self, pick: Pick, scores: Tensor, *, time: int, images: Tensor, taken: Tensor | None = None) -> Picked:
        """`scores`, `taken`: of `images` alone."""
        at = self.saccade
        if at.route == "every":
            return self._every(len(images), images.device)
        return pick(Question(scores, taken, time, images, at.budgets, at.route == "threshold", at.grid))

    def seen(self, x: Tensor, w: Weights, picked: Picked, images: Tensor) -> Seen:
        """What the eye makes of the cells picked of `images` among the batch."""
        choice, parts, order = picked.choice, [], []
        if self.saccade.classes == 1:
            blocks = self.eyes[0](x, images[choice.image], choice.cell, w)
            return Seen(blocks, choice.image, choice.cell, choice.kind, picked.weight.to(x.dtype))
        for kind, at in _by_class(choice.kind, self.saccade.classes):
            parts.append(self.eyes[kind](x, images[choice.image[at]], choice.cell[at], w))
            order.append(at)
        at = _together(order)
        return Seen(_together(parts), choice.image[at], choice.cell[at], choice.kind[at], picked.weight[at].to(x.dtype))

    def spread(self, seen: Seen, w: Weights, *, origin: Tensor | None, images: int, until: int) -> Spread:
        """The sheets of a set's positions, from the eye's last to the one before `until`."""
        at, last = self.saccade, self.plan.sheets[self.saccade.depth - 1].shape
        found = elements(seen.blocks, seen.image, seen.cell, seen.weight, at, last)
        size = self.plan.input[1:]
        sheets = {at.depth - 1: located(found, at, size, origin, images)[:, :, None, None]}
        for k in range(at.depth, until):
            sheets[k] = self.sheets(k, sheets, w)
        return Spread(found, sheets)

    def _set(self, x: Tensor, w: Weights, pick: Pick, scores: Tensor) -> tuple[Tensor, Looked]:
        images, own = torch.arange(len(x), device=x.device), self.plan.readout.source
        picked = self.picked(pick, scores, time=0, images=images)
        seen = self.seen(x, w, picked, images)
        at, sheets = self.spread(seen, w, origin=None, images=len(x), until=own + 1)
        logits = self.readout.answer(self._pooled(sheets[own].flatten(1), at, len(x)), w)
        return logits, self.told([seen], [images], scores, logits[:, None], torch.zeros_like(images))

    def _pooled(self, features: Tensor, at: Elements, images: int) -> Tensor:
        pools, pooling = [], self.plan.readout.pooling
        if pooling in ("mean", "both"):
            pools.append(pooled_mean(features, at.image, at.weight, images))
        if pooling in ("max", "both"):
            pools.append(pooled_max(features, at.image, images))
        return torch.cat(pools, dim=1)

    def _grid(
        self, x: Tensor, w: Weights, pick: Pick, scores: Tensor, features: Tensor | None
    ) -> tuple[Tensor, Looked]:
        """Blocks put back over the fill; what follows is dense.

        A block counts as it is; through it the logits of its class learn as if it were multiplied by its probability
        (straight through, Bengio et al. 2013, arXiv:1308.3432, section 4).
        """
        at, images = self.saccade, torch.arange(len(x), device=x.device)
        picked = self.picked(pick, scores, time=0, images=images)
        seen = self.seen(x, w, picked, images)
        base = self.fill(x, features, w)
        blocks = seen.blocks
        if at.glance:
            p = with_none(scores).softmax(1)[seen.image, seen.kind, seen.cell]
            gate = (1 + (p - p.detach()))[:, None, None, None]  # in this order exactly 1, whatever p is
            blocks = blocks * gate
        row, column = seen.cell // at.grid[1], seen.cell % at.grid[1]
        cells = base.permute(0, 2, 3, 1, 4, 5).index_put((seen.image, row, column), blocks).permute(0, 3, 1, 2, 4, 5)
        logits = self.later(x, cells, w)
        return logits, self.told([seen], [images], scores, logits[:, None], torch.zeros_like(images))

    def mixed(self, x: Tensor, w: Weights, one_hot: Callable[[Tensor], Tensor]) -> Looked:
        """The form `conv` with every class computed in every cell, so that each class's logits learn from all cells.

        `one_hot`: of the logits (batch, classes, cells), what every cell is: (batch, 1 + classes, cells), the first for
        none. No look is told of.
        """
        at, (scores, features) = self.saccade, self.glance(x, w)
        kinds = torch.unflatten(one_hot(scores), 2, at.grid)[:, :, None, :, :, None, None]
        total = kinds[:, 0] * self.fill(x, features, w)
        for k in range(at.classes):
            total = total + kinds[:, k + 1] * self._everywhere(k).all(x, w)
        none = torch.zeros(0, dtype=torch.int64, device=x.device)
        nothing = Seen(total.new_zeros(0), none, none, none, total.new_zeros(0))
        answers = self.later(x, total, w)[:, None]
        return self.told([nothing], [none], scores, answers, torch.zeros(len(x), dtype=torch.int64, device=x.device))

    def _everywhere(self, kind: int) -> Everywhere:
        """Made when it is first asked for: most networks are never computed so."""
        eye = self.eyes[kind]
        if isinstance(eye, Everywhere):
            return eye
        if kind not in self._whole:
            whole = Everywhere(self.plan, self.saccade, kind, masked=False, costs=self.costs)
            self._whole[kind] = whole.to(next(eye.buffers(), torch.empty(0)).device)
        return self._whole[kind]

    def fill(self, x: Tensor, features: Tensor | None, w: Weights) -> Tensor:
        """What cells without a class hold: (batch, channels, rows, columns, side, side)."""
        at, n = self.saccade, self.saccade.steps[-1]
        if at.cheap is None or features is None:
            return x.new_zeros(len(x), self.plan.sheets[at.depth - 1].shape[0], *at.grid, n, n)
        spread = self.sheets(at.cheap, {at.glance[-2]: torch.unflatten(features, 2, at.grid)}, w)
        return parted(spread, n, at.grid)

    def later(self, x: Tensor, cells: Tensor, w: Weights) -> Tensor:
        """The logits of a grid of cells, through the sheets behind the eye."""
        last, own = self.saccade.depth - 1, self.plan.readout.source
        sheets = {INPUT: x, last: joined(cells, self.plan.sheets[last].shape[1:])}
        for k in range(last + 1, own + 1):
            sheets[k] = self.sheets(k, sheets, w)
        logits: Tensor = self.readout(sheets[own], w)
        return logits

    def told(
        self, seen: list[Seen], images: list[Tensor], scores: Tensor, answers: Tensor, fixations: Tensor
    ) -> Looked:
        """`seen`, `images`: of every fixation, what was seen of which images."""
        at = self.saccade
        cell = _together([s.cell for s in seen])
        return Looked(
            image=_together([asked[s.image] for s, asked in zip(seen, images, strict=True)]),
            cell=torch.stack((cell // at.grid[1], cell % at.grid[1]), dim=1),
            kind=_together([s.kind for s in seen]),
            time=_together([torch.full_like(s.cell, t) for t, s in enumerate(seen)]),
            weight=_together([s.weight for s in seen]),
            scores=torch.unflatten(scores, 2, at.grid),
            answers=answers,
            fixations=fixations,
        )


def with_none(scores: Tensor) -> Tensor:
    """(batch, classes, cells) -> (batch, 1 + classes, cells), the first the logit of no class, zero."""
    return F.pad(scores, (0, 0, 1, 0))


def _together(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _by_class(kind: Tensor, classes: int) -> Iterator[tuple[int, Tensor]]:
    """(class - 1, the looks of it), for every class that has any."""
    for k in range(classes):
        at = (kind == k + 1).nonzero()[:, 0]
        if len(at):
            yield k, at
