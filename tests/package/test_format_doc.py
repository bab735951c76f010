"""docs/format.md is enough to read a package: the decoder printed there reads the golden file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from package.forms_examples import large_packages, packages_of_forms
from package.package_examples import packages

from evonet.genome.code import encode
from evonet.package import Book, Coded, Half, Package, Quantised, pack, unpack
from evonet.package.parts import COMMON
from evonet.plan import expand

ROOT = Path(__file__).parents[2]


def decoder() -> Callable[..., Any]:
    source = (ROOT / "docs/format.md").read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - our own documentation
    return names["decode"]


def facts(package: Package) -> dict[str, Any]:
    """What the genome's expansion tells: of the whole genome, and of what is live."""
    whole = expand(package.genome, input=package.input, classes=package.classes)
    live = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    own = [s for s in whole.stages if s.weight is not None and s.lender is None]
    return {
        "channels": [len(s.alive) for s in whole.sheets if s.cuttable],
        "taps": [len(s.all_taps) for s in own if len(s.all_taps) > 1],
        "sizes": [t.size for t in live.tensors],
        "biases": [t.role in ("bias", "readout_bias") for t in live.tensors],
    }


def described(value: Coded) -> tuple[Any, ...]:
    """As the decoder in the documentation returns it."""
    if value.zeros:
        return ("zeros",)
    if isinstance(value, Half):
        return "half", tuple(value.values.ravel().tolist())
    codes = value.codes.ravel().tolist()
    if isinstance(value, Book):
        return "book", tuple(value.levels.tolist()), codes
    return ("grid", value.step, codes) if isinstance(value, Quantised) else ("dct", value.step, codes, *value.block)


def test_the_decoder_in_the_documentation_reads_the_golden_file() -> None:
    want = json.loads((ROOT / "tests/golden/small.evo.json").read_text())
    data = (ROOT / "tests/golden/small.evo").read_bytes()
    genome, channels, live, tensors = decoder()(data, **facts(unpack(data)))
    assert genome.hex() == want["genome"]
    assert channels == [[1] * 6]
    assert live == [bits for bits in want["expression"] if len(bits) > 1]
    assert [step for _, step, _ in tensors] == want["steps"]
    assert [codes for _, _, codes in tensors] == want["codes"]


def test_and_that_of_format_2() -> None:
    want = json.loads((ROOT / "tests/golden/forms.evo.json").read_text())
    data = (ROOT / "tests/golden/forms.evo").read_bytes()
    genome, _, _, tensors = decoder()(data, **facts(unpack(data)))
    assert genome.hex() == want["genome"]
    assert [form for form, *_ in tensors] == [tensor["form"] for tensor in want["tensors"]]
    assert tensors == [described(value) for value in unpack(data).tensors]


@settings(max_examples=25)
@given(st.one_of(packages(), packages_of_forms()), st.booleans())
def test_and_every_other_package(package: Package, forced: bool) -> None:
    assume((package.input, package.classes) in COMMON)
    genome, _, _, tensors = decoder()(pack(package, version=2 if forced else None), **facts(package))
    assert genome == encode(package.genome)
    assert tensors == [described(value) for value in package.tensors]


@settings(max_examples=8)
@given(large_packages())
def test_and_large_tensors(package: Package) -> None:
    _, _, _, tensors = decoder()(pack(package), **facts(package))
    assert tensors == [described(value) for value in package.tensors]
