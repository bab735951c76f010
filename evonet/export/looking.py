"""Networks that look at some cells of their images as code: the glance, the choice, the eye, a grid or a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evonet.export import looking_text as text
from evonet.export.eyes import Eyes
from evonet.export.looking_sets import Path, Set
from evonet.export.walk import Walk, times
from evonet.plan import INPUT, Plan


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
            Path(self).write(list(eyes))
        else:
            Set(self).write(list(eyes))

    # The glance and the choice

    @property
    def features(self) -> bool:
        """Whether the features of the glance are read beside its logits."""
        return self.at.cheap is not None or self.at.query is not None

    def _glance(self) -> None:
        at = self.at
        walk = self.apart(names={INPUT: "view", **{k: self.plan.sheets[k].name for k in at.glance}})
        self.needs(text.VIEW)
        walk.code.body.append(f"x = view(images, {at.downsampling}, {at.view[1:]})")
        walk.sheets({k: self.plan.sheets[k] for k in at.glance[:-1]})
        walk.code.body += ["features = x"] * self.features
        walk.sheets({at.glance[-1]: self.plan.sheets[at.glance[-1]]})
        walk.code.body.append("return x.flatten(2), features" if self.features else "return x.flatten(2)")
        told = f"Logits of {_count(at.classes, 'class', 'es')} in {times(at.grid)} cells, row by row"
        about = f"{told}; and the features of the cells." if self.features else f"{told}."
        self.code.method(
            f"glance(self, images: Tensor) -> {'tuple' if self.features else 'Tensor'}", about, walk.code.body
        )

    def chosen(self, scores: str, images: str, taken: str) -> list[str]:
        """The variables image, cell, kind and weight of all looks; `images`: how many there are."""
        at = self.at
        if at.route == "every":
            return [
                f"image = torch.arange({images}, device=images.device).repeat_interleave({at.cells})",
                f"cell = torch.arange({at.cells}, device=images.device).repeat({images})",
            ]
        self.needs(text.CHOOSE)
        return [f"image, cell, kind = choose({scores}, {at.budgets}, {at.route == 'threshold'}, {taken})"]

    def free(self) -> str:
        return f"images.new_zeros(len(images), {self.at.cells}, dtype=torch.bool)"

    # The eye

    def _eye(self, kind: int, eyes: Eyes) -> None:
        at, eye, sheets = self.at, self.at.eyes[kind], eyes[kind]
        walk = self.apart()
        block = sheets[0].incoming[0].stages[0].source[1:]
        self.needs(text.WITHIN, text.CUT)
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
        walk, n = self.apart(), self.at.steps[-1]
        self.needs(text.CELLS)
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

    def blocks(self, kinds: Sequence[int], image: str) -> list[str]:
        if len(kinds) == 1:
            return [f"blocks = self.eye{kinds[0] + 1}(images, {image}, cell)"]
        of = ("image[kind == {0}]", "active[image[kind == {0}]]")[image != "image"]
        each = [f"self.eye{k + 1}(images, {of.format(k)}, cell[kind == {k}])" for k in kinds]
        return ["blocks = torch.cat([", *(f"    {one}," for one in each), "])"]

    # A grid

    def _grid(self, kinds: Sequence[int]) -> None:
        at, last = self.at, self.plan.sheets[self.at.depth - 1]
        scores = "scores, x" if self.features else "scores"
        self.body += [f"{scores} = self.glance(images)", *self.chosen("scores", "len(images)", self.free())]
        self.body += self.blocks(kinds, "image")
        if at.cheap is None:
            self.body.append(f"x = images.new_zeros(len(images), {', '.join(map(str, last.shape))})")
        else:
            self.walk_from(at.glance[-2], names={at.glance[-2]: "the glance's features"}).sheets(
                {at.cheap: self.plan.sheets[at.cheap]}
            )
        self.needs(text.CELLS, text.PUT)
        self.body += [
            f"# {last.name}: {times(last.shape)}, the cells chosen put over the others",
            f"x = put(x, blocks, image, cell // {at.grid[1]}, cell % {at.grid[1]})",
        ]
        walk = self.walk_from(at.depth - 1)
        walk.sheets({k: self.plan.sheets[k] for k in range(at.depth, self.own + 1)})
        walk.readout(self.plan.readout, self.plan.classes, self.plan.sheets[self.own].shape[1:])

    # Writing

    def needs(self, *helpers: str) -> None:
        self.code.helpers.update(dict.fromkeys(helpers))

    def walk_from(self, newest: int, names: dict[int, str] | None = None) -> Walk:
        return replace(self.walk, newest=newest, names=names or {})

    def apart(self, newest: int = INPUT, names: dict[int, str] | None = None) -> Walk:
        return replace(self.walk_from(newest, names), code=self.code.apart())


def _signed(n: int) -> str:
    return "" if n == 0 else f" {'-' if n < 0 else '+'} {abs(n)}"


def _count(n: int, one: str, more: str) -> str:
    return f"{n} {one}{more if n > 1 else ''}"
