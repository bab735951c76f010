"""Data sets and their splits: images in memory, every split fixed by a seed that is part of this file.

Splits (DESIGN invariant 4): train; calibration, a part of train, for the compression search; validation for breeding;
choice for the winner; test for `evonet eval` and the export card alone. No torch here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from evonet import seeds
from evonet.errors import DataError
from evonet.training.clutter import SIDES, Canvas, canvas_of
from evonet.training.sources import Bytes, Source, read_digits, read_idx, read_named_idx, read_npz
from evonet.training.tasks import LAGS, SCRAMBLES, make_lag, make_permuted, make_scramble
from evonet.training.words import mix

Indices = npt.NDArray[np.int32]

FEWEST = 20  # images: below, a split would be empty
CANVASES = 1  # version of how canvases are composed: with another, runs on canvases are other runs


@dataclass(frozen=True, eq=False)
class Splits:
    """Ascending indices into the images. All are disjoint, but for calibration, which lies within train."""

    train: Indices
    calibration: Indices
    validation: Indices
    choice: Indices
    test: Indices

    def __iter__(self) -> Iterator[Indices]:
        return (getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images uint8 (N, C, H, W) and labels uint8 (N,), read-only.

    A network sees `images / scale`, in [0, 1]. `fingerprint` is a hash of shapes, content and splits. With a `canvas`,
    the images are the digits that canvases are composed of (`evonet.training.canvases`), and a network sees those.
    """

    name: str
    images: Bytes
    labels: Bytes
    classes: int
    scale: float
    splits: Splits
    fingerprint: str
    canvas: Canvas | None = None

    @property
    def input(self) -> tuple[int, int, int]:
        """(channels, height, width) of what a network sees."""
        if self.canvas is not None:
            return 1, self.canvas.side, self.canvas.side
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def arrays(self) -> tuple[bytes, Bytes, Bytes, Indices]:
        """A small msgpack header, images, labels, and the splits one after the other; see `from_arrays`."""
        lengths = tuple(map(len, self.splits))
        header = _Header(self.name, self.classes, self.scale, self.fingerprint, lengths, self.canvas)
        return msgspec.msgpack.encode(header), self.images, self.labels, np.concatenate(list(self.splits))

    @staticmethod
    def from_arrays(header: bytes, images: Bytes, labels: Bytes, splits: Indices) -> DataSet:
        """The inverse of `arrays`; the images are shared, not copied."""
        head = msgspec.msgpack.decode(header, type=_Header)
        parts = Splits(*np.split(splits, np.cumsum(head.lengths)[:-1]))
        return DataSet(head.name, images, labels, head.classes, head.scale, parts, head.fingerprint, head.canvas)


class _Header(msgspec.Struct, frozen=True, array_like=True):
    name: str
    classes: int
    scale: float
    fingerprint: str
    lengths: tuple[int, ...]
    canvas: Canvas | None = None


def load_data(spec: str, data_dir: Path | str | None = None, base: Path | str | None = None) -> DataSet:
    """The data set that `spec` names, with its splits.

    Args:
        spec: "digits" (in the package), "mnist" (IDX files in `data_dir` or EVONET_DATA), "idx:FOLDER", "npz:FILE";
            made on the fly: "lag:R", "scramble:lattice", "scramble:scatter", "permuted" (`evonet.training.tasks`),
            "clutter:SIDE", "clutter:SIDE:ink" (`evonet.training.clutter`).
        data_dir: where named IDX data sets are looked for, before EVONET_DATA.
        base: the folder that a relative FOLDER or FILE starts from; the current folder if None.

    Raises:
        DataError: the spec is unknown, or the data are missing, damaged, too few, or of one class only.
    """
    folder = Path(data_dir) if data_dir else None
    if spec.startswith("clutter:"):
        return _on_canvases(canvas_of(spec.removeprefix("clutter:")), folder)
    return _data_set(_source(spec, folder, Path(base or ".")))


