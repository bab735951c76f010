"""Networks that look in packages: round trips, the golden file, and the decoder that the documentation prints."""

import json
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from package.package_examples import LOOKING, packages, random_expression, small_package
from package.test_format_doc import decoder, described, facts
from strategies import saccade_genomes

from evonet.genome import Genome, SaccadeGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.table import SACCADE
from evonet.network.build import decoded
from evonet.package import Package, pack, unpack
from evonet.package.parts import COMMON
from evonet.plan import expand

GOLDEN = Path(__file__).parent.parent / "golden"


def golden_package() -> Package:
    """Some taps and channels off, wherever they may be."""
    plan = expand(LOOKING, input=(1, 28, 28), classes=10)
    return small_package(genome=LOOKING, expression=random_expression(plan, np.random.default_rng(7)))


@given(packages(saccade_genomes()))
@settings(max_examples=30, deadline=None)
def test_round_trip(package: Package) -> None:
    data = pack(package)
    assert unpack(data) == package
    assert pack(unpack(data)) == data
    if (package.input, package.classes) in COMMON:
        genome, _, _, tensors = decoder()(data, **facts(package))
        assert genome == encode(package.genome)
        assert tensors == [described(value) for value in package.tensors]


def test_golden_file() -> None:
    """The file of a network that looks stays readable for ever, and gives the same answers."""
    data = (GOLDEN / "looking.evo").read_bytes()
    want = json.loads((GOLDEN / "looking.evo.json").read_text())
    package = unpack(data)
    assert encode(package.genome).hex() == want["genome"]
    assert [list(map(int, taps)) for taps in package.expression.taps] == want["taps"]
    assert [list(map(int, live)) for live in package.expression.channels] == want["channels"]
    assert [q.step for q in package.tensors] == want["steps"]
    assert [q.codes.ravel().tolist() for q in package.tensors] == want["codes"]
    assert pack(golden_package()) == data
    network = decoded(package)
    with torch.no_grad():
        logits, looked = network.look(_image())
    assert looked.cell.tolist() == want["cells"]
    assert looked.kind.tolist() == want["kinds"]
    torch.testing.assert_close(logits[0], torch.tensor(want["logits"]), rtol=1e-4, atol=1e-4)


def test_the_documentation_has_the_record_as_it_is() -> None:
    """The table of docs/format.md is that of the code, and its example is what is written."""
    text = (GOLDEN.parents[1] / "docs/format.md").read_text()
    for field in SACCADE:
        values = field.coded if field.form == "one" else field.values
        span = isinstance(values[0], int) and tuple(values) == tuple(range(values[0], values[-1] + 1))
        named = f"{values[0]}..{values[-1]}" if span and len(values) > 2 else ", ".join(map(_shown, values))
        bits = f"4 x {field.bits}" if field.form == "vector" else f"{field.bits}"
        assert f"| {field.group} | {field.name} | {_shown(field.default)} | {bits} | {named} |" in text
    genome = Genome(sheets=(SheetGene(),), saccade=SaccadeGene(cell=16, budgets=(4, 0, 0, 0)))
    assert encode(genome).hex(" ") in text
    drawn = "".join(
        c for line in text.split("20 00 74 89 00 00 00\n")[1].splitlines()[:5] for c in line[:44] if c in "01"
    )
    assert bytes.fromhex(f"{int(drawn.ljust(56, '0'), 2):014x}") == encode(genome)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def _image() -> torch.Tensor:
    """A wave, of integers but for one division."""
    y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    return ((y * y + 3 * x * y + 5 * x) % 17 / 16)[None, None]
