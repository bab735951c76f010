"""What scan paths are worth: trained networks with another order of cells, without inhibition, with another halting.

No variant takes the state away from what answers. In the glance's order nothing seen says where to look, but all that
was seen is still remembered; at random after the first, neither glance nor state say where.

Thresholds of halting are chosen on validation canvases: the lowest whose error is within `SLACK` of looking on to the
end. Then all variants are tested.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from arms import Saccade
from canvas import Digits, Fixed, Split
from evaluating import classifiers, trained
from jobs import append, finished, lines
from msgspec.structs import replace
from results import shown
from training import chunk_of

from evonet import seeds
from evonet.network import Network
from evonet.network.choosing import gumbel
from evonet.network.looking import Pick, Picked, Question, greedy
from evonet.plan.types import Plan

HALTING = tuple(1 - 2.0**-h for h in range(1, 11))
SLACK = 0.001
VALIDATED = 2_000


def paths(out: Path, digits: dict[Split, Digits], device: str, *, tested: int | None) -> None:
    """One line for each variant of each network with fixations in OUT/paths.jsonl."""
    done = {line["name"] for line in lines(out / "paths.jsonl")}
    for row, record in classifiers(out):
        if record["name"] in done or not row.model.startswith("saccade:"):
            continue
        model = trained(record, out).to(device)
        if isinstance(model, Saccade) and model.at.fixations > 1:
            append(
                out / "paths.jsonl",
                {"name": record["name"], "task": row.task, **_measured(model, row.task, digits, tested)},
            )


def _measured(model: Saccade, task: str, digits: dict[Split, Digits], tested: int | None) -> dict[str, Any]:
    network = model.network
    held = Fixed(task, digits["validation"], "validation")
    full = _error(network, held, VALIDATED, greedy, halt=False)[0]
    chosen = next(
        (tau for tau in HALTING if _error(_halting(network, tau), held, VALIDATED, greedy)[0] <= full + SLACK), None
    )
    test = Fixed(task, digits["test"], "test")
    count = tested or 10_000
    found: dict[str, Any] = {"count": count, "halting": chosen}
    for name, pick in VARIANTS.items():
        error, used = _error(network, test, count, pick(), halt=False)
        found[name] = {"error": error, "fixations": used}
        print(task, name, found[name], flush=True)
    halted = network if chosen is None else _halting(network, chosen)
    error, used = _error(halted, test, count, greedy, halt=chosen is not None)
    found["halting on validation"] = {"error": error, "fixations": used}
    return found


def _error(network: Network, canvases: Fixed, count: int, pick: Pick, *, halt: bool = True) -> tuple[float, float]:
    """Share of wrong answers, and the mean number of fixations."""
    wrong = used = 0.0
    device = next(network.parameters()).device
    chunk = chunk_of(network.plan.input[1], str(device))
    with torch.no_grad():
        for start in range(0, count, chunk):
            batch = canvases.at(torch.arange(start, min(start + chunk, count), device=device))
            logits, looked = network.look(batch.images, pick=pick, halt=halt)
            wrong += float((logits.argmax(1) != batch.labels).sum())
            used += float(looked.fixations.sum())
    return wrong / count, used / count


def _halting(network: Network, tau: float) -> Network:
    """The same weights under another threshold."""
    plan: Plan = network.plan
    assert plan.saccade is not None
    other = Network(replace(plan, saccade=replace(plan.saccade, halting=tau)))
    other.load_state_dict(network.state_dict())
    return other.to(next(network.parameters()).device).eval()


class ByGlance:
    """The cells that the glance liked best, in its order: what was seen says nothing about where to look next."""

    def __init__(self) -> None:
        self.first = torch.empty(0)

    def __call__(self, question: Question) -> Picked:
        if question.time == 0:
            self.first = question.logits
        return greedy(dataclasses.replace(question, logits=self.first[question.images]))


class AtRandom:
    """The first cell is the glance's, the others are any."""

    def __call__(self, question: Question) -> Picked:
        if question.time == 0:
            return greedy(question)
        noise = gumbel(question.logits.shape, seeds.key("saccades", "order", question.time), question.logits.device)
        return greedy(dataclasses.replace(question, logits=noise))


def uninhibited(question: Question) -> Picked:
    """Cells may be looked at again."""
    return greedy(dataclasses.replace(question, taken=None))


VARIANTS = {
    "as trained": lambda: greedy,
    "in the glance's order": ByGlance,
    "at random after the first": AtRandom,
    "without inhibition": lambda: uninhibited,
}


def paths_table(out: Path) -> None:
    """The variants of every network, test error and mean fixations."""
    found, records = lines(out / "paths.jsonl"), finished(out)
    if not found:
        return
    names = [*VARIANTS, "halting on validation"]
    print("## Scan paths\n")
    print(
        "| task | network | seed | " + " | ".join(names) + " | threshold |\n|---|---|---:|" + "---:|" * (len(names) + 1)
    )
    for line in found:
        cells = [f"{100 * line[n]['error']:.2f} % at {line[n]['fixations']:.2f}" for n in names]
        record = records[line["name"]]
        network = f"{record['task']} | {shown(record['model'])} | {record['seed']}"
        print(f"| {network} | " + " | ".join(cells) + f" | {line['halting']} |")
    print()
