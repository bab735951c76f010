"""The exported folder: whole and checked, or not there."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file
from test_module import RICH

from evonet.errors import ExportError, PackageError
from evonet.export import bundle, check, dense, export
from evonet.genome import Genome, SheetGene
from evonet.network import decoded
from evonet.package import Package, Quantised, pack, unpack
from evonet.plan import expand
from evonet.plan.masks import mask, slots


def packed(genome: Genome, shape=(1, 12, 12), expression=None) -> bytes:
    plan = expand(genome, input=shape, classes=10, expression=expression)
    random = np.random.default_rng(5)
    tensors = tuple(Quantised(30, random.integers(-9, 10, t.shape).astype(np.int16)) for t in plan.tensors)
    return pack(Package(genome=genome, input=shape, classes=10, expression=plan.expression, tensors=tensors))


PLAIN = Genome(sheets=(SheetGene(channels=4, reduction="max"),))


CARD = {"test accuracy": 0.98765, "seeds": 3, "command": "evonet run x"}


def left(tmp_path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One full export of a rich genome, for all tests that only look."""
    package = packed(RICH)
    out = tmp_path_factory.mktemp("exports") / "deep" / "best"
    return package, export(package, out, masks=True, card=CARD)


def test_folder_holds_all_files_and_nothing_else(exported):
    _, done = exported
    names = ["card.md", "masks.npz", "model.evo", "model.pt", "model.py", "model.safetensors"]
    assert left(done.folder) == names
    assert sorted(done.files) == names
    assert left(done.folder.parent) == ["best"]
    assert len({path.stat().st_mode for path in done.folder.iterdir()}) == 1  # none is private
    assert done.difference < 1e-6


def test_weight_files_hold_equal_plain_tensors(exported):
    package, done = exported
    one = torch.load(done.folder / "model.pt", weights_only=True)
    other = load_file(done.folder / "model.safetensors")
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, other[name])
    assert (done.folder / "model.evo").read_bytes() == package


def test_the_folder_works_for_a_user_without_evonet(exported, tmp_path):
    package, done = exported
    images = torch.rand(3, 1, 12, 12)
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import sys; sys.modules['evonet'] = None\n"
        "import torch; from model import load\n"
        f"images = torch.load({str(tmp_path / 'images.pt')!r}, weights_only=True)\n"
        f"torch.save(load('model.safetensors')(images).detach(), {str(tmp_path / 'logits.pt')!r})\n"
    )
    subprocess.run([sys.executable, "-B", "-c", code], cwd=done.folder, check=True)
    with torch.no_grad():
        expected = decoded(unpack(package))(images)
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt", weights_only=True), expected, rtol=1e-3, atol=1e-3)


def test_card_tells_what_was_measured(exported):
    package, done = exported
    card = (done.folder / "card.md").read_text()
    for line in (
        f"| package (genome and weights) | {len(package)} bytes |",
        "| input | 1x12x12, values in [0, 1] |",
        "| test accuracy | 0.9877 |",
        "| seeds | 3 |",
        "| command | evonet run x |",
        "```toml",
        'net = load("model.safetensors")',
    ):
        assert line in card
    assert hashlib.sha256(package).hexdigest() in card


def test_card_tells_how_many_weights_compression_switched_off(tmp_path):
    genome = Genome(sheets=(SheetGene(channels=4),))
    whole = expand(genome, input=(1, 12, 12), classes=10)
    alive = whole.expression.taps[0]
    expression = replace(whole.expression, taps=((False, *alive[1:]), *whole.expression.taps[1:]))
    cards = []
    for name, live in (("all", whole.expression), ("some", expression)):
        export(packed(genome, expression=live), tmp_path / name)
        cards.append((tmp_path / name / "card.md").read_text())
    total = whole.costs.weights
    assert f"| weights | {total:,} |" in cards[0]
    assert f"| weights | {total - 4:,} of the {total:,} that the genes name; compression switched" in cards[1]


