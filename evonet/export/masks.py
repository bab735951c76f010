"""The full expanded wiring as arrays on disk, written one array at a time: no more is in memory than the largest."""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from evonet.errors import ExportError
from evonet.files import whole
from evonet.plan import Plan, Stage
from evonet.plan.masks import mask, signs, slots

LARGEST = 2**28  # cells of one mask: a quarter of a gigabyte, and its slots one gigabyte
Format = Literal["npz", "safetensors"]

_BLOCK = 2**20  # bytes handed on at a time
_DTYPES = {"mask": ("BOOL", np.bool_), "slots": ("I32", np.int32), "signs": ("I8", np.int8)}
_MATRICES: dict[str, Callable[[Stage], NDArray[Any]]] = {"mask": mask, "slots": slots, "signs": signs}


@dataclass(frozen=True)
class _Entry:
    """An array to be made when its turn comes."""

    stage: Stage
    kind: str

    @property
    def name(self) -> str:
        return f"{self.stage.name}.{self.kind}"

    @property
    def shape(self) -> tuple[int, int]:
        return neurons(self.stage.target), neurons(self.stage.source)

    @property
    def bytes(self) -> int:
        return self.shape[0] * self.shape[1] * np.dtype(_DTYPES[self.kind][1]).itemsize

    def array(self) -> NDArray[Any]:
        return _MATRICES[self.kind](self.stage)


def save_masks(plan: Plan, path: Path, format: Format = "npz") -> None:
    """Write, for every stage, `NAME.mask` and `NAME.slots`, both (out neurons, in neurons).

    The mask is bool. Slots are int32: the flat index into the stage's weight tensor, -1 where the mask is False.
    Where a symmetry turns signs there is `NAME.signs` too, int8: the weight is taken times 1 or -1; 0 where the mask
    is False. Memory: the largest of these arrays, and a few megabytes.

    Raises:
        ExportError: a mask would be too large; nothing was allocated.
    """
    entries = list(_entries(plan))
    for entry in entries:
        cells = entry.shape[0] * entry.shape[1]
        if cells > LARGEST:
            raise ExportError(
                f"{path}: the mask of {entry.stage.name} has {cells:,} cells, expected at most {LARGEST:,}: "
                "use a smaller input or leave the masks out."
            )
    with whole(Path(path)) as file:
        (_write_npz if format == "npz" else _write_safetensors)(file, entries)


def neurons(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def _entries(plan: Plan) -> Iterator[_Entry]:
    for stage in plan.stages:
        yield _Entry(stage, "mask")
        yield _Entry(stage, "slots")
        if stage.tying is not None and any(-1 in row for row in stage.tying.signs):
            yield _Entry(stage, "signs")


def _write_npz(file: BinaryIO, entries: list[_Entry]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for entry in entries:
            with archive.open(f"{entry.name}.npy", "w", force_zip64=True) as out:
                array = entry.array()
                npy.write_array_header_1_0(out, npy.header_data_from_array_1_0(array))
                _write_blocks(out.write, array)
                del array  # before the next one is made


def _write_safetensors(file: BinaryIO, entries: list[_Entry]) -> None:
    """https://huggingface.co/docs/safetensors: length of the header, JSON header, then the arrays without gaps."""
    entries = sorted(entries, key=lambda entry: entry.kind != "slots")  # the wider type first keeps it aligned
    header: dict[str, Any] = {}
    at = 0
    for entry in entries:
        header[entry.name] = {
            "dtype": _DTYPES[entry.kind][0],
            "shape": entry.shape,
            "data_offsets": (at, at + entry.bytes),
        }
        at += entry.bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for entry in entries:
        _write_blocks(file.write, entry.array())


def _write_blocks(write: Callable[[memoryview], Any], array: NDArray[Any]) -> None:
    """The array's bytes, little-endian, row by row. numpy's own writer would hold 32 MB beside the array."""
    data = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).reshape(-1).view(np.uint8).data
    for first in range(0, len(data), _BLOCK):
        write(data[first : first + _BLOCK])
