"""Networks that look at some cells of their images as code: the glance, the choice, the eye, a grid or a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evonet.export import looking_text as text
from evonet.export.eyes import Eyes
from evonet.export.walk import Walk, pools, reads, times
from evonet.plan import INPUT, Plan
from evonet.plan.saccade import BANDS


class Looking:
    """Writes `forward` and the methods that it calls."""

    def __init__(self, plan: Plan, walk: Walk) -> None:
        if plan.saccade is None:
            raise ValueError("the plan has no saccade gene")
        self.plan, self.at, self.walk, self.code = plan, plan.saccade, walk, walk.code
        self.body = self.code.body
        self.own = plan.readout.source

    def write(self, eyes: Eyes, *, whole: bool = False) -> None:
        """`eyes` on blocks, or on `whole` images, of which the cells are chosen afterwards."""
        self.body.append("images = x")
        if self.at.glance:
            self._glance()
        for kind in eyes:
            self._whole_eye(kind, eyes) if whole else self._eye(kind, eyes)
        if self.at.form == "conv":
            self._grid(list(eyes))
        elif self.at.fixations:
            self._path(list(eyes))
        else:
            self._set(list(eyes))

    # The glance and the choice

    @property
    def _features(self) -> bool:
        """Whether the features of the glance are read beside its logits."""
        return self.at.cheap is not None or self.at.query is not None

    def _glance(self) -> None:
        at, walk = self.at, self._apart(names={INPUT: "view"})
        self._needs(text.VIEW)
        walk.code.body.append(f"x = view(images, {at.downsampling}, {at.view[1:]})")
        walk.sheets({k: self.plan.sheets[k] for k in at.glance[:-1]})
        walk.code.body += ["features = x"] * self._features
        walk.sheets({at.glance[-1]: self.plan.sheets[at.glance[-1]]})
        walk.code.body.append("return x.flatten(2), features" if self._features else "return x.flatten(2)")
        told = f"Logits of {_count(at.classes, 'class', 'es')} in {times(at.grid)} cells, row by row"
        about = f"{told}; and the features of the cells." if self._features else f"{told}."
        self.code.method(
            f"glance(self, images: Tensor) -> {'tuple' if self._features else 'Tensor'}", about, walk.code.body
        )

    def _chosen(self, scores: str, images: str, taken: str) -> list[str]:
        """The variables image, cell, kind and weight of all looks; `images`: how many there are."""
        at = self.at
        if at.route == "every":
            return [
                f"image = torch.arange({images}, device=images.device).repeat_interleave({at.cells})",
                f"cell = torch.arange({at.cells}, device=images.device).repeat({images})",
            ]
        self._needs(text.CHOOSE)
        return [f"image, cell, kind = choose({scores}, {at.budgets}, {at.route == 'threshold'}, {taken})"]

    def _free(self) -> str:
        return f"images.new_zeros(len(images), {self.at.cells}, dtype=torch.bool)"

    # The eye

    def _eye(self, kind: int, eyes: Eyes) -> None:
        at, eye, sheets = self.at, self.at.eyes[kind], eyes[kind]
        walk = self._apart()
        block = sheets[0].incoming[0].stages[0].source[1:]
        self._needs(text.WITHIN, text.CUT)
        walk.code.body += [
            f"row, column = cell // {at.grid[1]}, cell % {at.grid[1]}",
            f"x = cut(images, image, {self._first(eye.first[0], at.cell)}, {block})",
        ]
        for k, sheet in enumerate(sheets):
            walk.sheets({k: sheet})
            if k + 1 < at.depth:
                size = self.plan.sheets[k].shape[1:]
                inside = f"within({self._first(eye.first[k + 1], at.steps[k])}, {sheet.shape[1:]}, {size})"
                walk.code.body.append(f"x = x * {inside}  # beyond the sheet zero, as if padded")
        self._eye_method(kind, walk, f"from blocks of {times(block)}")

    def _whole_eye(self, kind: int, eyes: Eyes) -> None:
        walk, n = self._apart(), self.at.steps[-1]
        self._needs(text.CELLS)
        walk.code.body.append("x = images")
        walk.sheets(dict(enumerate(eyes[kind])))
        walk.code.body.append(f"x = cells(x, {n})[image, :, cell // {self.at.grid[1]}, :, cell % {self.at.grid[1]}]")
        self._eye_method(kind, walk, "computed everywhere")

    def _eye_method(self, kind: int, walk: Walk, how: str) -> None:
        walk.code.body.append("return x")
        channels, n = self.plan.sheets[self.at.depth - 1].shape[0], self.at.steps[-1]
        self.code.method(
            f"eye{kind + 1}(self, images: Tensor, image: Tensor, cell: Tensor) -> Tensor",
            f"Cells of {self.at.cell}x{self.at.cell} pixels as class {kind + 1}, {how}: (looks, {channels}, {n}, {n}).",
            walk.code.body,
        )

    def _first(self, first: tuple[int, int], step: int) -> str:
        """Row and column at which a block begins, `step` positions a cell."""
        return ", ".join(f"{name} * {step}{_signed(at)}" for name, at in zip(("row", "column"), first, strict=True))

    def _blocks(self, kinds: Sequence[int], image: str) -> list[str]:
        if len(kinds) == 1:
            return [f"blocks = self.eye{kinds[0] + 1}(images, {image}, cell)"]
        of = ("image[kind == {0}]", "active[image[kind == {0}]]")[image != "image"]
        each = [f"self.eye{k + 1}(images, {of.format(k)}, cell[kind == {k}])" for k in kinds]
        return ["blocks = torch.cat([", *(f"    {one}," for one in each), "])"]

    # A grid

    def _grid(self, kinds: Sequence[int]) -> None:
        at, last = self.at, self.plan.sheets[self.at.depth - 1]
        scores = "scores, x" if self._features else "scores"
        self.body += [f"{scores} = self.glance(images)", *self._chosen("scores", "len(images)", self._free())]
        self.body += self._blocks(kinds, "image")
        if at.cheap is None:
            self.body.append(f"x = images.new_zeros(len(images), {', '.join(map(str, last.shape))})")
        else:
            self._walk(at.glance[-2], names={at.glance[-2]: "the glance's features"}).sheets(
                {at.cheap: self.plan.sheets[at.cheap]}
            )
        self._needs(text.CELLS, text.PUT)
        self.body += [
            f"# {last.name}: {times(last.shape)}, the cells chosen put over the others",
            f"x = put(x, blocks, image, cell // {at.grid[1]}, cell % {at.grid[1]})",
        ]
        walk = self._walk(at.depth - 1)
        walk.sheets({k: self.plan.sheets[k] for k in range(at.depth, self.own + 1)})
        walk.readout(self.plan.readout, self.plan.classes, self.plan.sheets[self.own].shape[1:])

    # A set

    def _set(self, kinds: Sequence[int]) -> None:
        if self.at.glance:
            self.body.append("scores = self.glance(images)")
        self.body += self._chosen("scores", "len(images)", self._free())
        self.body += [*self._blocks(kinds, "image"), *self._elements("scores", "len(images)", "")]
        walk = self._walk(self.at.depth - 1)
        walk.sheets({k: self.plan.sheets[k] for k in range(self.at.depth, self.own + 1)})
        self.body.append(f"# readout: {self.plan.readout.pooling} over the set, {self.plan.readout.kind}")
        walk.pool([self._pooled(pool, "x.flatten(1)", "len(images)") for pool in pools(self.plan.readout)])
        self.body.append(f"return {walk.answer(self.plan.readout, self.plan.classes)}")

    def _elements(self, scores: str, images: str, origin: str) -> list[str]:
        """x becomes the set, (positions, coordinates and features, 1, 1); image and weight those of its elements."""
        at, last = self.at, self.plan.sheets[self.at.depth - 1]
        grid = f"cell // {at.grid[1]}, cell % {at.grid[1]}"
        self._needs(text.WITHIN, text.ELEMENTS)
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
            self._needs(text.MEAN)
            centre = f"centre = mean_of(place, image, weight.detach(), {images})"
            return [centre, f"x = torch.cat(((place - ({origin or 'centre'})[image]) / {at.cell}, x), dim=1)"]
        xy = f"2 * place / place.new_tensor({self.plan.input[1:]}) - 1"
        if at.coordinates == "xy":
            return [f"x = torch.cat(({xy}, x), dim=1)"]
        self._needs(text.FOURIER.format(bands=BANDS))
        return [f"x = torch.cat((fourier({xy}), x), dim=1)"]

    def _pooled(self, pool: str, x: str, images: str) -> str:
        self._needs(text.MEAN if pool == "mean" else text.MAX)
        return f"mean_of({x}, image, weight, {images})" if pool == "mean" else f"max_of({x}, image, {images})"

    # A scan path

    def _path(self, kinds: Sequence[int]) -> None:
        at, recurrent = self.at, self._recurrent
        size = self._memory
        self.body += [
            "scores, features = self.glance(images)" if self._features else "scores = self.glance(images)",
            "active = torch.arange(len(images), device=images.device)",
            f"taken = {self._free()}",
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
        at, walk = self.at, self._apart()
        lines = walk.code.body
        if at.halting is not None and at.fixations > 1:
            lines += [
                "if time > 0:",
                f"    active = active[answers[active].softmax(1).amax(1) <= {at.halting}]  # the others are sure",
                "    if len(active) == 0:",
                "        break",
            ]
        lines += ["wanted = scores[active]", *self._query()]
        lines += self._chosen("wanted", "len(active)", "taken[active]")
        lines += [*self._blocks(kinds, "active[image]"), "taken[active[image], cell] = True"]
        lines += self._elements("wanted", "len(active)", "centre if time == 0 else origin[active]")
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
        walk = self._apart(self.own)
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
            lines.append(f"{name} = {self._pooled('mean', f'{name}.flatten(1)', 'len(active)')}[:, :, None, None]")
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

    # Writing

    def _needs(self, *helpers: str) -> None:
        self.code.helpers.update(dict.fromkeys(helpers))

    def _walk(self, newest: int, names: dict[int, str] | None = None) -> Walk:
        return replace(self.walk, newest=newest, names=names or {})

    def _apart(self, newest: int = INPUT, names: dict[int, str] | None = None) -> Walk:
        return replace(self._walk(newest, names), code=self.code.apart())


def _signed(n: int) -> str:
    return "" if n == 0 else f" {'-' if n < 0 else '+'} {abs(n)}"


def _count(n: int, one: str, more: str) -> str:
    return f"{n} {one}{more if n > 1 else ''}"
