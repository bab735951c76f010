"""Looking again and again: what was seen so far says where to look next, and when it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from evonet.network.elements import Elements, pooled_mean
from evonet.network.looking import Held, Looked, Pick
from evonet.network.sheets import Weights

if TYPE_CHECKING:
    from evonet.network.saccade import Saccade


class Seen(NamedTuple):
    """The looks of one fixation."""

    blocks: Tensor  # (looks, channels, side, side)
    image: Tensor  # (looks,): among the images that were asked for
    cell: Tensor  # (looks,)
    kind: Tensor  # (looks,)
    weight: Tensor  # (looks,)


class Spread(NamedTuple):
    """A set of positions, and its sheets (positions, channels, 1, 1)."""

    at: Elements
    sheets: dict[int, Tensor]


class Path:
    """The scan path of a batch of images.

    Fixation 0 looks where the glance says. Later the logits of all classes of a cell are raised by the product of the
    query, made of the memory, with the glance's features of that cell, over their number; cells once looked at are out
    (inhibition of return: Itti & Koch 2001, "Computational modelling of visual attention"). The memory is the last
    sheet, whose self motif reads what it was; without a self motif, the mean of what it made so far.
    """

    def __init__(self, saccade: Saccade, x: Tensor, w: Weights, pick: Pick) -> None:
        self.of, self.plan, self.at = saccade, saccade.plan, saccade.saccade
        self.x, self.w, self.pick = x, w, pick
        self.own = self.plan.readout.source
        self.recurrent = self.own >= self.at.depth and bool(self.plan.sheets[self.own].recurrent)
        self.memory = x.new_zeros(len(x), self.plan.sheets[self.own].shape[0] if self.own >= self.at.depth else 0)
        self.most = self.memory
        self.place = x.new_zeros(len(x), 2)
        self.taken = torch.zeros(len(x), self.at.cells, dtype=torch.bool, device=x.device)

    def run(self, scores: Tensor, features: Tensor | None, *, halt: bool) -> tuple[Tensor, Looked]:
        """`scores`, `features`: of the glance. `halt`: images that are sure are left out of what follows."""
        active = torch.arange(len(self.x), device=self.x.device)
        fixations = torch.zeros_like(active)
        seen: list[Seen] = []
        images: list[Tensor] = []
        answers: list[Tensor] = []
        for time in range(self.at.fixations):
            active = self._active(time, active, answers, halt=halt)
            if not len(active):
                break
            seen.append(self._look(time, active, scores, features))
            images.append(active)
            fixations = fixations.index_add(0, active, torch.ones_like(active))
            new = self._answer(active)
            answers.append(new if len(active) == len(self.x) else answers[-1].index_copy(0, active, new))
        answers += [answers[-1]] * (self.at.fixations - len(answers))
        told = self.of.told(seen, images, scores, torch.stack(answers, dim=1), fixations)
        return answers[-1], told

    def _active(self, time: int, active: Tensor, answers: list[Tensor], *, halt: bool) -> Tensor:
        if isinstance(self.pick, Held):
            return (self.pick.looked.fixations > time).nonzero()[:, 0]
        if not (halt and answers and self.at.halting):
            return active
        sure = answers[-1][active].softmax(1).amax(1) > self.at.halting
        return active[~sure]

    def _look(self, time: int, active: Tensor, scores: Tensor, features: Tensor | None) -> Seen:
        """One fixation of the images `active`; the memory takes it in."""
        logits = scores[active]
        if time and self.at.query is not None and features is not None:
            query = self.of.sheets(self.at.query, {self.own: self.memory[active][:, :, None, None]}, self.w)
            logits = logits + torch.einsum("bgij,bgc->bc", query, features[active])[:, None] / features.shape[1]
        picked = self.of.picked(self.pick, logits, time=time, images=active, taken=self.taken[active])
        seen = self.of.seen(self.x, self.w, picked, active)
        self.taken = self.taken.index_put((active[seen.image], seen.cell), torch.ones_like(seen.cell, dtype=torch.bool))
        origin = self.place[active] if time else None
        at, sheets = self.of.spread(seen, self.w, origin=origin, images=len(active), until=self.own)
        self._remember(time, active, at, sheets)
        if self.at.coordinates == "relative":
            place = pooled_mean(at.place, at.image, at.weight.detach(), len(active))
            self.place = self.place.index_copy(0, active, place)
        return seen

    def _remember(self, time: int, active: Tensor, at: Elements, sheets: dict[int, Tensor]) -> None:
        pooled = {
            k: pooled_mean(sheet.flatten(1), at.image, at.weight, len(active))[:, :, None, None]
            for k, sheet in sheets.items()
        }
        if self.recurrent:
            state = self.memory[active][:, :, None, None]
            new = self.of.sheets.step(self.own, pooled, state, self.w)
        else:
            new = self.of.sheets(self.own, pooled, self.w) if self.own not in pooled else pooled[self.own]
        new = new.flatten(1)
        if time == 0:
            self.memory, self.most = new, new
            return
        if not self.recurrent:
            self.most = self.most.index_copy(0, active, torch.maximum(self.most[active], new))
            new = torch.lerp(self.memory[active], new, 1 / (time + 1))
        self.memory = self.memory.index_copy(0, active, new)

    def _answer(self, active: Tensor) -> Tensor:
        """Mean and max are those over the fixations; what a self motif made is its last state."""
        pooling = self.plan.readout.pooling
        most = self.memory if self.recurrent else self.most
        pools = [self.memory[active]] * (pooling != "max") + [most[active]] * (pooling != "mean")
        return self.of.readout.answer(torch.cat(pools, dim=1), self.w)
