"""Canvases: what is on them, where it is, that they are fresh where they should be and fixed where they should be."""

import gzip
import hashlib
import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evonet import seeds
from evonet.errors import DataError
from evonet.evaluation.factory import make_evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome.genes import Genome, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand
from evonet.training.batches import Batches, images_of
from evonet.training.canvases import canvases, extents, places
from evonet.training.clutter import Canvas, canvas_of, inked, pieces_on, scattered
from evonet.training.data import DataSet, load_data
from evonet.training.images import AT_ONCE
from evonet.training.quality import quality, slopes
from evonet.training.settings import TrainingSettings
from evonet.training.sources import IDX_FILES
from evonet.training.trainer import Trainer
from evonet.training.words import mix

MNIST = Path(__file__).parents[2].parent / "shared" / "data"
with_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST's IDX files in ../shared/data/mnist")
SPLITS = ("train", "calibration", "validation", "choice", "test")


def pool(count: int = 20) -> torch.Tensor:
    """Digits of random ink within their margins, (count, 28, 28), the same on every machine."""
    ink = (mix(np.arange(count * 400, dtype=np.uint64), seed=5) % 256).astype(np.uint8).reshape(count, 20, 20)
    digits = np.zeros((count, 28, 28), np.uint8)
    digits[:, 4:24, 4:24] = ink * (ink > 128)
    return torch.from_numpy(digits)


DIGITS = pool()
LABELS = torch.arange(20) % 10
INDEX = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])

kinds = st.one_of(
    st.builds(scattered, st.integers(32, 150), st.integers(0, 12)),
    st.builds(inked, st.integers(90, 150), st.integers(1, 6)),
)


def compose(canvas: Canvas, key: int = 7, index: torch.Tensor = INDEX, **more):
    return canvases(DIGITS, LABELS, index, canvas=canvas, key=key, **more)


# --- one canvas -----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(32, 150), st.integers(0, 2**63 - 1))
def test_a_canvas_without_clutter_is_the_digit_in_its_box_and_nothing_else(side, key):
    scene = compose(scattered(side, 0), key)
    assert (scene.images.shape, scene.images.dtype) == ((8, 1, side, side), torch.uint8)
    assert scene.labels.tolist() == LABELS[INDEX].tolist()
    for image, (y0, x0, y1, x1) in zip(scene.images[:, 0].numpy(), scene.boxes.tolist(), strict=True):
        rows, columns = np.nonzero(image)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (y0, x0, y1, x1)
    for image, (y, x), digit in zip(
        scene.images[:, 0], places(scattered(side, 0), torch.arange(8), key), INDEX, strict=True
    ):
        assert torch.equal(image[y : y + 28, x : x + 28], DIGITS[digit])
        assert int(image.sum()) == int(DIGITS[digit].sum())


@settings(max_examples=40)
@given(kinds, st.integers(0, 2**63 - 1))
def test_clutter_never_hides_or_moves_the_digit(canvas, key):
    scene, bare = compose(canvas, key), compose(msgspec.structs.replace(canvas, count=0), key)
    if canvas.clutter == "pieces":
        assert torch.equal(scene.boxes, bare.boxes)
        assert bool((scene.images >= bare.images).all())
    for image, (y0, x0, y1, x1), digit in zip(scene.images[:, 0], scene.boxes, INDEX, strict=True):
        ey0, ex0, ey1, ex1 = extents(DIGITS[digit : digit + 1])[0]
        assert bool((image[y0:y1, x0:x1] >= DIGITS[digit, ey0:ey1, ex0:ex1]).all())


def test_a_blank_digit_has_an_empty_box():
    assert extents(torch.zeros(2, 28, 28, dtype=torch.uint8)).tolist() == [[0, 0, 0, 0]] * 2


