"""Where images come from: the packaged digits, IDX folders (MNIST's format), npz files. Files in, checked arrays out.

IDX: two zero bytes, a type byte (8 = unsigned byte), the number of dimensions, the dimensions as big-endian
32-bit integers, the values. http://yann.lecun.com/exdb/mnist/ ("the IDX file format").
"""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evonet.errors import DataError

Bytes = npt.NDArray[np.uint8]

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST = 2**31  # bytes of one array: a damaged or hostile header must not make us allocate more
DIGITS = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False)
class Source:
    """Images (N, C, H, W) with labels (N,). The last `own_test` of them are the source's own test split."""

    name: str
    images: Bytes
    labels: Bytes
    own_test: int  # 0: it has none
    scale: float  # the pixel value that means 1.0
    held: tuple[int, int] | None = None  # images for validation and choice; None: the usual shares


def read_digits() -> Source:
    """UCI optical digits, 1,797 of 8x8, pixels 0..16; licence in digits-LICENSE.txt."""
    return read_npz(DIGITS, name="digits", scale=16.0)


def read_named_idx(name: str, data_dir: Path | None) -> Source:
    """`name`'s IDX files from `data_dir` or EVONET_DATA, directly or in a sub-folder `name`.

    Raises:
        DataError: none of the folders has all four files; the message says which files, and where to put them.
    """
    roots = [Path(root).expanduser() for root in (data_dir, os.environ.get("EVONET_DATA")) if root]
    folders = [folder for root in roots for folder in (root / name, root)]
    for folder in folders:
        if all(_find(folder, file) for file in IDX_FILES):
            return read_idx(folder, name=name)
    looked = ", ".join(str(folder) for folder in folders) or "nowhere: neither --data-dir nor EVONET_DATA is set"
    raise DataError(
        f"data {name!r} is not there (looked in: {looked}). Put {', '.join(IDX_FILES)} "
        f"(each plain or .gz) into a folder DIR and pass --data-dir DIR, or set EVONET_DATA=DIR."
    )


def read_idx(folder: Path, *, name: str) -> Source:
    """The four IDX files of `folder`, gzip or not; the t10k files are the test split.

    Raises:
        DataError: a file is missing, damaged (with its offset), or does not fit the others.
    """
    found = [_find(folder, file) for file in IDX_FILES]
    if missing := [file for file, path in zip(IDX_FILES, found, strict=True) if path is None]:
        raise DataError(f"{folder}: expected {', '.join(missing)} (plain or .gz), found none. Put the IDX files there.")
    images, labels, test_images, test_labels = (_read_idx_file(path) for path in found if path)
    return _source(name, (images, labels), (test_images, test_labels), where=str(folder), scale=255.0)


def read_npz(path: Path, *, name: str, scale: float = 255.0) -> Source:
    """`images`, `labels` and optionally `test_images`, `test_labels`.

    Images are uint8 (N, H, W), (N, C, H, W) or (N, H, W, 1 or 3); labels are integers in 0..255.

    Raises:
        DataError: the file is missing, damaged, holds objects, lacks an array, or an array does not fit.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an npz with the arrays images and labels.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = set(archive.files)
            arrays = {key: np.asarray(archive[key]) for key in _NPZ_ARRAYS if key in names}
    except _UNREADABLE as error:
        raise DataError(f"{path}: not a readable npz of plain arrays ({error}). Write it with numpy.savez.") from error
    if missing := {"images", "labels"} - arrays.keys():
        raise DataError(f"{path}: expected an array {sorted(missing)[0]!r}, found {sorted(names)}.")
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise DataError(f"{path}: expected test_images and test_labels together or neither, found one of them.")
    test = (arrays["test_images"], arrays["test_labels"]) if "test_images" in arrays else None
    return _source(name, (arrays["images"], arrays["labels"]), test, where=str(path), scale=scale)


_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)  # what numpy and zipfile raise for damaged or foreign files
_NPZ_ARRAYS = ("images", "labels", "test_images", "test_labels")
_Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _source(name: str, train: _Pair, test: _Pair | None, *, where: str, scale: float) -> Source:
    images, labels = _checked(train, where=where, prefix="")
    if test is None:
        return Source(name, images, labels, 0, scale)
    test_images, test_labels = _checked(test, where=where, prefix="test_")
    if test_images.shape[1:] != images.shape[1:]:
        raise DataError(
            f"{where}: test images are {test_images.shape[1:]}, expected {images.shape[1:]} like the others."
        )
    if int(test_labels.max()) > int(labels.max()):
        raise DataError(
            f"{where}: test label {test_labels.max()}, expected 0..{labels.max()}, the labels of the training images."
        )
    joined = np.concatenate([images, test_images]), np.concatenate([labels, test_labels])
    return Source(name, *joined, len(test_labels), scale)


def _checked(pair: _Pair, *, where: str, prefix: str) -> tuple[Bytes, Bytes]:
    """Images as (N, C, H, W) and labels as uint8 (N,), or DataError."""
    images, labels = pair
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(
            f"{where}: {prefix}images is {images.dtype} {images.shape}, "
            f"expected uint8 (N, H, W), (N, C, H, W) or (N, H, W, 1 or 3), none of them 0."
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise DataError(
            f"{where}: {prefix}labels is {labels.dtype} {labels.shape}, expected integers ({len(images)},): one each."
        )
    if int(labels.min()) < 0 or int(labels.max()) > 255:
        raise DataError(f"{where}: {prefix}labels reach {labels.min()}..{labels.max()}, expected 0..255.")
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), labels.astype(np.uint8)


def _find(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def _read_idx_file(path: Path) -> Bytes:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            shape, start = _read_idx_header(path, file)
            size = int(np.prod(shape, dtype=object))
            if size > LARGEST:
                raise DataError(f"{path}: offset 4: expected at most {LARGEST:,} values, came {shape}. Fetch it anew.")
            data = file.read(size + 1)  # one more, to see that the file ends here
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Fetch it anew.") from error
    if len(data) != size:
        came = "more" if len(data) > size else f"{len(data):,}"
        raise DataError(f"{path}: offset {start}: expected {size:,} bytes for {shape}, came {came}. Fetch it anew.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_idx_header(path: Path, file: Any) -> tuple[tuple[int, ...], int]:
    """The dimensions, and the offset of the first value."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or magic[3] not in (1, 3, 4):
        raise DataError(
            f"{path}: offset 0: expected 00 00 08 and 01, 03 or 04 (unsigned bytes), "
            f"came {magic.hex(' ') or 'nothing'}. Fetch it anew."
        )
    raw = file.read(4 * magic[3])
    if len(raw) < 4 * magic[3]:
        raise DataError(
            f"{path}: offset 4: expected {4 * magic[3]} bytes of dimensions, came {len(raw)}. Fetch it anew."
        )
    return struct.unpack(f">{magic[3]}I", raw), 4 + len(raw)
