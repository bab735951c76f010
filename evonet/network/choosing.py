"""Which cells of the coarse grid are looked at, and by which class, from the logits of the glance.

A cell is one of K + 1 things: none (class 0, whose logit is 0) or of class 1..K. Pure tensor functions; everywhere

    logits (B, K, cells): of classes 1..K of B images; a cell is the flat index row x columns + column
    score:  the log-odds of class k against all else that the cell could be, log p_k - log(1 - p_k). It orders as the
            log-probability does, but does not round to the same number for all cells that are sure: with one class it
            is the logit itself.

Logits may be any float but NaN: what is infinite or huge is brought within a finite range first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Choice:
    """N looks of B images: class by class, within a class image by image, within an image the best first.

    log_weight: (N,) float, log of the look's weight in the mean of its image: log softmax of the chosen logits over the
    image's looks, as `weights` gives it; differentiable.
    """

    image: Tensor  # (N,) int64, in 0..B-1
    cell: Tensor  # (N,) int64, in 0..cells-1; no cell twice in one image
    kind: Tensor  # (N,) int64, class in 1..K
    log_weight: Tensor


def choose(
    logits: Tensor,
    budgets: Sequence[int],
    *,
    threshold: bool,
    noise: Tensor | None = None,
    taken: Tensor | None = None,
) -> Choice:
    """Classes 1, 2, ..., K in this order take their best cells, budgets[k - 1] of them, among those not taken.

    Equal scores go to the lower cell, on every device (a stable sort). A class with budget 0 does not exist: it takes
    nothing and no probability.

    Args:
        threshold: a class takes at most its budget, and only cells of which it is the most probable class, none
            included (so its logit is above 0); equal ones go to the lower class. An image without such a cell gets its
            one best look, so that there is always an answer. Waits for the device, because the number of looks varies;
            without `threshold` N = B x sum(budgets), and nothing waits.
        noise: as `logits`, added to the scores, and to the logits before they are compared with 0. From `gumbel` and
            for one class, cells are drawn without replacement from the softmax of the logits over the cells
            (Gumbel-top-k: Kool et al. 2019, "Stochastic beams and where to find them").
        taken: (B, cells) bool, cells that are not to be looked at (inhibition of return). At least sum(budgets) cells
            of every image must be free, with `threshold` one; checked where that costs no waiting, on a CPU.

    Raises:
        ValueError: logits of another shape, budgets that are negative, of another number than classes, all 0, or in
            sum more than there are cells or than are free; noise or taken of another shape.
    """
    _check(logits, budgets, threshold=threshold, noise=noise, taken=taken)
    with torch.no_grad():
        masked, scores = _scores(logits, budgets, noise)
        if threshold:
            scores = scores.masked_fill(~_expressed(masked, scores, taken), -torch.inf)
        elif taken is not None:
            scores = scores.masked_fill(taken[:, None], -torch.inf)
        looks = _looks(scores, budgets, ragged=threshold)
        image, cell, kind = looks[0] if len(looks) == 1 else (torch.cat(part) for part in zip(*looks, strict=True))
    return Choice(image, cell, kind, _log_weights(logits, image, cell, kind))


def weights(choice: Choice, logits: Tensor) -> Tensor:
    """(N,) weights of the looks in the mean of their image: softmax of their class logits over the image's looks.

    They sum to one per image, for any number of looks per image, and are differentiable in `logits` (B, K, cells).
    """
    return _log_weights(logits, choice.image, choice.cell, choice.kind).exp()


def gumbel(shape: Sequence[int], key: int, device: torch.device | str = "cpu") -> Tensor:
    """Standard Gumbel noise, float32, finite (within -3.7 and 36.8): a function of `key` (`evonet.seeds.key`) alone."""
    # On the CPU and in float64, so that the device changes nothing; 0 and 1 would be infinite.
    u = uniform(shape, key).clamp(2.0**-54, 1 - 2.0**-53)
    return (-torch.log(-torch.log(u))).float().to(device)


def uniform(shape: Sequence[int], key: int, device: torch.device | str = "cpu") -> Tensor:
    """Uniform in [0, 1), float64 (a float32 might round up to 1): a function of `key` alone, as `gumbel`."""
    generator = torch.Generator().manual_seed(key)
    return torch.rand(tuple(shape), generator=generator, dtype=torch.float64).to(device)


def finite(logits: Tensor) -> Tensor:
    """`logits` within +- 1/64 of the largest number of their type, so that differences and tenfolds are finite too."""
    bound = torch.finfo(logits.dtype).max / 64
    return logits.clamp(-bound, bound)


def _scores(logits: Tensor, budgets: Sequence[int], noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """(noisy logits, noisy scores), both (B, K, cells); -inf for classes without a budget."""
    known = finite(logits)
    if not all(budgets):  # stacked of rows, so that nothing is copied from the host: a CUDA graph may hold this
        absent = torch.full_like(known[:, 0], -torch.inf)
        known = torch.stack([known[:, k] if n else absent for k, n in enumerate(budgets)], dim=1)
    if len(budgets) == 1:  # the log-odds against none, whose logit is 0
        return (known, known) if noise is None else (known + noise, known + noise)
    none = torch.zeros_like(known[:, :1])
    rest = [
        torch.cat((none, known[:, :k], known[:, k + 1 :]), dim=1).logsumexp(1) if n else none[:, 0]
        for k, n in enumerate(budgets)
    ]
    scores = known - torch.stack(rest, dim=1)
    return (known, scores) if noise is None else (known + noise, scores + noise)


def _expressed(logits: Tensor, scores: Tensor, taken: Tensor | None) -> Tensor:
    """(B, K, cells) bool: free cells of which the class is the most probable; for images without one, their best look.

    Torch's argmax gives the first of equals on every device.
    """
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None]
    expressed = (logits > 0) & (logits.argmax(1, keepdim=True) == classes)
    if taken is not None:
        expressed, scores = expressed & ~taken[:, None], scores.masked_fill(taken[:, None], -torch.inf)
    flat = scores.flatten(1)
    best = torch.zeros_like(flat, dtype=torch.bool).scatter(1, flat.argmax(1, keepdim=True), True)
    blank = ~expressed.flatten(1).any(1)
    return expressed | (blank[:, None] & best).view_as(expressed)


def _looks(scores: Tensor, budgets: Sequence[int], *, ragged: bool) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(image, cell, kind) of each class in turn, `ragged`: without those of -inf, which are not to be looked at.

    Scores of a class with a budget are finite: what is merely improbable comes before what is taken.
    """
    images = torch.arange(len(scores), device=scores.device)[:, None]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for k, n in enumerate(budgets):
        if n == 0:
            continue
        known = scores[:, k]
        for image, cell, _ in found:
            known = known.index_put((image, cell), torch.full_like(cell, -torch.inf, dtype=known.dtype))
        order = _best(known, n)
        image, cell = images.expand_as(order).flatten(), order.flatten()
        if ragged:
            kept = known.gather(1, order).flatten() != -torch.inf  # NaN is kept, and told by the answer
            image, cell = image[kept], cell[kept]
        found.append((image, cell, torch.full_like(cell, k + 1)))
    return found


