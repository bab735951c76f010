"""How large is a step of each operator, and how often does it pay? A table in markdown.

    python benchmarks/operators.py                                        # two parents: a look
    python benchmarks/operators.py --count 100 --out operators.jsonl      # about an hour on one core; resumable

Parents are founders of the configuration, trained for its first rung. Where an operator does not apply to a founder (it
frees what is tied, say), the founder is varied at random until it does. Every child inherits its parent's weights and
is trained as a search would; so is a clone of the parent, with the same batches. The row (clone) is that clone with
other batches: what better than the clone means when nothing has changed.

changed   share of connections that one of the two has and the other has not: 1 - common / union of (motif, source,
          channels, offset), the readout's among them
before    change of the loss in bits per label on calibration images, before any training of the child
better    share of children with a higher score than the clone on validation images, with its 95 % interval
keeps     whether the operator is growth that keeps the function: `before` is zero then
"""

import argparse
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import harness  # noqa: F401 - sets the number of threads
import numpy as np
import torch
from numpy.typing import NDArray

from evonet import seeds
from evonet.composition import evaluation_settings
from evonet.config import RunConfig, load_config
from evonet.errors import GenomeError
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.inherit import inherit
from evonet.evaluation.kernels import joined, kernel_of
from evonet.evaluation.parents import read_start
from evonet.evolution.score import score
from evonet.genome import Genome
from evonet.genome.check import valid
from evonet.genome.code import encode
from evonet.genome.ids import anonymous, ids_of, stamp
from evonet.genome.limits import breaches
from evonet.genome.sampling import sample
from evonet.genome.variation import OPERATORS, vary
from evonet.job import Job, Outcome, Scored, Start
from evonet.network import build
from evonet.plan import Plan, expand, fit
from evonet.seeds import Stream
from evonet.training.data import load_data
from evonet.training.quality import quality

CONFIG = Path(__file__).parents[1] / "configs" / "digits.toml"
CLONE = "(clone)"
LINKS, TRIES = 30, 20  # variations of a founder; draws of an operator on each of them
EVENLY = dict.fromkeys(OPERATORS, 1.0)
Connections = dict[tuple[Any, ...], NDArray[np.bool_]]


class Child(NamedTuple):
    link: int  # how often the founder was varied to make the parent
    genome: Genome


class Lab:
    """Parents, clones and children; the same on every run."""

    def __init__(self, config: RunConfig, steps: int) -> None:
        self.config, self.steps = config, steps
        self.data = load_data(config.data.spec, config.data.dir or None)
        self.evaluator = Evaluator(evaluation_settings(config), self.data)
        self.genome, self.trained, self.cloned = cache(self.genome), cache(self.trained), cache(self.cloned)

    def genome(self, founder: int, link: int) -> Genome | None:
        """A founder varied `link` times; None where no try can be computed."""
        before = self.genome(founder, link - 1) if link else None
        for attempt in range(TRIES):
            stream = Stream("operators", founder, link, attempt)
            if link == 0:
                found = self.admitted(sample(stream, self.config.genes))
            elif before is None:
                return None
            else:
                found = self.admitted(vary(before, stream, self.config.genes, EVENLY)[0])
            if found is not None:
                return stamp(found, link)
        return None

    def admitted(self, genome: Genome) -> Genome | None:
        """As a search admits it: fitted to the images, and within the budget."""
        try:
            genome = fit(genome, input=self.data.input)
            expand(genome, input=self.data.input, classes=self.data.classes, budget=self.evaluator.budget)
        except GenomeError:
            return None
        return genome

    def child(self, founder: int, name: str) -> Child | None:
        """Of the first parent to which the operator applies."""
        for link in range(LINKS):
            parent = self.genome(founder, link)
            if parent is None:
                return None
            if name == CLONE:
                return Child(link, parent)
            for attempt in range(TRIES):
                varied = OPERATORS[name].apply(
                    parent, Stream("operators", founder, name, link, attempt), self.config.genes
                )
                if varied is None or not valid(varied) or self.beyond(varied, parent):
                    continue
                found = self.admitted(varied)
                if found is not None and anonymous(found) != anonymous(parent):
                    return Child(link, stamp(found, LINKS))
        return None

    def beyond(self, child: Genome, parent: Genome) -> bool:
        return breaches(child, self.config.genes) > breaches(parent, self.config.genes)

    def trained(self, founder: int, link: int) -> Start | None:
        """A parent, trained from random weights; None where it diverged."""
        genome = self.genome(founder, link)
        if genome is None:
            return None
        outcome = self.evaluator(self.job(genome, (), seeds.key("parent", founder, link)))
        if not isinstance(outcome, Scored):
            return None
        return Start(genome=encode(genome), ids=ids_of(genome), package=outcome.package, shadow=outcome.shadow)

    def cloned(self, founder: int, link: int) -> Outcome:
        genome, start = self.genome(founder, link), self.trained(founder, link)
        if genome is None or start is None:
            raise AssertionError("asked for only where there is a trained parent")
        return self.evaluator(self.job(genome, (start,), seeds.key("child", founder, link)))

    def job(self, genome: Genome, starts: tuple[Start, ...], seed: int) -> Job:
        return Job(
            decision=0,
            individual=0,
            rung=0,
            genome=encode(genome),
            ids=ids_of(genome),
            starts=starts,
            steps=self.steps,
            seed=seed,
            key="",
        )

    def compare(self, founder: int, name: str) -> dict[str, Any]:
        """One line of the record: {} where the operator applies to no parent, or the parent diverged."""
        child = self.child(founder, name)
        start = None if child is None else self.trained(founder, child.link)
        if child is None or start is None:
            return {}
        parent = self.genome(founder, child.link)
        kind = "other" if name == CLONE else "child"
        outcome = self.evaluator(self.job(child.genome, (start,), seeds.key(kind, founder, child.link)))
        ours, clones = self.score(outcome), self.score(self.cloned(founder, child.link))
        return {
            "link": child.link,
            "changed": changed(self.connections(parent), self.connections(child.genome)),
            "before": self.loss(child.genome, start) - self.loss(parent, start),
            "gain": None if ours is None or clones is None else ours - clones,
            "better": ours is not None and (clones is None or ours > clones),
        }

    def score(self, outcome: Outcome) -> float | None:
        return score(outcome.measures, self.config.score) if isinstance(outcome, Scored) else None

    def plan(self, genome: Genome) -> Plan:
        return expand(genome, input=self.data.input, classes=self.data.classes)

    def loss(self, genome: Genome, start: Start) -> float:
        """Bits per label with inherited weights, untrained."""
        e, plan = self.evaluator, self.plan(genome)
        shadow = e.settings.compression.from_shadow
        parent = read_start(start, input=e.input, classes=e.classes, budget=e.budget, shadow=shadow)
        return quality(build(plan), e.calibration, weights=inherit(plan, [parent], 0).weights)[0]

    def connections(self, genome: Genome) -> Connections:
        """Per motif, what it reads, and offset: which target and source channels it joins."""
        plan, found = self.plan(genome), {}
        weights = [torch.ones(t.shape) for t in plan.tensors]
        for branch, (target, source) in zip(branches(plan), ends(plan), strict=True):
            (stage, *more) = branch.stages
            kernel = joined(branch, weights) if more else kernel_of(stage, weight_of(weights, stage.weight))
            of = genome.sheets[source].id if source >= 0 else None
            for t, tap in enumerate(kernel.taps):
                found[branch.gene, genome.sheets[target].id, of, tap] = kernel.known[..., t].any(0).numpy()
        grid, channels = plan.readout.grid, plan.sheets[-1].shape[0]
        for pool in {"both": ("mean", "max")}.get(plan.readout.pooling, (plan.readout.pooling,)):
            for cell in np.ndindex(grid):
                key = (genome.readout.id, plan.readout.kind, pool, grid, cell)
                found[key] = np.ones((plan.classes, channels), dtype=np.bool_)
        return found


