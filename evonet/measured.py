"""What a package is worth on a split of the data, and the measured numbers of an export card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from evonet import __version__
from evonet.config import RunConfig
from evonet.errors import DataError, GenomeError, PackageError
from evonet.plan.types import Shape
from evonet.store import Run
from evonet.training.data import load_data

Split = Literal["train", "calibration", "validation", "choice", "test"]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What `evonet eval` says of a package."""

    data: str
    split: str
    input: Shape  # of an image
    packed: Shape  # what the package is for; with another `input`, it was expanded again
    images: int
    accuracy: float  # in [0, 1]
    loss: float  # cross-entropy, bits per label, probabilities mixed with 1 % uniform
    bytes: int
    macs: int  # per image
    weights: int
    connections: int
    sheets: int


def evaluate(package: bytes, *, spec: str, data_dir: Path | None, split: str, where: str) -> Evaluation:
    """Measure the network in `package` on a split of the data. `where` names the package in messages.

    Where the data's images are of another size, the genome is expanded for them, if its weights stay what they are.

    Raises:
        PackageError: the bytes are damaged.
        DataError: the data are missing, have no such split or other classes, or images that need other weights.
    """
    from evonet.network import decoded
    from evonet.package import unpack
    from evonet.training.batches import images_of
    from evonet.training.quality import quality

    if split not in get_args(Split):
        raise DataError(f"split {split!r}, expected one of {', '.join(get_args(Split))}.")
    try:
        held = unpack(package)
    except PackageError as e:
        raise PackageError(f"{where}: {e}") from e
    data = load_data(spec, data_dir)
    if data.classes != held.classes:
        raise DataError(f"{where}: the network tells {held.classes} classes apart, data {spec!r} have {data.classes}.")
    try:
        network = decoded(held, input=data.input)
    except GenomeError as e:
        came, wanted = ("x".join(map(str, shape)) for shape in (data.input, held.input))
        told = str(e).rstrip(".")
        raise DataError(f"{where}: packed for images of {wanted}, but data {spec!r} have {came}: {told}.") from e
    plan = network.plan
    index = getattr(data.splits, split)
    loss, accuracy = quality(network, images_of(data, cast("Split", split)))
    return Evaluation(
        data=spec,
        split=split,
        input=data.input,
        packed=held.input,
        images=len(index),
        accuracy=accuracy,
        loss=loss,
        bytes=len(package),
        macs=plan.costs.macs,
        weights=plan.costs.weights,
        connections=plan.costs.connections,
        sheets=len(plan.sheets),
    )


def card_of(
    opened: Run, individual: int, package: bytes, config: RunConfig, data_dir: Path | None
) -> dict[str, str | int | float]:
    """Measured numbers of an individual for its export card; the test split is read here and by `evonet eval` alone.

    Without the data the card says so in place of the test accuracy: an export needs no data set.
    """
    spec, folder = config.data.spec, data_dir or (Path(config.data.dir) if config.data.dir else None)
    card: dict[str, str | int | float] = {"run": opened.path.name, "individual": individual, "data": spec}
    try:
        test = evaluate(package, spec=spec, data_dir=folder, split="test", where=f"individual {individual}")
        card |= {"test accuracy": test.accuracy, "test loss (bits per label)": test.loss, "test images": test.images}
    except DataError as e:
        card["test accuracy"] = f"not measured: {e}"
    measures = opened.latest(individual)
    if measures is not None:
        card |= {
            "validation accuracy": measures.accuracy,
            "nonzero weights": measures.nonzero,
            "long share": measures.long_share,
        }
        card["training examples seen along the lineage"] = measures.seen
    return card | {"evonet": __version__}