def _best(scores: Tensor, n: int) -> Tensor:
    """(B, n) cells in the order of their scores (B, cells), equal ones in their own; those of -inf in any.

    A stable sort. Where the n + 1 best all differ there is no other order, and a CPU finds them without sorting: among
    4,096 cells in a thirtieth of the time. Elsewhere it would have to be waited for to know whether they differ.
    """
    if scores.device.type == "cpu":
        best = scores.topk(min(n + 1, scores.shape[1]), dim=1)
        equal = (best.values[:, 1:] == best.values[:, :-1]) & (best.values[:, 1:] > -torch.inf)
        if not equal.any():
            return best.indices[:, :n]
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :n]


def _log_weights(logits: Tensor, image: Tensor, cell: Tensor, kind: Tensor) -> Tensor:
    """Log-softmax of the looks' logits, (N,), over the looks of each image."""
    chosen = finite(logits[image, kind - 1, cell])
    highest = chosen.new_full((len(logits),), -torch.inf).scatter_reduce(0, image, chosen.detach(), "amax")
    shifted = chosen - highest[image]
    total = torch.zeros_like(highest).index_add(0, image, shifted.exp())
    return shifted - total.log()[image]


def _check(
    logits: Tensor, budgets: Sequence[int], *, threshold: bool, noise: Tensor | None, taken: Tensor | None
) -> None:
    if logits.dim() != 3 or 0 in logits.shape[1:]:
        raise ValueError(f"logits of shape {tuple(logits.shape)}, expected (images, classes, cells), none of them 0")
    _, classes, cells = logits.shape
    if len(budgets) != classes or min(budgets) < 0 or sum(budgets) == 0:
        raise ValueError(
            f"budgets = {list(budgets)}, expected one of 0 or more for each of {classes} classes, not all 0"
        )
    if sum(budgets) > cells:
        raise ValueError(
            f"budgets = {list(budgets)} are {sum(budgets)} cells, expected at most the {cells} of the grid. "
            "A cell has one class: lower the budgets, or take smaller cells."
        )
    if noise is not None and noise.shape != logits.shape:
        raise ValueError(f"noise of shape {tuple(noise.shape)}, expected that of the logits, {tuple(logits.shape)}")
    if taken is None:
        return
    if taken.shape != (len(logits), cells) or taken.dtype != torch.bool:
        raise ValueError(f"taken is {taken.dtype} {tuple(taken.shape)}, expected bool {(len(logits), cells)}")
    needed = 1 if threshold else sum(budgets)
    if taken.device.type == "cpu" and len(taken) and (least := cells - int(taken.sum(1).max())) < needed:
        raise ValueError(f"taken leaves {least} of {cells} cells of an image free, expected at least {needed}")
