"""Models by name, as a plan of jobs writes them."""

from __future__ import annotations

import torch
from glance import Glance
from ladder import LADDER, Cnn
from macs import Counts, count
from rivals import BlobCrop
from torch import nn

from evonet import seeds
from evonet.training.clutter import Canvas

LIMIT = 20_000_000  # MACs: what is larger is timed, not trained
SMALLEST = 150_000
CROP = "blob-crop"
MIXED = "~mixed"  # ends the name of a model that is trained with corrupted canvases, too
KINDS = "a rung of the ladder, RUNG@box, blob-crop, glance-D-CELL, or saccade:GENOME.toml:SELECTOR; any with ~mixed"


def model_of(name: str, task: Canvas, seed: int = 0) -> nn.Module:
    """The model `name` with weights drawn by (seed, name). Raises ValueError for an unknown one."""
    torch.manual_seed(seeds.key("weights", name, seed))
    name = name.removesuffix(MIXED)
    rung, _, located = name.partition("@")
    if rung in LADDER and located in ("", "box"):
        return Cnn(LADDER[rung], located=bool(located))
    if name == CROP:
        return BlobCrop()
    if name.startswith("glance-"):
        return _glance(name)
    if name.startswith("saccade:"):
        from arms import saccade_of

        return saccade_of(name, task, seed)
    raise ValueError(f"model {name!r}, expected {KINDS}")


def _glance(name: str) -> Glance:
    try:
        _, down, cell = name.split("-")
        return Glance(int(down), int(cell))
    except ValueError as error:
        raise ValueError(f"model {name!r}, expected glance-D-CELL ({error})") from None


def counts_of(name: str, task: Canvas) -> Counts:
    """Of one image of the task's size."""
    model = model_of(name, task)
    if name.startswith("saccade:"):
        return model.counts()  # type: ignore[operator,no-any-return]
    return count(model, torch.zeros(1, 1, task.side, task.side))


def rungs(task: Canvas) -> list[str]:
    """The part of the ladder that is trained at this size, the cheapest first."""
    macs = {name: counts_of(name, task).macs for name in (*LADDER, CROP)}
    return sorted((name for name in macs if SMALLEST <= macs[name] <= LIMIT), key=lambda name: macs[name])
