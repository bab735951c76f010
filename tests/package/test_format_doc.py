"""docs/format.md is enough to read a package: the decoder printed there reads the golden file."""

import json
from pathlib import Path

from package.package_examples import SMALL

from evonet.plan import expand

ROOT = Path(__file__).parents[2]


def test_the_decoder_in_the_documentation_reads_the_golden_file() -> None:
    source = (ROOT / "docs/format.md").read_text().split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(source, names)  # noqa: S102 - our own documentation
    want = json.loads((ROOT / "tests/golden/small.evo.json").read_text())
    expression = tuple(tuple(map(bool, taps)) for taps in want["expression"])
    plan = expand(SMALL, input=(1, 28, 28), classes=10, expression=expression)
    taps = [len(s.all_taps) for s in plan.stages if s.weight is not None and len(s.all_taps) > 1]
    genome, live, tensors = names["decode"](
        (ROOT / "tests/golden/small.evo").read_bytes(),
        taps=taps,
        sizes=[t.size for t in plan.tensors],
        biases=[t.role in ("bias", "readout_bias") for t in plan.tensors],
    )
    assert genome.hex() == want["genome"]
    assert live == [bits for bits in want["expression"] if len(bits) > 1]
    assert [step for step, _ in tensors] == want["steps"]
    assert [codes for _, codes in tensors] == want["codes"]
