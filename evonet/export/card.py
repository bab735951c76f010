"""The card of an exported network: what it is, what was measured, how it is used. Markdown."""

from collections.abc import Mapping

from evonet.plan import Plan
from evonet.plan.tradeoffs import trade_offs

Measured = str | int | float | bool | None


def write_card(
    plan: Plan,
    *,
    genome: str,
    size: int,
    named: int,
    measured: Mapping[str, Measured],
    difference: float | None,
    files: Mapping[str, str],
) -> str:
    """The text of card.md.

    Args:
        size: bytes of the package, the file that was scored.
        named: weights of the whole genome, of which the plan has those that are live.
        measured: what the caller measured, in the order to print; test accuracy and the like.
        difference: largest relative difference of logits found by the check; None if no weights were exported.
        files: name -> SHA-256.
    """
    costs = plan.costs
    rows: dict[str, Measured] = {
        "package (genome and weights)": f"{size:,} bytes",
        "input": f"{'x'.join(map(str, plan.input))}, values in [0, 1]",
        "classes": plan.classes,
        "weights": f"{costs.weights:,}" + _switched_off(named - costs.weights, named),
        "multiply-adds an image": costs.macs,
        "connections (mask ones)": costs.connections,
    }
    looks = trade_offs(plan)
    sections = ["# An evolved network", _table("wiring", rows | (looks.rows() if looks else {}))]
    if measured:
        sections.append("## Measured\n\n" + _table("measure", measured))
    if difference is not None:
        weights = next(name for name in ("model.safetensors", "model.pt", "dense.safetensors") if name in files)
        sections.append(_USE.format(weights=weights, module=weights.split(".")[0]))
        sections.append(
            "Before this folder was written, the weights were reloaded in a fresh interpreter without evonet; "
            f"the logits differ from the network's own by at most {difference:.1g} of the largest."
        )
    sections.append(
        "## Files\n\n" + _table("file", {f"`{name}`": f"`{digest}`" for name, digest in files.items()}, "SHA-256")
    )
    sections.append(f"## Genome\n\n```toml\n{genome.strip()}\n```")
    return "\n\n".join(sections) + "\n"


def _switched_off(dead: int, named: int) -> str:
    return f" of the {named:,} that the genes name; compression switched the others off" if dead else ""


_USE = """\
## Use

```python
import torch
from {module} import load  # {module}.py in this folder; plain PyTorch

net = load("{weights}")
logits = net(images)  # float32, (batch, channels, height, width), values in [0, 1]
```"""


def _table(head: str, rows: Mapping[str, Measured], value: str = "value") -> str:
    lines = [f"| {head} | {value} |", "|---|---|"]
    return "\n".join(lines + [f"| {key} | {_text(cell)} |" for key, cell in rows.items()])


def _text(cell: Measured) -> str:
    if isinstance(cell, bool) or cell is None:
        return "-" if cell is None else "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if isinstance(cell, float) else cell
