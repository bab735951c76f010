"""`evonet pack` and `unpack` from the command line."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

STATE = {
    "conv.weight": torch.from_numpy(np.random.default_rng(1).normal(size=(6, 1, 5, 5)).astype(np.float32)),
    "conv.bias": torch.linspace(-1, 1, 6).bfloat16(),
    "bn.num_batches_tracked": torch.tensor(12),
    "mask": torch.tensor([True, False]),
}


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(STATE, file, metadata={"format": "pt"})
    return file


def test_a_file_is_packed_and_comes_back(evonet, model, tmp_path):
    packed, out = tmp_path / "model.evw", tmp_path / "out.safetensors"
    answer = evonet("pack", model, "--error", "0.1", "-o", packed)
    assert answer.exit_code == 0, answer.output
    for part in ("conv.weight  ", "6x1x5x5", "bfloat16", "one number", "exact", f"{packed.stat().st_size} after, 1 to"):
        assert part in answer.stdout
    answer = evonet("unpack", packed, "-o", out)
    assert answer.exit_code == 0, answer.output
    assert "159 weights in 4 tensors" in answer.stdout
    back = load_file(out)
    assert {name: tensor.dtype for name, tensor in back.items()} == {name: t.dtype for name, t in STATE.items()}
    assert torch.equal(back["mask"], STATE["mask"])
    assert back["bn.num_batches_tracked"] == 12
    assert (back["conv.weight"] - STATE["conv.weight"]).norm() <= 0.1 * STATE["conv.weight"].norm()
    assert (back["conv.bias"] - STATE["conv.bias"]).norm() <= 0.1 * STATE["conv.bias"].norm()


def test_a_size_that_leaves_no_weight_is_told(evonet, model, tmp_path):
    said = "no weight is left but 0: give more --bytes"
    least = evonet("pack", model, "--bytes", 1, "-o", tmp_path / "no.evw").stderr.split("expected at least ")[1]
    none = evonet("pack", model, "--bytes", least.split(":")[0].replace(",", ""), "-o", tmp_path / "zeros.evw")
    assert (none.exit_code, said in none.stdout) == (0, True), none.output
    assert said not in evonet("pack", model, "--bytes", 120, "-o", tmp_path / "some.evw").stdout


def test_json(evonet, model, tmp_path):
    packed = tmp_path / "model.evw"
    found = json.loads(evonet("pack", model, "--bytes", 120, "-o", packed, "--json").stdout)["card"]
    assert (found["before"], found["after"]) == (model.stat().st_size, packed.stat().st_size)
    assert found["after"] <= 120
    rows = {row["name"]: row for row in found["tensors"]}
    assert rows["conv.weight"]["shape"] == [6, 1, 5, 5]
    assert 0 < rows["conv.weight"]["error"] < 1
    assert rows["mask"]["code"] == "exact"
    bits = sum(row["bits"] * np.prod(row["shape"]) for row in found["tensors"] if row["code"] != "exact")
    assert 0.5 * found["after"] < bits / 8 < found["after"]
    found = json.loads(evonet("unpack", packed, "-o", tmp_path / "out.safetensors", "--json").stdout)["card"]
    assert found["before"] == packed.stat().st_size
    assert {row["error"] for row in found["tensors"]} == {None, 0.0}


@pytest.mark.parametrize(
    "verb, name, content, code, message",
    [
        ("pack", "nowhere", None, 1, "nowhere: No such file or directory"),
        ("pack", "bad", b"hello", 3, "bad: no safetensors file (Error while deserializing: header too small)"),
        ("pack", "none", b"\x02\0\0\0\0\0\0\0{}", 3, "none: 0 tensors, expected 1..1,024"),
        ("pack", "nan", {"w": torch.tensor([1.0, float("nan")])}, 3, "nan: w: value nan at (1,), 1 such in all"),
        (
            "pack",
            "complex",
            {"w": torch.zeros(1, dtype=torch.complex64)},
            3,
            "complex: w: its dtype is C64, expected one",
        ),
        ("unpack", "bad", b"hello", 5, "bad: package: byte 0 is 0x68, which no evonet wrote"),
        ("unpack", "cut", b"\xd1abcd", 5, "cut: package: damaged: its last 4 bytes are 61626364"),
        ("unpack", "net", b"\xe1abcd", 5, "net: package: byte 0 is 0xe1, a whole network (.evo)"),
    ],
)
def test_refusals_are_one_line(evonet, tmp_path, verb, name, content, code, message):
    if isinstance(content, dict):
        save_file(content, tmp_path / name)
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    answer = evonet(verb, tmp_path / name, "-o", tmp_path / "out")
    assert answer.exit_code == code
    assert answer.stderr.startswith(f"evonet: {tmp_path / name}")
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_neither_overwrites(evonet, model, tmp_path):
    packed = tmp_path / "model.evw"
    assert evonet("pack", model, "-o", packed).exit_code == 0
    was = packed.read_bytes(), model.read_bytes()
    for arguments in (("pack", model, "-o", packed), ("unpack", packed, "-o", model)):
        answer = evonet(*arguments)
        assert answer.exit_code == 1
        assert "exists, expected a new file: name another, or remove it" in answer.stderr
    assert (packed.read_bytes(), model.read_bytes()) == was


def test_error_and_bytes_exclude_each_other(evonet, model, tmp_path):
    answer = evonet("pack", model, "--error", "0.1", "--bytes", "100", "-o", tmp_path / "x.evw")
    assert answer.exit_code == 2
    assert "give one" in " ".join(answer.stderr.split())
    assert evonet("pack", model, "--error", "2", "-o", tmp_path / "x.evw").exit_code == 2


def test_an_existing_file_of_a_kind_too_large_is_refused(evonet, tmp_path):
    file = tmp_path / "huge.safetensors"
    with file.open("wb") as out:
        out.truncate(2**26)
    answer = evonet("pack", file, "-o", tmp_path / "x.evw")
    assert answer.exit_code == 3
    assert "67,108,864 bytes, expected at most 33,554,432: this codec is for small networks" in answer.stderr


def test_written_files_are_aligned():
    """Wider types come first, whatever the order they were packed in."""
    from evonet.packing.safetensors import encoded

    data = encoded(
        [("mask", "bool", np.array([True])), ("w", "float32", np.ones(3, np.float32)), ("i", "int64", np.ones(2, int))]
    )
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert [header[name]["data_offsets"] for name in ("i", "w", "mask")] == [[0, 16], [16, 28], [28, 29]]
    assert int.from_bytes(data[:8], "little") % 8 == 0
