"""Where the network in a package looks, for images of a data set; and the measures of that over many images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evonet import seeds
from evonet.errors import DataError, GenomeError, PackageError
from evonet.evaluation.attention import Attention, Chunk, measure
from evonet.evaluation.looks import alone, read_pixels
from evonet.network import Network
from evonet.network.looking import Looked
from evonet.plan import Tap
from evonet.plan.types import Eye, SaccadePlan
from evonet.report.attention import Attended, Look, Window
from evonet.training.batches import images_of
from evonet.training.data import DataSet, load_data
from evonet.training.images import Canvases, Images

#: The test split is read by `evonet eval` alone (DESIGN invariant 4), and a picture is a look at it.
Split = Literal["train", "calibration", "validation", "choice"]
CHUNK = 50  # images measured at once

Shown = tuple[Attended, NDArray[np.float32]]


def attend(
    package: bytes, *, spec: str, data_dir: Path | None, split: str, indices: Sequence[int], where: str
) -> list[Shown]:
    """What the answers for images `indices` of a split rest on, each with its image (C, H, W) in [0, 1].

    `where` names the package in messages.

    Raises:
        PackageError: the bytes are damaged.
        GenomeError: the network has no saccade gene, so it looks everywhere.
        DataError: the data are missing, are not of the network's shape, or have no such split or image.
    """
    network, saccade, images = _opened(package, spec, data_dir, split, where)
    for index in indices:
        if not 0 <= index < len(images):
            raise DataError(
                f"--index {index}: expected 0..{len(images) - 1}, {spec} {split} has {len(images):,} images."
            )
    shown = []
    for index in indices:  # one at a time: an image is then answered alike, whatever others are asked for
        chunk = next(_chunks(images.take(torch.tensor([index]))))
        shown.append((_attended(network, saccade, chunk, spec, split, index), chunk.images[0].numpy()))
    return shown


def attention(
    package: bytes, *, spec: str, data_dir: Path | None, split: str, images: int | None, where: str
) -> Attention:
    """The measures over at most so many images of a split, evenly spaced; None: over all. Raises as `attend`."""
    network, _, found = _opened(package, spec, data_dir, split, where)
    return measure(network, _chunks(found if images is None else found.sample(images)))


def _opened(
    package: bytes, spec: str, data_dir: Path | None, split: str, where: str
) -> tuple[Network, SaccadePlan, Images]:
    from evonet.network import decoded
    from evonet.package import unpack

    if split not in get_args(Split):
        only = " The test split is read by evonet eval alone." if split == "test" else ""
        raise DataError(f"split {split!r}, expected one of {', '.join(get_args(Split))}.{only}")
    try:
        network = decoded(unpack(package))
    except PackageError as e:
        raise PackageError(f"{where}: {e}") from e
    if network.plan.saccade is None:
        raise GenomeError(
            f"{where}: the network looks everywhere: it has no saccade gene. "
            f"What it is wired to shows evonet show {where}"
        )
    data = load_data(spec, data_dir)
    _check_shape(network, data, spec, where)
    return network, network.plan.saccade, images_of(data, cast("Split", split))


def _check_shape(network: Network, data: DataSet, spec: str, where: str) -> None:
    plan = network.plan
    if (data.input, data.classes) != (plan.input, plan.classes):
        wanted, came = (
            f"{'x'.join(map(str, s))} and {n} classes"
            for s, n in ((plan.input, plan.classes), (data.input, data.classes))
        )
        raise DataError(f"{where}: the network is for images of {wanted}, data {spec!r} have {came}.")


def _chunks(images: Images) -> Iterator[Chunk]:
    """Canvases with the boxes of their digits, and the same digits among other clutter; other images as they are."""
    if not isinstance(images, Canvases):
        yield from (Chunk(x, labels) for x, labels in images.chunks(CHUNK))
        return
    others = images.among(seeds.key("swap", 1))
    for scene, other in zip(images.scenes(CHUNK), others.scenes(CHUNK), strict=True):
        x, swapped = (one.images.float() / images.scale for one in (scene, other))
        yield Chunk(x, scene.labels, scene.boxes, swapped)


def _attended(network: Network, saccade: SaccadePlan, chunk: Chunk, spec: str, split: str, index: int) -> Attended:
    x, boxes = chunk.images, chunk.boxes
    with torch.no_grad():
        logits, looked = network.look(x)
        windows = network.windows(looked)
    answer, used = int(logits[0].argmax()), int(looked.fixations[0])
    probabilities = looked.answers[0].double().softmax(1)[:, answer]
    read = read_pixels(network, looked, (1, x.shape[2], x.shape[3]))
    looks = _looks(looked, windows, (x.shape[2], x.shape[3]), timed=used > 0)
    return Attended(
        data=spec,
        split=split,
        index=index,
        label=int(chunk.labels[0]),
        answer=answer,
        probability=float(probabilities[-1]),
        form=saccade.form,
        alone=alone(network.plan),
        fixations=used,
        cell=saccade.cell,
        grid=saccade.grid,
        cells=len({look.cell for look in looks}),
        pixels=float(read.double().mean()),
        macs=network.plan.costs.macs,
        looks=looks,
        probabilities=tuple(probabilities[: max(1, used)].tolist()),
        classes=tuple(f"class {k}: {_motifs(eye)}" for k, eye in enumerate(saccade.eyes, 1)),
        box=None if boxes is None else cast("Window", tuple(boxes[0].tolist())),
    )


def _looks(looked: Looked, windows: Tensor, size: tuple[int, int], *, timed: bool) -> tuple[Look, ...]:
    """Of one image: by time, at equal times by weight, then from the top left."""
    height, width = size
    windows = torch.minimum(windows.clamp(min=0), torch.tensor([height, width, height, width]))
    rows = zip(
        looked.time.tolist(), looked.weight.tolist(), looked.cell.tolist(), looked.kind.tolist(), windows.tolist(),
        strict=True,
    )  # fmt: skip
    ordered = sorted(rows, key=lambda row: (row[0], -row[1], row[2]))
    return tuple(
        Look(
            number=number,
            fixation=time + 1 if timed else 0,
            kind=kind,
            cell=(cell[0], cell[1]),
            window=cast("Window", tuple(window)),
            weight=weight,
        )
        for number, (time, weight, cell, kind, window) in enumerate(ordered, 1)
    )


def _motifs(eye: Eye) -> str:
    """What the sheets of the eye are wired to, one after another: "5x5, 3x3"."""
    return ", ".join(_extent(sheet.incoming[0].stages[0].taps) for sheet in eye.sheets)


def _extent(taps: Sequence[Tap]) -> str:
    height, width = (max(tap[axis] for tap in taps) - min(tap[axis] for tap in taps) + 1 for axis in (0, 1))
    return f"{height}x{width}" if len(taps) == height * width else f"{len(taps)} taps in {height}x{width}"