def test_masks_are_the_plans_own(exported):
    package, done = exported
    plan = decoded(unpack(package)).plan
    with np.load(done.folder / "masks.npz") as arrays:
        assert sorted(arrays.files) == sorted(f"{s.name}.{kind}" for s in plan.stages for kind in ("mask", "slots"))
        for stage in plan.stages:
            np.testing.assert_array_equal(arrays[f"{stage.name}.mask"], mask(stage))
            np.testing.assert_array_equal(arrays[f"{stage.name}.slots"], slots(stage))


def test_package_alone_needs_no_check(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "check", lambda *_: pytest.fail("there is nothing to check"))
    done = export(packed(PLAIN), tmp_path / "out", formats=["evo"])
    assert left(done.folder) == ["card.md", "model.evo"]
    assert done.difference is None


def test_wrong_logits_leave_nothing_behind(tmp_path, monkeypatch):
    good = bundle.write_module

    def off(plan, weights, **kwargs):
        module = good(plan, weights, **kwargs)
        module.tensors["readout_bias"][3] += 0.5
        return module

    monkeypatch.setattr(bundle, "write_module", off)
    with pytest.raises(ExportError, match=r"model\.py with model\.pt: logits differ by .* expected at most 0\.0001"):
        export(packed(PLAIN), tmp_path / "out", formats=["pt"])
    assert left(tmp_path) == []


def test_code_that_needs_evonet_leaves_nothing_behind(tmp_path, monkeypatch):
    good = bundle.write_module

    def needy(plan, weights, **kwargs):
        module = good(plan, weights, **kwargs)
        return type(module)("import evonet\n" + module.source, module.tensors)

    monkeypatch.setattr(bundle, "write_module", needy)
    with pytest.raises(ExportError, match=r"does not run without evonet \(.*evonet"):
        export(packed(PLAIN), tmp_path / "out", formats=["pt"])
    assert left(tmp_path) == []


def test_not_a_number_is_not_equal(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "_run", lambda model, files, images: np.full((1, len(images), 10), np.nan))
    with pytest.raises(ExportError, match="logits differ by nan"):
        check.check(decoded(unpack(packed(PLAIN))), tmp_path / "model.py", [tmp_path / "model.pt"])


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ExportError, match=r"out is already there, expected a new folder"):
        export(packed(PLAIN), tmp_path / "out", formats=["evo"])
    assert left(tmp_path / "out") == []


def test_unwritable_place_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"cannot be written .*nothing was exported"):
        export(packed(PLAIN), tmp_path / "file" / "out", formats=["evo"])
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "formats, message",
    [(["pt", "onnx"], "'onnx' is unknown, expected some of safetensors, pt, evo, dense"), ([], "no export format")],
)
def test_unknown_format_names_the_known(tmp_path, formats, message):
    with pytest.raises(ExportError, match=message):
        export(packed(PLAIN), tmp_path / "out", formats=formats)


def test_damaged_package_is_refused(tmp_path):
    with pytest.raises(PackageError):
        export(packed(PLAIN)[:-1], tmp_path / "out")
    assert left(tmp_path) == []


def test_dense_is_the_network_as_masked_matrices(tmp_path):
    package = packed(PLAIN)
    done = export(package, tmp_path / "out", formats=["dense"])
    assert left(done.folder) == ["card.md", "dense.py", "dense.safetensors"]
    assert done.difference < 1e-6
    assert "from dense import load  # dense.py in this folder" in (done.folder / "card.md").read_text()
    stage = decoded(unpack(package)).plan.stages[0]
    tensors = load_file(done.folder / "dense.safetensors")
    np.testing.assert_array_equal(tensors["sheet0_motif0_taps.mask"].numpy(), mask(stage))
    assert not tensors["sheet0_motif0_taps.weight"][~tensors["sheet0_motif0_taps.mask"]].any()


def test_dense_too_large_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "LARGEST", 1000)
    message = r"matrices would take 414,720 bytes \(414,720 of them for sheet0\.motif0\.taps\), expected at most 1,000"
    with pytest.raises(ExportError, match=message):
        export(packed(PLAIN), tmp_path / "out", formats=["evo", "dense"])
    assert left(tmp_path) == []
