"""The measures of a network that looks, over many images: where it looks, and whether its answers rest on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor

from evonet.evaluation import faithfulness, looks
from evonet.network import Network
from evonet.network.looking import Looked
from evonet.plan.types import SaccadePlan


class Chunk(NamedTuple):
    """Some images, and what the data know of them; of all chunks alike."""

    images: Tensor  # (B, C, H, W) in [0, 1]
    labels: Tensor  # (B,)
    boxes: Tensor | None = None  # (B, 4) int64 of the objects: y0, x0, y1, x1
    swapped: Tensor | None = None  # (B, C, H, W): the same objects in the same places, among other clutter


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Probability of the original answer, mean of all images, after each tenth of the looks in one order."""

    order: str  # by "weight", by "occlusion", at "random"
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion_area: float  # in [0, 1]; less is better
    insertion_area: float  # in [0, 1]; more is better


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """Means over images; shares in [0, 1]. What needs boxes, or other clutter, is None where the data have none."""

    images: int
    # Whether nothing but the looks' windows reaches an answer, cells and weights held; then `changed` is 0 by
    # construction.
    alone: bool
    accuracy: float
    cells: float  # looked at, per image
    fixations: float  # used, per image; 0 for looks all at once
    pixels: float  # share that any look could read
    hit: float | None  # images where a cell that overlaps the box was looked at
    hit_chance: float | None  # the same by as many cells at random, exactly
    centre: float | None  # images where the cell with the middle of the box was looked at
    centre_chance: float | None
    ink: float | None  # of what is in the box, the share that was read
    counterfactual: float  # the largest change of any logit of any image, noise in all that was not read
    changed: float  # images with any change at all
    reweighed: float  # as `counterfactual`, but in the same cells each look weighs what the glance makes of it now
    reweighed_changed: float  # images whose answer that changes
    necessity_accuracy: float  # noise in all that was read
    necessity_changed: float  # images whose answer it changes
    swap_hit: float | None  # hits of another look, among other clutter
    swap_same: float | None  # images with the same answer then
    curves: tuple[Curve, ...]


def measure(network: Network, chunks: Iterable[Chunk], *, seed: int = 0) -> Attention:
    """Measure `network` over `chunks`.

    Noise is drawn by (seed, number of the chunk), so equal chunks give equal measures.

    Raises ValueError if the network has no saccade gene, or there are no images.
    """
    grid = network.plan.saccade
    if grid is None:
        raise ValueError("the network looks everywhere: its genome has no saccade gene")
    parts = defaultdict[str, list[Tensor]](list)
    with torch.no_grad():
        for number, chunk in enumerate(chunks):
            for name, values in _measured(network, grid, chunk, (seed, number)).items():
                parts[name].append(values)
    if not parts:
        raise ValueError("no images, expected at least one")
    whole = {name: torch.cat(values) for name, values in parts.items()}
    means = {name: float(values.double().mean()) for name, values in whole.items() if values.dim() == 1}
    named = {name: means.get(name) for name in Attention.__struct_fields__ if name not in ("images", "alone", "curves")}
    named |= {"counterfactual": float(whole["change"].max()), "reweighed": float(whole["reweighed"].max())}
    curves = tuple(_curve(order, whole) for order in ("weight", "occlusion", "random"))
    alone = looks.alone(network.plan)
    return Attention(images=len(whole["accuracy"]), alone=alone, curves=curves, **named)  # type: ignore[arg-type]


def _measured(network: Network, grid: SaccadePlan, chunk: Chunk, key: tuple[int, int]) -> dict[str, Tensor]:
    """Values per image: (B,), of curves (B, points)."""
    x = chunk.images
    logits, looked = network.look(x)
    shape = (len(x), x.shape[2], x.shape[3])
    read = looks.read_pixels(network, looked, shape)
    noise = faithfulness.noise_like(x, "noise", *key)
    change = faithfulness.counterfactual(network, x, looked, noise)
    again = faithfulness.reweighed(network, x, looked, noise)
    blind = faithfulness.necessity(network, x, looked, noise).argmax(1)
    answer = logits.argmax(1)
    found = {
        "accuracy": answer == chunk.labels,
        "cells": looks.looked_cells(looked, grid.grid).flatten(1).sum(1),
        "fixations": looked.fixations,
        "pixels": read.flatten(1).double().mean(1),
        "change": change,
        "changed": change > 0,
        "reweighed": faithfulness.changes(again, logits),
        "reweighed_changed": again.argmax(1) != answer,
        "necessity_accuracy": blind == chunk.labels,
        "necessity_changed": blind != answer,
        **_curves(network, x, looked, key),
    }
    if chunk.boxes is not None:
        found |= _objects(grid, chunk.boxes, looked)
        found["ink"] = looks.ink_coverage(x, chunk.boxes, read)
    if chunk.boxes is not None and chunk.swapped is not None:
        other, looked = network.look(chunk.swapped)
        found["swap_hit"] = _objects(grid, chunk.boxes, looked)["hit"]
        found["swap_same"] = other.argmax(1) == answer
    return found


def _objects(grid: SaccadePlan, boxes: Tensor, looked: Looked) -> dict[str, Tensor]:
    """Whether the looks are on the objects, and would be by chance."""
    on_box = looks.box_cells(boxes, grid.cell, grid.grid)
    on_centre = looks.centre_cells(boxes, grid.cell, grid.grid)
    return {
        "hit": looks.hits(looked, on_box),
        "hit_chance": looks.chance(looked, on_box),
        "centre": looks.hits(looked, on_centre),
        "centre_chance": looks.chance(looked, on_centre),
    }


def _curves(network: Network, x: Tensor, looked: Looked, key: tuple[int, int]) -> dict[str, Tensor]:
    orders = {
        "weight": faithfulness.by_weight(looked),
        "occlusion": faithfulness.by_occlusion(network, x, looked),
        "random": faithfulness.at_random(looked, *key),
    }
    found = {}
    for name, ranks in orders.items():
        found[f"deletion {name}"], found[f"insertion {name}"] = faithfulness.curves(network, x, looked, ranks)
    return found


def _curve(order: str, whole: dict[str, Tensor]) -> Curve:
    deletion, insertion = (whole[f"{kind} {order}"].double().mean(0) for kind in ("deletion", "insertion"))
    return Curve(
        order=order,
        deletion=tuple(deletion.tolist()),
        insertion=tuple(insertion.tolist()),
        deletion_area=float(faithfulness.area(deletion)),
        insertion_area=float(faithfulness.area(insertion)),
    )
