"""docs/format.md is enough to read a package: the decoder printed there reads the golden file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from package.package_examples import packages

from evonet.genome.code import encode
from evonet.package import Package, pack, unpack
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


def test_the_decoder_in_the_documentation_reads_the_golden_file() -> None:
    want = json.loads((ROOT / "tests/golden/small.evo.json").read_text())
    data = (ROOT / "tests/golden/small.evo").read_bytes()
    genome, channels, live, tensors = decoder()(data, **facts(unpack(data)))
    assert genome.hex() == want["genome"]
    assert channels == [[1] * 6]
    assert live == [bits for bits in want["expression"] if len(bits) > 1]
    assert [step for step, _ in tensors] == want["steps"]
    assert [codes for _, codes in tensors] == want["codes"]


@settings(max_examples=30)
@given(packages())
def test_and_every_other_package(package: Package) -> None:
    assume((package.input, package.classes) in COMMON)
    genome, _, _, tensors = decoder()(pack(package), **facts(package))
    assert genome == encode(package.genome)
    assert [codes for _, codes in tensors] == [q.codes.ravel().tolist() for q in package.tensors]
