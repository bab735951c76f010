"""What a package is worth on a split of the data, and the measured numbers of an export card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal, cast, get_args

import msgspec

from evonet import __version__
from evonet.config import RunConfig
from evonet.errors import DataError, GenomeError, PackageError
from evonet.plan.types import Shape
from evonet.store import Run
from evonet.training.data import load_data

if TYPE_CHECKING:
    from evonet.network import Network
    from evonet.package import Package
    from evonet.training.data import DataSet
    from evonet.training.images import Images

Split = Literal["train", "calibration", "validation", "choice", "test"]


class Corruption(msgspec.Struct, frozen=True, kw_only=True):
    """The same images under one corruption, or the mean over several."""

    name: str
    accuracy: float  # in [0, 1]
    loss: float  # bits per label, as of the images themselves


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    corruptions: tuple[Corruption, ...] = ()  # with their mean, where there are several
    # Where the speed was asked for: milliseconds of a forward pass.
    milliseconds: float | None = None  # of one image, as the default cost table predicts
    single_ms: float | None = None  # of one image, wall time on one thread
    batched_ms: float | None = None  # of an image of a batch of 64, likewise


def evaluate(
    package: bytes,
    *,
    spec: str,
    data_dir: Path | None,
    split: str,
    where: str,
    corruptions: Sequence[str] = (),
    timed: bool = False,
) -> Evaluation:
    """Measure the network in `package` on a split of the data, and on the same images under each of `corruptions`.

    `timed`: how long it takes, too. `where` names the package in messages; "all" among the corruptions means the
    fifteen of MNIST-C.

    Where the data's images are of another size, the genome is expanded for them, if its weights stay what they are.

    Raises:
        PackageError: the bytes are damaged.
        DataError: the data are missing, have no such split or other classes, or images that need other weights; or a
            corruption is unknown.
    """
    from evonet.package import unpack
    from evonet.training.batches import images_of
    from evonet.training.corruptions import chosen
    from evonet.training.quality import quality

    names = chosen(corruptions)
    if split not in get_args(Split):
        raise DataError(f"split {split!r}, expected one of {', '.join(get_args(Split))}.")
    try:
        held = unpack(package)
    except PackageError as e:
        raise PackageError(f"{where}: {e}") from e
    data = load_data(spec, data_dir)
    network = _fitted(held, data, where)
    plan, images = network.plan, images_of(data, cast("Split", split))
    loss, accuracy = quality(network, images)
    return Evaluation(
        data=spec,
        split=split,
        input=data.input,
        packed=held.input,
        images=len(images),
        accuracy=accuracy,
        loss=loss,
        bytes=len(package),
        macs=plan.costs.macs,
        weights=plan.costs.weights,
        connections=plan.costs.connections,
        sheets=len(plan.sheets),
        corruptions=_corrupted(network, images, names),
        **(_times(network, images) if timed else {}),
    )


def _fitted(held: Package, data: DataSet, where: str) -> Network:
    """The network of a package, for the images of `data`."""
    from evonet.network import decoded

    if data.classes != held.classes:
        raise DataError(
            f"{where}: the network tells {held.classes} classes apart, data {data.name!r} have {data.classes}."
        )
    try:
        return decoded(held, input=data.input)
    except GenomeError as e:
        came, wanted = ("x".join(map(str, shape)) for shape in (data.input, held.input))
        told = str(e).rstrip(".")
        raise DataError(f"{where}: packed for images of {wanted}, but data {data.name!r} have {came}: {told}.") from e


def _times(network: Network, images: Images) -> dict[str, float]:
    from evonet.evaluation.walltime import wall_times
    from evonet.plan.lowering import forward_milliseconds
    from evonet.timing import CostTable

    single, batched = wall_times(network, images)
    return {
        "milliseconds": forward_milliseconds(network.plan, CostTable()),
        "single_ms": single,
        "batched_ms": batched,
    }


def _corrupted(network: Network, images: Images, names: Sequence[str]) -> tuple[Corruption, ...]:
    from evonet.training.corruptions import Corrupted
    from evonet.training.quality import quality

    found = []
    for name in names:
        loss, accuracy = quality(network, Corrupted(images, name))
        found.append(Corruption(name=name, accuracy=accuracy, loss=loss))
    if len(found) > 1:
        accuracy, loss = fmean(c.accuracy for c in found), fmean(c.loss for c in found)
        found.append(Corruption(name="mean", accuracy=accuracy, loss=loss))
    return tuple(found)


_ASKED = {
    "corrupted_accuracy": "validation accuracy under training corruptions",
    "milliseconds": "milliseconds an image, predicted by the run's cost table",
}


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
        asked = {words: getattr(measures, name) for name, words in _ASKED.items()}
        card |= {words: value for words, value in asked.items() if value is not None}
        card["training examples seen along the lineage"] = measures.seen
    return card | {"evonet": __version__}