@settings(max_examples=40)
@given(kinds, st.integers(0, 2**63 - 1), st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_a_canvas_does_not_depend_on_its_batch(canvas, key, some):
    whole, part = compose(canvas, key), compose(canvas, key, INDEX[some], numbers=torch.tensor(some))
    for one, other in zip(whole, part, strict=True):
        assert torch.equal(one[some], other)


def test_the_bits_of_canvases_are_known():
    # Golden: other values mean other canvases, and results that cannot be compared (data.CANVASES counts on).
    digest = hashlib.blake2b(digest_size=8)
    for spec in ("100", "100:ink"):
        digest.update(compose(canvas_of(spec)).images.numpy().tobytes())
    assert digest.hexdigest() == "40caf3b0e8c4415e"


def test_digits_lie_everywhere_with_the_same_chance():
    at = places(scattered(40), torch.arange(20_000), 3)
    assert (at.min(), at.max()) == (0, 12)
    for axis in (0, 1):
        np.testing.assert_allclose(torch.bincount(at[:, axis]) / len(at), 1 / 13, atol=0.008)
    assert abs(float(torch.corrcoef(at.T.double())[0, 1])) < 0.03


# --- pieces ---------------------------------------------------------------------------------------------------------


def test_numbers_of_pieces():
    assert [pieces_on(side) for side in (32, 60, 100, 250, 256, 1024)] == [1, 4, 8, 50, 52, 839]


def test_pieces_are_8x8_as_many_as_asked_for_and_cut_from_all_digits():
    flat = torch.arange(20, dtype=torch.uint8)[:, None, None].expand(20, 28, 28) * 10
    scene = canvases(flat, LABELS, torch.zeros(50, dtype=torch.int64), canvas=scattered(500, 20), key=1)
    inked = (scene.images > 0).flatten(1).sum(1)  # the digit shown is blank, and so is every twentieth piece
    assert bool((inked <= 20 * 64).all())
    assert 0.9 * 19 * 64 < float(inked.double().mean()) < 19.2 * 64
    assert scene.images.unique().tolist() == list(range(0, 200, 10))


# --- ink ------------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(90, 200), st.integers(1, 6), st.integers(0, 2**63 - 1))
def test_a_distractor_has_the_ink_of_a_digit_and_overlaps_nothing(side, count, key):
    """All digits have the same ink here, so that anything lost where frames meet would be missing."""
    alike = torch.stack([DIGITS[0].roll(k % 3, 0) for k in range(20)])
    scene = canvases(alike, LABELS, INDEX, canvas=inked(side, count), key=key)
    assert (scene.images.flatten(1).long().sum(1) == (count + 1) * int(DIGITS[0].long().sum())).all()


def test_a_distractor_is_a_digit_with_its_tiles_turned():
    one = DIGITS[:1]
    scene = canvases(one, LABELS[:1], torch.zeros(1, dtype=torch.int64), canvas=inked(120, 1), key=2)
    rest = scene.images[0, 0].clone()
    (y, x) = places(inked(120, 1), torch.zeros(1, dtype=torch.int64), 2)[0]
    assert torch.equal(rest[y : y + 28, x : x + 28], one[0])
    rest[y : y + 28, x : x + 28] = 0
    # Tiles at the margin may turn their ink outwards; where the frame lies is found by trying.
    tiles = one[0].reshape(4, 7, 4, 7).transpose(1, 2)
    turns = [torch.rot90(tiles, k, (2, 3)).transpose(1, 2).reshape(28, 28) for k in (1, -1)]

    def fits(frame: torch.Tensor) -> bool:
        a, b = ((frame == turn).reshape(4, 7, 4, 7).all(3).all(1) for turn in turns)
        return bool((a | b).all()) and bool(a.any()) and bool(b.any())

    assert sum(fits(rest[i : i + 28, j : j + 28]) for i in range(93) for j in range(93)) == 1


def hits(canvas: Canvas, cell: int, digits: torch.Tensor, labels: torch.Tensor) -> float:
    """How often the cell with the most ink overlaps the digit's box."""
    scene = canvases(digits, labels, torch.arange(500) * (len(digits) // 500), canvas=canvas, key=1)
    ink = torch.nn.functional.avg_pool2d(scene.images.float(), cell, ceil_mode=True)
    best = ink.flatten(1).argmax(1)
    y, x = best // ink.shape[3] * cell, best % ink.shape[3] * cell
    y0, x0, y1, x1 = scene.boxes.T
    return float(((y < y1) & (y + cell > y0) & (x < x1) & (x + cell > x0)).double().mean())


@with_mnist
def test_the_most_ink_tells_the_digit_from_pieces_but_not_from_distractors():
    test = images_of(load_data("mnist", MNIST), "test")
    for side in (100, 256):
        canvas = canvas_of(f"{side}:ink")
        chance = 1 / (1 + canvas.count)
        for cell in (8, 16, 32):
            found = hits(canvas, cell, test.images, test.labels)
            assert found < 1.75 * chance + 3 * (chance / 500) ** 0.5, (side, cell)
            assert hits(canvas_of(str(side)), cell, test.images, test.labels) > 2.5 * found, (side, cell)


# --- the data set ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's format: 200 training and 40 test images; all pixels of an image have one value, its index plus one."""
    path = tmp_path_factory.mktemp("idx")
    for file, first, n in zip(IDX_FILES, (0, 0, 200, 200), (200, 200, 40, 40), strict=True):
        values = np.arange(first, first + n)
        array = (values % 10).astype(np.uint8)
        if "images" in file:
            array = np.broadcast_to((values + 1).astype(np.uint8)[:, None, None], (n, 28, 28))
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (path / f"{file}.gz").write_bytes(gzip.compress(header + array.tobytes(), 1))
    return path


@pytest.fixture
def data(folder: Path) -> DataSet:
    return load_data("clutter:64", folder)


def whole(images) -> torch.Tensor:
    return torch.cat([x for x, _ in images.chunks(7)])


def test_a_clutter_spec_is_mnist_on_canvases(data, folder):
    plain = load_data("mnist", folder)
    assert (data.name, data.input, data.classes, data.scale) == ("clutter:64", (1, 64, 64), 10, 255.0)
    assert len({data.fingerprint, plain.fingerprint, load_data("clutter:64:ink", folder).fingerprint}) == 3
    for one, other in zip(data.splits, plain.splits, strict=True):
        np.testing.assert_array_equal(one, other)
    again = DataSet.from_arrays(*data.arrays())
    assert (again.input, again.canvas, again.fingerprint) == (data.input, data.canvas, data.fingerprint)


@with_mnist
def test_real_canvases_have_known_prints():
    data = load_data("clutter:100", MNIST)
    assert [len(part) for part in data.splits] == [50_000, 2_000, 5_000, 5_000, 10_000]
    assert data.fingerprint == "52fbf290a67b82eaca15860499016dc9"


@pytest.mark.parametrize("spec", ["clutter:64", "clutter:64:ink"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_is_made_of_its_own_digits_alone(folder, spec, split):
    data = load_data(spec, folder)
    images = images_of(data, split)
    own = {int(k) + 1 for k in getattr(data.splits, split)}
    seen = set((whole(images) * 255).round().long().unique().tolist()) - {0}
    assert seen <= own
    assert len(seen) > 0.8 * len(own)
    assert images.labels.tolist() == data.labels[getattr(data.splits, split)].tolist()


def test_measured_canvases_are_fixed(data):
    images = images_of(data, "validation")
    all_of_it = whole(images)
    assert torch.equal(all_of_it, whole(images_of(data, "validation")))
    assert torch.equal(all_of_it, torch.cat([x for x, _ in images.chunks(100)]))
    assert not torch.equal(all_of_it[:5], whole(images_of(data, "choice"))[:5])
    assert torch.equal(whole(images.sample(6)), all_of_it[torch.arange(6) * len(images) // 6])
    assert torch.equal(whole(images.take(torch.tensor([4, 2])).take(torch.tensor([1]))), all_of_it[[2]])
    boxes = images.fixed_boxes()
    assert not torch.equal(boxes[:5], images_of(data, "choice").fixed_boxes()[:5])
    assert torch.equal(torch.cat([scene.boxes for scene in images.scenes(7)]), boxes)
    assert torch.equal(images.take(torch.tensor([4, 2])).fixed_boxes(), boxes[[4, 2]])


def test_trained_canvases_are_fresh_and_a_function_of_seed_step_and_place(data):
    images = images_of(data, "train")
    batches, again = Batches(images, 16, seed=3), Batches(images_of(data, "train"), 16, seed=3)
    steps = [batches[step] for step in range(12)]
    per_epoch = len(images) // 16
    assert len({x.numpy().tobytes() for x, _ in steps}) == 12
    for step in (11, 2, 7):  # in any order
        assert torch.equal(again[step][0], steps[step][0])
        assert torch.equal(again[step][1], steps[step][1])
    labels = torch.cat([y for _, y in steps[:per_epoch]])
    assert len(labels) == 16 * per_epoch
    assert not torch.equal(Batches(images, 16, seed=4)[0][0], steps[0][0])
    x, _ = steps[5]
    for image, (y0, x0, y1, x1) in zip(x[:, 0], batches.boxes(5), strict=True):
        assert (int(y1 - y0), int(x1 - x0)) == (28, 28)
        assert float(image[y0:y1, x0:x1].min()) > 0


def test_the_same_digit_comes_back_on_another_canvas(data):
    images = images_of(data, "train")
    one = images.fresh(torch.zeros(2, dtype=torch.int64), 1)
    assert not torch.equal(one.images[0], one.images[1])
    assert not torch.equal(one.images, images.fresh(torch.zeros(2, dtype=torch.int64), 2).images)


def test_stored_images_know_no_boxes():
    assert Batches(images_of(load_data("digits"), "train"), 8, seed=0).boxes(0) is None


@pytest.mark.parametrize("spec", ["clutter:100", "clutter:100:ink"])
def test_other_clutter_leaves_the_digits_where_they_are(folder, spec):
    images = images_of(load_data(spec, folder), "test")
    others = images.among(seeds.key("swap"))
    assert torch.equal(images.fixed_boxes(), others.fixed_boxes())
    assert not torch.equal(whole(images), whole(others))
    for one, other in zip(images.scenes(40), others.scenes(40), strict=True):
        for a, b, (y0, x0, y1, x1) in zip(one.images[:, 0], other.images[:, 0], one.boxes, strict=True):
            assert bool((a[y0:y1, x0:x1].min() > 0) & (b[y0:y1, x0:x1].min() > 0))


def test_large_canvases_come_a_few_at_a_time(folder):
    images = images_of(load_data("clutter:1024", folder), "test").sample(9)
    assert [len(x) for x, _ in images.chunks(512)] == [4, 4, 1]
    assert AT_ONCE == 4 * 1024**2
    assert images.digits.numel() == 40 * 28 * 28  # all that is stored


# --- with the rest of the program -----------------------------------------------------------------------------------


def test_an_evaluator_trains_on_canvases_that_crossed_a_process_boundary(folder):
    data = load_data("clutter:32", folder)
    evaluator = make_evaluator(msgspec.msgpack.encode(EvaluationSettings()), *data.arrays())
    assert evaluator.input == (1, 32, 32)
    plan = expand(Genome(sheets=(SheetGene(channels=4, reduction="max"),)), input=data.input, classes=10)
    thetas = []
    for images in (evaluator.train, images_of(data, "train")):
        trainer = Trainer(build(plan), initialise(plan, 0), images, TrainingSettings(batch=8), steps=3, seed=1)
        trainer.run(3, None)
        thetas.append(trainer.theta.detach())
    assert torch.equal(*thetas)
    assert all(np.isfinite(quality(build(plan), evaluator.validation)))


def test_curvature_counts_the_chunks_that_really_came(monkeypatch, data):
    """Canvases in chunks of 5 where 10 were asked for have the curvature of those asked for in chunks of 5."""
    plan = expand(Genome(sheets=(SheetGene(channels=2),)), input=data.input, classes=10)
    images, weights = images_of(data, "validation"), initialise(plan, 0)
    expected = slopes(build(plan), images, weights, chunk=5)
    monkeypatch.setattr("evonet.training.images.AT_ONCE", 5 * 64**2)
    for one, other in zip(slopes(build(plan), images, weights, chunk=10), expected, strict=True):
        torch.testing.assert_close(one, other)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "canvas", ["", "31", "2049", "060", "1e3", "60:", "60:blue", "-60", "9" * 5000, "\u0661\u0660\u0660", "100\n"]
)
def test_unknown_canvases_name_the_known(canvas):
    with pytest.raises(DataError, match=r"expected clutter:SIDE or clutter:SIDE:ink with SIDE in 32\.\.2048"):
        load_data(f"clutter:{canvas}")


def test_distractors_need_room():
    with pytest.raises(DataError, match=r"'clutter:55:ink': 2 distractors .* expected a side of 56 or more"):
        load_data("clutter:55:ink")


def test_canvases_need_mnist(tmp_path):
    with pytest.raises(DataError, match=r"data 'mnist' is not there .*--data-dir DIR"):
        load_data("clutter:60", tmp_path)


def test_every_side_is_a_canvas():
    for side in range(32, 2049, 9):
        assert canvas_of(str(side)).name == f"clutter:{side}"
        if side >= 56:
            assert canvas_of(f"{side}:ink").slots * 28 <= side
