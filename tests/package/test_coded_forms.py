"""Packages of version 2: round trips of all forms, the golden file, refusals, prices, and bytes from anywhere."""

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
from package.forms_examples import forms_package, large_packages, packages_of_forms, tiny_package
from package.package_examples import damaged, packages
from package.test_format import sealed

from evonet.errors import PackageError
from evonet.genome.code import encode
from evonet.package import Book, Coded, Half, Package, Quantised, Transformed, pack, unpack
from evonet.package.cost import tensors_bits
from evonet.package.models import START, encode_codes, step_frequencies
from evonet.package.parts import write_expression, write_genome, write_input
from evonet.package.tensors import FORM_CHANCES, FORMS, form_of, version_of
from evonet.package.words import Encoder
from evonet.plan import Plan, expand

GOLDEN = Path(__file__).parent.parent / "golden"


def plan_of(package: Package) -> Plan:
    return expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)


@settings(max_examples=25)
@given(packages_of_forms())
def test_round_trip(package: Package) -> None:
    data = pack(package)
    assert data[0] == 0xE0 + version_of(package.tensors)
    assert unpack(data) == package
    assert pack(unpack(data)) == data


@settings(max_examples=15)
@given(large_packages())
def test_round_trip_of_large_tensors(package: Package) -> None:
    data = pack(package)
    back = unpack(data)
    assert back == package
    for one, other in zip(back.tensors, package.tensors, strict=True):
        assert one.weights.tobytes() == other.weights.tobytes()
        assert [v.dtype for v in vars(one).values() if isinstance(v, np.ndarray)] == [
            v.dtype for v in vars(other).values() if isinstance(v, np.ndarray)
        ]


@settings(max_examples=12)
@given(packages())
def test_version_1_is_written_where_it_fits_and_version_2_holds_the_same(package: Package) -> None:
    assert pack(package) == pack(package, version=1)
    second = pack(package, version=2)
    assert second[0] == 0xE2
    assert unpack(second) == package


@settings(max_examples=20)
@given(st.one_of(packages_of_forms(), large_packages()), st.booleans())
def test_prices_are_real_lengths(package: Package, forced: bool) -> None:
    """Overhead is 8.5 bytes at most: version, check, input, lengths, the coder's end; expression comes on top."""
    version = 2 if forced else None
    plan = plan_of(package)
    bits = tensors_bits(plan.tensors, package.tensors, version=version)
    off = sum(len(row) for row in (*package.expression.taps, *package.expression.channels) if not all(row))
    spelled = 0 if package.input in ((1, 28, 28), (1, 8, 8), (3, 32, 32)) else 6
    rounding = 2e-4 * sum(tensor.size for tensor in plan.tensors) / 8  # of the coder's interval to 2**-24 parts
    beside = len(pack(package, version=version)) - bits / 8 - len(encode(package.genome))
    assert beside <= 8.5 + spelled + rounding + (1.3 * off / 8 + 1 if off else 0)


def test_overhead_of_both_versions_is_what_the_documentation_says() -> None:
    """8 bytes at most where all is on and the input has a name; version and check are 5 of them."""
    for package in (forms_package(), tiny_package(forms=True), tiny_package(forms=False)):
        for version in (1, 2) if version_of(package.tensors) == 1 else (2,):
            bits = tensors_bits(plan_of(package).tensors, package.tensors, version=version)
            beside = len(pack(package, version=version)) - bits / 8 - len(encode(package.genome))
            assert 5 <= beside <= 8


def described(value: Coded) -> dict[str, Any]:
    """As in the golden JSON."""
    known: dict[str, Any] = {"form": form_of(value)}
    for name, part in vars(value).items():
        known[name] = part.ravel().tolist() if isinstance(part, np.ndarray) else part
    return known


def test_golden_file() -> None:
    """Bytes of format 2 stay readable for ever, and are what is still written. Only a new format adds new files."""
    data = (GOLDEN / "forms.evo").read_bytes()
    want = json.loads((GOLDEN / "forms.evo.json").read_text())
    package = unpack(data)
    assert encode(package.genome).hex() == want["genome"]
    assert json.loads(json.dumps([described(value) for value in package.tensors])) == want["tensors"]
    assert {form_of(value) for value in package.tensors} == set(FORMS)
    assert pack(forms_package()) == data
    assert [float(value.weights.ravel()[1]) for value in package.tensors] == want["second weights"]


def test_version_1_files_with_large_tensors_stay_readable() -> None:
    package = forms_package()
    grids = tuple(v if isinstance(v, Quantised) else Quantised(3, np.ones(v.shape, np.int16)) for v in package.tensors)
    package = replace(package, tensors=grids)
    first = pack(package, version=1)
    assert first[0] == 0xE1
    assert unpack(first) == package
    assert pack(package)[0] == 0xE2


def test_a_large_tensor_of_zeros_needs_no_version_2() -> None:
    package = forms_package()
    zeros = tuple(Transformed(9, np.zeros(v.shape, np.int16), (1, 1)) for v in package.tensors)
    data = pack(replace(package, tensors=zeros))
    assert data[0] == 0xE1
    assert {(v.step, v.zeros) for v in unpack(data).tensors if isinstance(v, Quantised)} == {(0, True)}


def test_small_packages_of_version_2_import_no_constriction() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from package.forms_examples import forms_package, tiny_package\n"
        "from evonet.package import pack, unpack\n"
        "unpack(pack(tiny_package(forms=True)))\n"
        "assert 'constriction' not in sys.modules\n"
        "unpack(pack(forms_package()))\n"
        "assert 'constriction' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=GOLDEN.parents[1])


def book(levels: list[float], codes: list[int]) -> Book:
    return Book(np.array(levels, np.float16), np.array(codes * 20, np.int16)[:20].reshape(10, 2))


