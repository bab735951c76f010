"""A set of what was seen, and a scan path that adds to it, as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evonet.export import looking_text as text
from evonet.export.walk import Walk, pools, reads, times
from evonet.plan.saccade import BANDS

if TYPE_CHECKING:
    from evonet.export.looking import Looking


class Set:
    """Elements: the positions of the cells chosen, each with its features and coordinates; pooled by the readout."""

    def __init__(self, of: Looking) -> None:
        self.of, self.plan, self.at, self.body = of, of.plan, of.at, of.body
        self.own = of.own

    def write(self, kinds: Sequence[int]) -> None:
        if self.at.glance:
            self.body.append("scores = self.glance(images)")
        self.body += self.of.chosen("scores", "len(images)", self.of.free())
        self.body += [*self.of.blocks(kinds, "image"), *self.elements("scores", "len(images)", "")]
        walk = self.of.walk_from(self.at.depth - 1)
        walk.sheets({k: self.plan.sheets[k] for k in range(self.at.depth, self.own + 1)})
        self.body.append(f"# readout: {self.plan.readout.pooling} over the set, {self.plan.readout.kind}")
        walk.pool([self.pooled(pool, "x.flatten(1)", "len(images)") for pool in pools(self.plan.readout)])
        self.body.append(f"return {walk.answer(self.plan.readout, self.plan.classes)}")

    def elements(self, scores: str, images: str, origin: str) -> list[str]:
        """x becomes the set, (positions, coordinates and features, 1, 1); image and weight those of its elements."""
        at, last = self.at, self.plan.sheets[self.at.depth - 1]
        grid = f"cell // {at.grid[1]}, cell % {at.grid[1]}"
        self.of.needs(text.WITHIN, text.ELEMENTS)
        if at.glance:
            weight = f"weight = share * shares({scores}, image, cell, kind)[look]"
        else:
            weight = f"weight = share / {at.cells}"
        return [
            f"# {last.name} as a set: {times(last.shape[:1])} channels at each position of the cells chosen"
            + ("" if at.coordinates == "none" else ", and where it is"),
            f"x, look, share, place = elements(blocks, {grid}, {last.shape[1:]}, {at.cell / at.steps[-1]:g})",
            weight,
            "image = image[look]",
            *self._located(images, origin),
            "x = x[:, :, None, None]",
        ]

    def _located(self, images: str, origin: str) -> list[str]:
        at = self.at
        if at.coordinates == "none":
            return []
        if at.coordinates == "relative":
            self.of.needs(text.MEAN)
            centre = f"centre = mean_of(place, image, weight.detach(), {images})"
            return [centre, f"x = torch.cat(((place - ({origin or 'centre'})[image]) / {at.cell}, x), dim=1)"]
        xy = f"2 * place / place.new_tensor({self.plan.input[1:]}) - 1"
        if at.coordinates == "xy":
            return [f"x = torch.cat(({xy}, x), dim=1)"]
        self.of.needs(text.FOURIER.format(bands=BANDS))
        return [f"x = torch.cat((fourier({xy}), x), dim=1)"]

    def pooled(self, pool: str, x: str, images: str) -> str:
        self.of.needs(text.MEAN if pool == "mean" else text.MAX)
        return f"mean_of({x}, image, weight, {images})" if pool == "mean" else f"max_of({x}, image, {images})"


class Path(Set):
    """One fixation after another, in a loop, until an image is sure of its answer."""

    def write(self, kinds: Sequence[int]) -> None:
        at, recurrent = self.at, self._recurrent
        size = self._memory
        self.body += [
            "scores, features = self.glance(images)" if self.of.features else "scores = self.glance(images)",
            "active = torch.arange(len(images), device=images.device)",
            f"taken = {self.of.free()}",
            f"answers = images.new_zeros(len(images), {self.plan.classes})",
            f"memory = images.new_zeros(len(images), {size})",
        ]
        if not recurrent and "max" in pools(self.plan.readout):
            self.body.append("most = torch.full_like(memory, -torch.inf)")
        if at.coordinates == "relative":
            self.body.append("origin = images.new_zeros(len(images), 2)")
        self.body.append(f"for time in range({at.fixations}):")
        self.body += [f"    {line}" for line in self._fixation(kinds)]
        self.body.append("return answers")

    @property
    def _recurrent(self) -> bool:
        return self.own >= self.at.depth and bool(self.plan.sheets[self.own].recurrent)

    @property
    def _memory(self) -> int:
        """Features that are remembered: of the last sheet, or of the set."""
        pooled = len(pools(self.plan.readout))
        return self.plan.readout.features // pooled

    def _fixation(self, kinds: Sequence[int]) -> list[str]:
        at, walk = self.at, self.of.apart()
        lines = walk.code.body
        if at.halting is not None and at.fixations > 1:
            lines += [
                "if time > 0:",
                f"    active = active[answers[active].softmax(1).amax(1) <= {at.halting}]  # the others are sure",
                "    if len(active) == 0:",
                "        break",
            ]
        lines += ["wanted = scores[active]", *self._query()]
        lines += self.of.chosen("wanted", "len(active)", "taken[active]")
        lines += [*self.of.blocks(kinds, "active[image]"), "taken[active[image], cell] = True"]
        lines += self.elements("wanted", "len(active)", "centre if time == 0 else origin[active]")
        lines += ["origin[active] = centre"] * (at.coordinates == "relative")
        self._last_sheet(walk)
        lines.append("new = x.flatten(1)")
        lines += self._remember()
        walk.pool([self._known(pool) for pool in pools(self.plan.readout)])
        lines.append(f"answers[active] = {walk.answer(self.plan.readout, self.plan.classes)}")
        return lines

    def _query(self) -> list[str]:
        """What is known raises the logits of the cells whose features agree with it."""
        at = self.at
        if at.query is None:
            return []
        walk = self.of.apart(self.own)
        walk.sheets({at.query: self.plan.sheets[at.query]})
        channels = self.plan.sheets[at.query].shape[0]
        agree = 'torch.einsum("ngij,ngc->nc", x, features.flatten(2)[active])'
        return [
            "if time > 0:",
            "    x = memory[active][:, :, None, None]",
            *(f"    {line}" for line in walk.code.body),
            f"    wanted = wanted + {agree}[:, None] / {channels}",
        ]

    def _last_sheet(self, walk: Walk) -> None:
        """What was seen now: the set through its sheets, pooled, and the last sheet of that."""
        depth, own = self.at.depth, self.own
        walk.newest = depth - 1
        others = reads(self.plan.sheets[own]) - {own - 1} if own >= depth else set()
        walk.sheets({k: self.plan.sheets[k] for k in range(depth, own)}, kept=others)
        lines = walk.code.body
        for name in ["x", *(walk.name(k) for k in sorted(others))]:
            lines.append(f"{name} = {self.pooled('mean', f'{name}.flatten(1)', 'len(active)')}[:, :, None, None]")
        if own < depth:
            return
        if self._recurrent:
            lines.append("state = memory[active][:, :, None, None]")
            walk.step(own, self.plan.sheets[own], "state")
        else:
            walk.sheets({own: self.plan.sheets[own]})

    def _remember(self) -> list[str]:
        if self._recurrent:
            return ["memory[active] = new"]
        lines = ["most[active] = torch.maximum(most[active], new)"] * ("max" in pools(self.plan.readout))
        return [*lines, "memory[active] = memory[active] + (new - memory[active]) / (time + 1)  # the mean so far"]

    def _known(self, pool: str) -> str:
        return "memory[active]" if pool == "mean" or self._recurrent else "most[active]"