def weight_of(weights: list[torch.Tensor], index: int | None) -> torch.Tensor | None:
    return None if index is None else weights[index]


def branches(plan: Plan) -> Iterator[Any]:
    return (branch for sheet in plan.sheets for branch in (*sheet.incoming, *sheet.recurrent))


def ends(plan: Plan) -> Iterator[tuple[int, int]]:
    """(sheet, source) of every branch."""
    for k, sheet in enumerate(plan.sheets):
        yield from ((k, branch.source) for branch in (*sheet.incoming, *sheet.recurrent))


def changed(a: Connections, b: Connections) -> float:
    common = 0
    for key in a.keys() & b.keys():
        out, inputs = (min(sizes) for sizes in zip(a[key].shape, b[key].shape, strict=True))
        common += int((a[key][:out, :inputs] & b[key][:out, :inputs]).sum())
    union = sum(int(part.sum()) for found in (a, b) for part in found.values()) - common
    return 1 - common / union


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    yield "| operator | keeps | n | changed, median | before, median (least to most) | better | gain, median |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name in (CLONE, *OPERATORS):
        rows = [line for line in lines if line["operator"] == name and "better" in line]
        keeps = "yes" if name == CLONE or OPERATORS[name].keeps else ""
        if not rows:
            yield f"| {name} | {keeps} | 0 | | | | |"
            continue
        before, gains = [row["before"] for row in rows], [row["gain"] for row in rows if row["gain"] is not None]
        hits = sum(row["better"] for row in rows)
        low, high = wilson(hits, len(rows))
        yield (
            f"| {name} | {keeps} | {len(rows)} | {median(row['changed'] for row in rows):.3f} "
            f"| {median(before):+.4f} ({min(before):+.4f} to {max(before):+.4f}) "
            f"| {hits / len(rows):.2f} ({low:.2f}-{high:.2f}) | {f'{median(gains):+.4f}' if gains else ''} |"
        )


def recorded(out: Path | None, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines so far. A record of other settings is refused."""
    if out is None or not out.exists():
        return []
    first, *lines = (json.loads(line) for line in out.read_text().splitlines())
    if first != settings:
        raise SystemExit(f"{out}: recorded with {first}, expected {settings}: name another file")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2, help="parents per operator")
    parser.add_argument("--config", type=Path, default=CONFIG, help="data, limits, score and training")
    parser.add_argument("--steps", type=int, help="of each training; without it those of the first rung")
    parser.add_argument("--out", type=Path, help="one line of JSON per child; what is there is not done again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(args.config)
    steps = args.steps or config.search.rungs[0]
    settings = {"config": args.config.name, "steps": steps}
    lines, lab = recorded(args.out, settings), Lab(config, steps)
    if args.out is not None and not lines:
        args.out.write_text(json.dumps(settings) + "\n")
    done = {(line["operator"], line["founder"]) for line in lines}
    for founder in range(args.count):
        for name in (CLONE, *OPERATORS):
            if (name, founder) not in done:
                lines.append({"operator": name, "founder": founder, **lab.compare(founder, name)})
                if args.out is not None:
                    with args.out.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
    print(f"{config.data.spec}, {steps} steps, {args.count} founders, score {config.score.kind!r}\n")
    print("\n".join(table(lines)))


if __name__ == "__main__":
    main()
