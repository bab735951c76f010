"""Masks on disk: what the plan says, in files that others read, in no more memory than the largest array."""

import hashlib
import tracemalloc
import zipfile

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from evonet.errors import ExportError
from evonet.export import masks, save_masks
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.plan import Plan, expand
from evonet.plan.masks import mask, signs, slots

ODD = MotifGene(symmetry="odd", boundary="wrap")
GENOME = Genome(
    sheets=(
        SheetGene(channels=4, reduction="stride", motifs=(MotifGene(sharing="tile"), ODD)),
        SheetGene(channels=4, motifs=(MotifGene(mixing="separable", symmetry="even"), MotifGene(mixing="identity"))),
    )
)
KINDS = {"mask": mask, "slots": slots, "signs": signs}


def plan(*, side: int = 9, genome: Genome = GENOME) -> Plan:
    return expand(genome, input=(2, side, side - 1), classes=10)


def read(path):
    if path.suffix == ".safetensors":
        return load_file(path)
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.fixture(params=["npz", "safetensors"])
def format(request):
    return request.param


def test_every_stage_is_there_as_the_plan_has_it(tmp_path, format):
    save_masks(plan(), tmp_path / f"m.{format}", format)
    assert [path.name for path in tmp_path.iterdir()] == [f"m.{format}"]
    arrays = read(tmp_path / f"m.{format}")
    names = {f"{stage.name}.{kind}" for stage in plan().stages for kind in ("mask", "slots")}
    assert arrays.keys() == names | {"sheet0.motif1.taps.signs"}  # an even symmetry turns no sign
    for stage in plan().stages:
        for kind, of in KINDS.items():
            if f"{stage.name}.{kind}" in arrays:
                assert arrays[f"{stage.name}.{kind}"].dtype == of(stage).dtype
                np.testing.assert_array_equal(arrays[f"{stage.name}.{kind}"], of(stage))


def test_the_same_plan_gives_the_same_bytes(tmp_path, format):
    digests = set()
    for name in ("a", "b"):
        save_masks(plan(), tmp_path / name, format)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_safetensors_are_aligned(tmp_path):
    save_masks(plan(), tmp_path / "m.safetensors", "safetensors")
    with safe_open(tmp_path / "m.safetensors", "numpy") as file:
        assert len(file.keys()) == 11
    start = 8 + int.from_bytes((tmp_path / "m.safetensors").read_bytes()[:8], "little")
    assert start % 8 == 0


def test_npz_is_compressed(tmp_path):
    save_masks(plan(side=20), tmp_path / "m.npz")
    with zipfile.ZipFile(tmp_path / "m.npz") as archive:
        assert all(one.compress_size < one.file_size / 4 for one in archive.infolist())


def test_memory_is_the_largest_array_and_a_tenth(tmp_path, format):
    """Of 50 million cells: 28x28 images to 80 channels of them would be that; the mask is a byte a cell, slots four."""
    large = expand(Genome(sheets=(SheetGene(channels=16),)), input=(5, 28, 28), classes=10)
    cells = 16 * 784 * 5 * 784
    assert cells > 49e6
    save_masks(plan(), tmp_path / "warm", format)  # imports
    tracemalloc.start()
    try:
        save_masks(large, tmp_path / "large", format)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1.1 * 4 * cells
    (tmp_path / "large").unlink()


def test_a_file_that_cannot_be_finished_leaves_what_was_there(tmp_path, format, monkeypatch):
    (tmp_path / "m").write_text("old")

    def failing(stage):
        raise MemoryError

    monkeypatch.setitem(masks._MATRICES, "slots", failing)
    with pytest.raises(MemoryError):
        save_masks(plan(), tmp_path / "m", format)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m").read_text() == "old"


def test_masks_too_large_are_refused_before_allocation(tmp_path):
    large = expand(Genome(sheets=(SheetGene(channels=4),)), input=(1, 512, 512), classes=10)
    with pytest.raises(ExportError, match=r"mask of sheet0\.motif0\.taps has 274,877,906,944 cells, expected at most"):
        save_masks(large, tmp_path / "masks.npz")
    assert list(tmp_path.iterdir()) == []
