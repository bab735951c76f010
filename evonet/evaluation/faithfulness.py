"""Whether an answer rests on what the map shows: noise where nothing was read, noise where all was, one look less.

These measures say which evidence was *used*. They do not say why these cells were chosen: the glance has seen the whole
image, and nothing here explains the glance. It gives the looks of a set their weights, too, through which the rest of
the image may reach the answer: `reweighed` measures by how much.

Everywhere else cells and weights are held: `network.answer(x, looked)` computes the same cells by the same motifs with
the same weights, whatever the images have become.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evonet import seeds
from evonet.evaluation.looks import Shape, covered, read_pixels
from evonet.network import Network
from evonet.network.looking import Looked

STEPS = 10  # of a curve: tenths of an image's looks


def noise_like(x: Tensor, *parts: int | str) -> Tensor:
    """Uniform in [0, 1), of the shape of `x`; the same for the same key on every CPU run."""
    generator = torch.Generator().manual_seed(seeds.key("faithfulness", 1, *parts))
    return torch.rand(x.shape, generator=generator).to(x)


def counterfactual(network: Network, x: Tensor, looked: Looked, noise: Tensor) -> Tensor:
    """The largest change of any logit, with noise in every pixel that no look could read: float (B,).

    Cells and weights are held. It is 0, bit for bit, wherever the looks alone then reach the answer
    (`evonet.evaluation.looks.alone`): in the set form, and in the conv form over zeros. Why exactly and not nearly: the
    windows are all that is gathered, so the gathered blocks have the same bits as before; everything after is the same
    computation, over tensors of the same shapes and thus in the same order of sums. What the glance makes of the noise
    chooses and weighs nothing. A conv form over *cheap* features fills the other cells from the glance's: there the
    change is a measurement.
    A logit that is not finite counts as an infinite change.
    """
    read = read_pixels(network, looked, _shape(x))[:, None]
    return changes(network.answer(torch.where(read, x, noise), looked), network.answer(x, looked))


def reweighed(network: Network, x: Tensor, looked: Looked, noise: Tensor) -> Tensor:
    """The logits with noise in every pixel that no look could read, in the same cells: float (B, classes).

    As in `counterfactual`, but each look weighs what the glance makes of it now. So they change in a set that looks at
    two cells or more at a time, and not where there is one, or in a grid over zeros, which weighs nothing.
    """
    read = read_pixels(network, looked, _shape(x))[:, None]
    return network.look(torch.where(read, x, noise), pick=looked.held(weights=False))[0]


def changes(logits: Tensor, before: Tensor) -> Tensor:
    """The largest change of any logit of each image, from (B, classes) twice: float (B,). What is not finite is inf."""
    return (logits - before).abs().amax(1).nan_to_num(nan=torch.inf)


def necessity(network: Network, x: Tensor, looked: Looked, noise: Tensor) -> Tensor:
    """The logits with noise in every pixel that was read, and the others as they were: float (B, classes).

    Where the answer stays right nonetheless, it does not rest on what was read but on where it was read.
    """
    read = read_pixels(network, looked, _shape(x))[:, None]
    return network.answer(torch.where(read, noise, x), looked)


def by_weight(looked: Looked) -> Tensor:
    """The rank of each look in its image, the heaviest 0: int64 (N,).

    Weights sum to one in each fixation. Looks of equal weight go by time, the first first (so does a path of one cell a
    fixation), then by the glance's logit of their class, then as they come.
    """
    row, column = looked.cell.unbind(1)
    return _ranks(looked.image, looked.weight, -looked.time, looked.scores[looked.image, looked.kind - 1, row, column])


def by_occlusion(network: Network, x: Tensor, looked: Looked) -> Tensor:
    """The rank of each look by how much the answer's probability falls when its window alone is blank: int64 (N,).

    Occlusion sensitivity (Zeiler & Fergus 2014, section 4.2), one look at a time: the order that knows the effect,
    against which the order by weight is held.
    """
    whole = network.answer(x, looked).softmax(1)
    target = whole.argmax(1)
    place, windows = _ranks(looked.image), network.windows(looked)
    drop = torch.zeros_like(looked.weight)
    for number in range(_most(looked)):
        one = place == number
        blank = covered(windows[one], looked.image[one], _shape(x))[:, None]
        without = network.answer(x.masked_fill(blank, 0), looked).softmax(1)
        drop[one] = (_at(whole, target) - _at(without, target))[looked.image[one]].to(drop)
    return _ranks(looked.image, drop)


def at_random(looked: Looked, *parts: int | str) -> Tensor:
    """A random rank of each look in its image: int64 (N,)."""
    return _ranks(looked.image, noise_like(looked.weight, "order", *parts))


def curves(network: Network, x: Tensor, looked: Looked, ranks: Tensor, *, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Deletion and insertion (Petsiuk et al. 2018, RISE, section 3.4) by windows: float (B, steps + 1) each.

    Deletion: the probability of the original answer when the windows of the first 0, 1/steps, ..., 1 of an image's
    looks, in the order of `ranks`, are blank. Insertion: when those windows are shown and all else is blank. Blank is
    0, the background of a canvas. Windows overlap by their halos, so a look loses a rim with its neighbour.

    Deletion starts, and insertion ends, at the probability of the answer itself (the latter by the argument of
    `counterfactual`); at the other ends both are the same blank image.
    """
    target = network.answer(x, looked).argmax(1)
    count = torch.bincount(looked.image, minlength=len(x))
    windows, points = network.windows(looked), list[tuple[Tensor, Tensor]]()
    for step in range(steps + 1):
        first = ranks < torch.div(count * step + steps // 2, steps, rounding_mode="floor")[looked.image]
        shown = covered(windows[first], looked.image[first], _shape(x))[:, None]
        both = (x.masked_fill(shown, 0), x.masked_fill(~shown, 0))
        points.append(tuple(_at(network.answer(part, looked).softmax(1), target) for part in both))  # type: ignore[arg-type]
    deletion, insertion = (torch.stack(part, dim=1) for part in zip(*points, strict=True))
    return deletion, insertion


def area(curve: Tensor) -> Tensor:
    """The area under curves over [0, 1], by trapezoids: (..., points) to (...). Of deletion, less is better."""
    return torch.trapezoid(curve, dx=1 / (curve.shape[-1] - 1))


def _shape(x: Tensor) -> Shape:
    return len(x), x.shape[2], x.shape[3]


def _at(probabilities: Tensor, target: Tensor) -> Tensor:
    return probabilities.gather(1, target[:, None])[:, 0]


def _most(looked: Looked) -> int:
    """Looks of the image that was looked at most."""
    return int(torch.bincount(looked.image).max()) if len(looked.image) else 0


def _ranks(image: Tensor, *keys: Tensor) -> Tensor:
    """The place of each look in its image by falling keys, the first key first; ties keep their order."""
    order = torch.arange(len(image), device=image.device)
    for key in reversed(keys):
        order = order[torch.argsort(key[order], descending=True, stable=True)]
    order = order[torch.argsort(image[order], stable=True)]
    count = torch.bincount(image)
    start = count.cumsum(0) - count
    ranks = torch.empty_like(image)
    ranks[order] = torch.arange(len(image), device=image.device) - start[image[order]]
    return ranks