def _on_canvases(canvas: Canvas, data_dir: Path | None) -> DataSet:
    """MNIST, its splits as they are: a split's canvases show and are cut from that split's digits alone."""
    digits = _data_set(read_named_idx("mnist", data_dir))
    named = repr((CANVASES, canvas.side, canvas.clutter, canvas.count, digits.fingerprint)).encode()
    fingerprint = hashlib.blake2b(named, digest_size=16).hexdigest()
    return replace(digits, name=canvas.name, canvas=canvas, fingerprint=fingerprint)


def _source(spec: str, data_dir: Path | None, base: Path) -> Source:
    kind, _, rest = spec.partition(":")
    match kind, rest:
        case "digits", "":
            return read_digits()
        case "mnist", "":
            return read_named_idx("mnist", data_dir)
        case "permuted", "":
            return make_permuted(data_dir)
        case "scramble", _ if rest in SCRAMBLES:
            return make_scramble(rest, data_dir)
        case "lag", _ if rest in map(str, LAGS):
            return make_lag(int(rest))
        case (("idx" | "npz"), _) if rest:
            read = read_idx if kind == "idx" else read_npz
            path = base / Path(rest).expanduser()
            return read(path, name=f"{kind}:{path.name}")
    raise DataError(
        f"data {spec!r} is unknown, expected digits, mnist, idx:FOLDER, npz:FILE, lag:R with R in "
        f"{LAGS[0]}..{LAGS[-1]}, permuted, scramble:{' or scramble:'.join(SCRAMBLES)}, or clutter:SIDE or "
        f"clutter:SIDE:ink with SIDE in {SIDES[0]}..{SIDES[-1]}."
    )


def _data_set(source: Source) -> DataSet:
    trainable = len(source.labels) - source.own_test
    classes = int(source.labels.max()) + 1
    if trainable < FEWEST or classes < 2:
        raise DataError(
            f"data {source.name!r}: {trainable} images of {classes} classes, expected at least {FEWEST} of at least 2."
        )
    splits = split(source.labels, own_test=source.own_test, held=source.held)
    for array in (source.images, source.labels, *splits):
        array.setflags(write=False)
    fingerprint = _fingerprint(source, splits)
    return DataSet(source.name, source.images, source.labels, classes, source.scale, splits, fingerprint)


def split(labels: Bytes, *, own_test: int = 0, held: tuple[int, int] | None = None) -> Splits:
    """Fixed, stratified splits of N items, the last `own_test` of which are the test split (if 0: 20 % of all).

    Of the n others: validation and choice as many as `held` says (None: 15 % and 10 %, at most 5,000 each), the rest
    is train; calibration is at most 2,000 of train.
    """
    n = len(labels) - own_test
    order = stratified_order(labels[:n], seed=seeds.key("split", 1))
    held = held or (min(5000, n * 15 // 100), min(5000, n * 10 // 100))
    sizes = [0 if own_test else n * 20 // 100, *held]
    test, validation, choice, train = np.split(order, np.cumsum(sizes))
    if own_test:
        test = np.arange(n, len(labels))
    return Splits(*(np.sort(part).astype(np.int32) for part in (train, train[:2000], validation, choice, test)))


def stratified_order(labels: Bytes, *, seed: int) -> npt.NDArray[np.int64]:
    """A permutation of the items, any slice of which holds every class in (nearly) its share of the whole.

    An item's place is its rank among its class, in hash order, as a fraction of the class; ties go by hash.
    """
    word = mix(np.arange(len(labels), dtype=np.uint64), seed=seed)
    by_class = np.lexsort((word, labels))
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(labels)) - starts[labels[by_class]]
    place = np.empty(len(labels))
    place[by_class] = (rank + 0.5) / counts[labels[by_class]]  # exact IEEE division: the same order on every machine
    return np.lexsort((word, place))


def _fingerprint(source: Source, splits: Splits) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((source.scale, source.images.shape, [len(part) for part in splits])).encode())
    little_endian: list[npt.NDArray[Any]] = [part.astype("<i4") for part in splits]
    for array in (source.images, source.labels, *little_endian):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
