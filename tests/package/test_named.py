"""Named weights: round trips, the golden file, refusals, and bytes from anywhere."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package.named_examples import golden_tensors, grid, integers, named, named_examples, wide_examples
from package.package_examples import damaged
from package.test_format import sealed

from evonet.errors import PackageError
from evonet.package import Book, Half, Quantised, Transformed, pack, unpack
from evonet.package.head import MOST_TENSORS, MOST_WEIGHTS, Entry, write_head
from evonet.package.named import Named, as_bfloat16, joined, pack_named, unpack_named
from evonet.package.words import Encoder

GOLDEN = Path(__file__).parent.parent / "golden"


def told(tensor: Named) -> dict[str, Any]:
    """Everything about a tensor, as JSON has it."""
    value, found = tensor.value, {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
    if isinstance(value, np.ndarray):
        return {**found, "values": value.ravel().tolist()}
    found |= {"scale": tensor.scale, "form": type(value).__name__, "coded": list(value.shape)}
    if isinstance(value, Half):
        return {**found, "values": [v.hex() for v in value.values.ravel().tolist()]}
    found["codes"] = value.codes.ravel().tolist()
    if isinstance(value, Book):
        return {**found, "levels": [v.hex() for v in value.levels.tolist()]}
    return {**found, "step": value.step, **({"block": list(value.block)} if isinstance(value, Transformed) else {})}


def same(one: tuple[Named, ...], other: tuple[Named, ...]) -> bool:
    return [told(tensor) for tensor in one] == [told(tensor) for tensor in other]


@settings(deadline=None, max_examples=25)
@given(named())
def test_round_trip(tensors: tuple[Named, ...]) -> None:
    data = pack_named(tensors)
    back = unpack_named(data)
    assert same(back, tensors)
    assert pack_named(back) == data
    for tensor, was in zip(back, tensors, strict=True):
        assert tensor.array.shape == tensor.shape
        assert tensor.array.dtype == ("float32" if tensor.dtype == "bfloat16" else tensor.dtype)
        assert np.array_equal(tensor.array, was.array)
        assert np.isfinite(tensor.array.astype(np.float64)).all()


def test_golden_file() -> None:
    """Bytes of format 1 stay readable for ever, and are what is still written."""
    data, want = (GOLDEN / "named.evw").read_bytes(), json.loads((GOLDEN / "named.evw.json").read_text())
    assert [told(tensor) for tensor in unpack_named(data)] == want
    assert pack_named(golden_tensors()) == data


def test_names_and_shapes_take_little() -> None:
    """Five layers with biases, their numbers and lengths: less than two bytes a tensor."""
    layers = [
        ("conv1", (8, 1, 3, 3)),
        ("conv2", (16, 8, 3, 3)),
        ("fc1", (20, 784)),
        ("fc2", (10, 20)),
        ("fc3", (5, 10)),
    ]
    shapes = {f"{n}.{part}": s[: len(s) if part == "weight" else 1] for n, s in layers for part in ("weight", "bias")}
    encoder = Encoder()
    write_head(encoder, [Entry(name, "float32", shape) for name, shape in shapes.items()])
    assert sum(map(len, shapes)) == 98
    assert len(encoder.finish()) < 40


def test_weights_take_on_their_scale_and_dtype() -> None:
    codes = np.array([1, -2, 127], np.int16)
    for scale in (-6, -1, 0, 1, 6):
        tensor = Named(name="w", dtype="float64", shape=(3,), value=Quantised(40, codes), scale=scale)
        assert tensor.array.tolist() == [c * 2.0 ** (16 * scale) for c in (1, -2, 127)]
    large = Named(name="w", dtype="float16", shape=(3,), value=Quantised(60, codes), scale=1)
    assert large.array.tolist() == [65504, -65504, 65504]
    kernels = golden_tensors()[0]
    assert np.array_equal(kernels.array.reshape(4, 1, 25), kernels.value.weights)
    with pytest.raises(TypeError, match="i: integers have no weights"):
        _ = integers("i", np.array([1])).weights


def test_bfloat16_rounds_as_torch_does() -> None:
    import torch

    numbers = np.random.default_rng(0)
    values = np.ldexp(numbers.normal(size=999), numbers.integers(-130, 90, 999)).astype(np.float32)
    ties = (np.arange(1, 500, dtype=np.uint32) << 15 | np.uint32(1 << 30)).view(np.float32)
    for weights in (values, ties, -ties, np.zeros(1, np.float32)):
        want = torch.from_numpy(weights).bfloat16().float().numpy()
        assert np.array_equal(as_bfloat16(weights), want)


def test_kernels_are_one_axis_to_the_codes() -> None:
    assert [joined(s) for s in [(), (3,), (3, 4), (3, 4, 5), (3, 4, 5, 6), (2, 3, 4, 5, 6)]] == [
        (), (3,), (3, 4), (3, 4, 5), (3, 4, 30), (2, 3, 4, 30),
    ]  # fmt: skip


def test_arrays_are_read_only() -> None:
    for tensor in unpack_named(pack_named(golden_tensors())):
        value = tensor.value
        array = value if isinstance(value, np.ndarray) else value.values if isinstance(value, Half) else value.codes
        assert not array.flags.writeable


W = grid("w", (2, 3))
LARGE = Named(name="v", dtype="float32", shape=(MOST_WEIGHTS,), value=Quantised(0, np.zeros(MOST_WEIGHTS, np.int8)))


@pytest.mark.parametrize(
    "tensors, message",
    [
        ((), r"package: 0 tensors, expected 1\.\.1,024"),
        ((W,) * (MOST_TENSORS + 1), r"1,025 tensors, expected 1\.\."),
        ((W, grid("v", (1,)), W), "package: 'w': two tensors of this name, expected one"),
        ((replace(W, name="__metadata__"),), "'__metadata__': a name that safetensors keeps for itself"),
        ((replace(W, name="ä" * 128),), "a name of 256 bytes, expected at most 255"),
        ((replace(W, name="\ud800"),), "a name that is no Unicode"),
        ((replace(W, dtype="complex64"),), "'w': its dtype is complex64, expected one of float32, float16"),
        ((replace(W, shape=(1,) * 9),), "9 axes, expected at most 8"),
        ((replace(W, shape=(0, 2**22)),), r"shape \(0, 4194304\), expected at most 2,097,152 elements"),
        ((replace(W, scale=7),), r"scale 7, expected \+-6"),
((LARGE, W), r"2,097,158 weights in all, expected at most 2,097,152"),
        ((integers("i", np.zeros((2**17, 1), np.int8)), integers("j", np.zeros(1, bool))), "131,073 integers in all"),
        (tuple(grid(f"{k:<200}", (1,)) for k in range(10, 99)), "names of 1.,... bytes, expected at most 8,192"),
        ((replace(W, dtype="int8"),), r"'w': expected an array of int8 \(2, 3\)"),
        ((replace(integers("i", np.zeros(3, np.int8)), dtype="int16"),), r"expected an array of int16 \(3,\)"),
        ((replace(integers("i", np.zeros(3, np.int8)), scale=1),), "scale, expected none of integers"),
        ((replace(W, value=np.zeros((2, 3))),), "an array, expected a coded tensor, as its dtype is float32"),
        ((replace(W, shape=(3, 2)),), r"codes of shape \(2, 3\), expected \(3, 2\)"),
        ((replace(W, shape=(2, 1, 3, 1)),), r"codes of shape \(2, 3\), expected \(2, 1, 3\)"),
        ((replace(W, value=Quantised(64, W.value.codes)),), r"'w': step 64, expected 0\.\.63"),
        ((replace(W, value=Half(np.full((2, 3), np.nan, np.float16))),), "values are not all finite"),
        ((replace(W, value=Quantised(0, 0 * W.value.codes), scale=1),), "scale 1 of zeros, expected 0"),
    ],
)  # fmt: skip
def test_pack_refuses_what_does_not_fit(tensors: tuple[Named, ...], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        pack_named(tensors)


def test_other_files_are_named() -> None:
    for data, message in (
        (b"", "an empty file; this evonet reads format 1$"),
        (b"\xd2....", "byte 0 is 0xd2, format 2 of a newer evonet"),
        (b"\xe1....", r"byte 0 is 0xe1, a whole network \(\.evo\): evonet eval, show and refine take it"),
        (b"PK\3\4..", "byte 0 is 0x50, which no evonet wrote"),
    ):
        with pytest.raises(PackageError, match=message):
            unpack_named(data)
    with pytest.raises(PackageError, match=r"byte 0 is 0xd1, weights without a network \(\.evw\): evonet unpack"):
        unpack(pack_named((W,)))


SMALL = pack_named(named_examples()[2])


def test_every_flip_and_every_truncation_is_refused() -> None:
    for other in damaged(SMALL):
        with pytest.raises(PackageError, match=r"damaged: its last 4 bytes are|this evonet reads format 1"):
            unpack_named(other)


def test_with_the_check_made_good_they_are_tensors_or_refused() -> None:
    taken = [accepted(sealed(other)) for other in damaged(SMALL[:-4])]
    assert 0 < sum(taken) < len(taken)
    for other in list(damaged(pack_named(golden_tensors())[:-4], 97))[::3]:
        accepted(sealed(other))


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_hostile_bytes_give_tensors_or_a_package_error(body: bytes) -> None:
    accepted(sealed(b"\xd1" + body))


def accepted(data: bytes) -> bool:
    try:
        tensors = unpack_named(data)
    except PackageError as error:
        refusal = str(error)
    else:
        assert pack_named(tensors) == data
        return True
    assert refusal.startswith("package: ")
    assert "\n" not in refusal
    return False


def test_only_the_canonical_bytes_are_taken() -> None:
    for extra in (b"\0", b"\1", b"\xff"):
        with pytest.raises(PackageError, match=r"are not the ones evonet writes for their tensors \(\d+ bytes\)"):
            unpack_named(sealed(SMALL[:-4] + extra))


def test_heads_that_promise_too_much_are_refused_before_anything_is_made() -> None:
    encoder = Encoder()
    encoder.uniform(0, 2**10)  # ten zeros: a number of eleven bits
    for bit in (1, *[1] * 10):
        encoder.uniform(bit, 2)
    with pytest.raises(PackageError, match="2,047 tensors, expected at most 1,024"):
        unpack_named(sealed(b"\xd1" + encoder.finish()))
    for shape, message in (((2**22,), "at most 2,097,152 elements"), ((MOST_WEIGHTS, 2), r"shape \(2097152, 2\)")):
        encoder = Encoder()
        write_head(encoder, [Entry("w", "float32", shape)])
        with pytest.raises(PackageError, match=message):
            unpack_named(sealed(b"\xd1" + encoder.finish()))
    encoder = Encoder()
    write_head(encoder, [Entry("a" * 300, "float32", (1,))])
    with pytest.raises(PackageError, match="names of more than 8,192 bytes, or one of 255"):
        unpack_named(sealed(b"\xd1" + encoder.finish()))


def test_integers_beyond_their_dtype_are_refused() -> None:
    entry, zigzag = Entry("i", "int8", (2,)), np.array([400, 399], ">u2")  # of 200 and -200
    encoder = Encoder()
    write_head(encoder, [entry])
    encoder.uniform(9, 65)
    packed = np.packbits(np.unpackbits(zigzag.view(np.uint8).reshape(2, 2), axis=1)[:, 7:].ravel())
    encoder.many(packed, np.full(256, 2**16))
    with pytest.raises(PackageError, match="'i': a value beyond int8"):
        unpack_named(sealed(b"\xd1" + encoder.finish()))


def test_the_widest_files_are_read_within_a_second_and_come_back() -> None:
    import time

    for tensors in (wide_examples()[k] for k in (0, 4)):
        data = pack_named(tensors)
        started = time.process_time()
        back = unpack_named(data)
        assert time.process_time() - started < 1
        assert all(np.array_equal(a.array, b.array) for a, b in zip(back, tensors, strict=True))


def test_reading_small_ones_imports_nothing_of_weight() -> None:
    code = (
        "import sys; from evonet.package.named import unpack_named; unpack_named(sys.stdin.buffer.read()); "
        "assert not {'constriction', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], input=pack_named(golden_tensors()), check=True, timeout=60)


def test_the_two_kinds_of_files_share_their_tensors() -> None:
    """The codes of a network's package cost the same as named weights."""
    from package.package_examples import small_package

    package = small_package()
    data = pack(package, version=2)
    tensors = [Named(name=str(k), dtype="float32", shape=q.shape, value=q) for k, q in enumerate(package.tensors)]
    assert abs(len(pack_named(tensors)) - len(data)) < 0.1 * len(data)