HALVES = np.arange(20, dtype=np.float16).reshape(10, 2)
FLAT = np.ones((10, 2), np.int16)


@pytest.mark.parametrize(
    "value, message",
    [
        (Half(HALVES[:9]), r"readout.weight: codes of shape \(9, 2\), expected \(10, 2\)"),
        (
            Half(np.where(HALVES == 3, np.float16(np.nan), HALVES)),
            "values are not all finite: the training diverged",
        ),
        (Half(np.where(HALVES == 3, np.float16(-np.inf), HALVES)), "readout.weight: values are not all finite"),
        (Half(HALVES.astype(np.float32)), "readout.weight: values are float32, expected float16"),
        (book([0, np.inf], [0, 1]), "readout.weight: levels are not all finite"),
        (book([0, np.nan], [0, 1]), "readout.weight: levels are not all finite"),
        (book([1, 0], [0, 1]), r"readout.weight: levels \[1.0, 0.0\], expected them strictly ascending"),
        (book([-0.0, 0.0], [0, 1]), "expected them strictly ascending"),
        (book([1], [0]), r"levels of shape \(1,\), expected 2..16 in one row"),
        (book(list(range(17)), list(range(17))), r"levels of shape \(17,\), expected 2..16"),
        (book([1, 2, 3], [0, 2]), r"codes \[0, 2\] occur, expected each of 0..2 and no other"),
        (book([1, 2], [0, 1, 2]), r"codes \[0, 1, 2\] occur, expected each of 0..1"),
        (book([1, 2], [0, 1, -1]), r"codes \[-1, 0, 1\] occur, expected each of 0..1"),
        (Transformed(64, FLAT, (1, 2)), "step 64, expected 0..63"),
        (Transformed(3, FLAT * 128, (1, 2)), r"\|code\| up to 128, expected at most 127"),
        (Transformed(3, FLAT, (2, 2)), r"blocks of \(2, 2\) do not fill a last axis of 2"),
        (Transformed(3, FLAT, (0, 2)), r"blocks of \(0, 2\), expected sides of 1..15"),
        (Transformed(3, FLAT, (1, 16)), r"blocks of \(1, 16\), expected sides of 1..15"),
        (Transformed(3, FLAT.astype(float), (1, 2)), "codes are float64, expected integers"),
    ],
)
def test_pack_refuses_what_does_not_fit(value: Coded, message: str) -> None:
    package = tiny_package(forms=True)
    with pytest.raises(PackageError, match=message):
        pack(replace(package, tensors=(*package.tensors[:2], value, package.tensors[3])))


def test_pack_refuses_forced_versions_that_do_not_fit() -> None:
    for package, form in ((forms_package(), "dct"), (tiny_package(forms=True), "dct")):
        with pytest.raises(PackageError, match=f"taps: its form is {form}, which version 1 does not have"):
            pack(package, version=1)
    with pytest.raises(PackageError, match=r"format 3, expected one of \(1, 2\)"):
        pack(tiny_package(forms=False), version=3)  # type: ignore[arg-type]


BODIES = [pack(tiny_package(forms=False)), pack(tiny_package(forms=False), version=2), pack(tiny_package(forms=True))]


@pytest.mark.parametrize("data", BODIES, ids=["1", "2", "2 forms"])
def test_every_flip_and_every_truncation_is_refused(data: bytes) -> None:
    for other in damaged(data):
        with pytest.raises(PackageError, match=r"damaged: its last 4 bytes are|this evonet reads formats 1 and 2"):
            unpack(other)


@pytest.mark.parametrize("data", BODIES, ids=["1", "2", "2 forms"])
def test_with_the_check_made_good_it_is_a_network_or_refused(data: bytes) -> None:
    taken = [accepted(sealed(other)) for other in damaged(data[:-4])]
    assert 0 < sum(taken) < len(taken)


def test_so_are_large_packages() -> None:
    data = pack(forms_package())
    taken = [accepted(sealed(other)) for other in list(damaged(data[:-4]))[::211]]
    assert len(taken) > 40


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_hostile_bytes_give_a_network_or_a_package_error(body: bytes) -> None:
    accepted(sealed(b"\xe2" + body))


def accepted(data: bytes) -> bool:
    """Whether it is a package, and then the one that is written for its network; if not, the refusal is one line."""
    try:
        package = unpack(data)
    except PackageError as error:
        refusal = str(error)
    else:
        assert pack(package, version=data[0] - 0xE0) == data  # type: ignore[arg-type]
        return True
    assert refusal.startswith("package: ")
    assert "\n" not in refusal
    return False


def write_zeros(encoder: Encoder, form: str, size: int) -> None:
    """A tensor of zeros that says it is of another form."""
    encoder.symbol(FORMS.index(form), FORM_CHANCES)
    if form == "half":
        encoder.many(np.zeros(2 * size, np.int64), np.full(256, 2**16))
        return
    encoder.symbol(32, step_frequencies(32))
    if form == "dct":
        encoder.uniform(0, 15)
        encoder.uniform(0, 15)
    encode_codes(encoder, [0] * size, START)


@pytest.mark.parametrize("form", ["grid", "dct", "half"])
def test_zeros_in_another_form_are_not_canonical(form: str) -> None:
    package = tiny_package(forms=True)
    first, *others = plan_of(package).tensors
    encoder = Encoder()
    write_input(encoder, package.input, package.classes)
    write_genome(encoder, package.genome)
    write_expression(encoder, plan_of(package))
    write_zeros(encoder, form, first.size)
    for _ in others:
        encoder.symbol(FORMS.index("zeros"), FORM_CHANCES)
    with pytest.raises(PackageError, match="are not the ones evonet writes for their network"):
        unpack(sealed(b"\xe2" + encoder.finish()))
