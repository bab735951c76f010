"""Do saved MACs become saved time? One genome that looks at a tenth of the cells, against its own sheets everywhere.

The genome without its saccade gene is the same convolutions on the whole image, so all that differs is where they are
computed, and the glance that says so. Weights are as drawn: time does not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import torch
from canvas import Digits, Fixed, Split, task_of
from clock import BATCHES, ROUNDS, interleaved, work_of
from jobs import append, lines
from ladder import CLASSES
from msgspec.structs import replace

from evonet.genome import Genome
from evonet.genome.table import BUDGETS
from evonet.genome.text import load
from evonet.network import Network, build, initialise
from evonet.plan import expand

GENOME = Path(__file__).parent / "genomes" / "set-w8.toml"
TASK, SHARE, THREADS = "clutter:256", 0.1, 1  # SHARE: of the grid's cells, to the nearest budget of a gene


def conversion(
    out: Path, digits: dict[Split, Digits], *, batches: Sequence[int] = BATCHES, rounds: int = ROUNDS
) -> None:
    """Time both networks in turn; one line a batch in OUT/conversion.jsonl, once."""
    out.mkdir(parents=True, exist_ok=True)
    done = {line["batch"] for line in lines(out / "conversion.jsonl")}
    networks = pair(load(GENOME))
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    for batch in batches:
        if batch not in done:
            line = _line(networks, Fixed(TASK, digits["test"], "test"), batch, rounds)
            append(out / "conversion.jsonl", line)
            print(line, flush=True)
    torch.set_num_threads(before)


def pair(genome: Genome, share: float = SHARE) -> tuple[Network, Network]:
    """The genome's network with `share` of its cells as the budget of class 1, and that of its sheets everywhere.

    Raises ValueError for a genome without a saccade, GenomeError where one does not fit the images.
    """
    gene = genome.saccade
    if gene is None:
        raise ValueError("the genome has no saccade, expected one with [saccade]")
    side = task_of(TASK).side
    wanted = share * ceil(side / gene.cell) ** 2
    budget = min(BUDGETS, key=lambda cells: abs(cells - wanted))
    looking = replace(genome, saccade=replace(gene, budgets=(budget, 0, 0, 0)))
    return _network(looking, side), _network(replace(genome, saccade=None), side)


def _network(genome: Genome, side: int) -> Network:
    plan = expand(genome, input=(1, side, side), classes=CLASSES)
    network = build(plan)
    with torch.no_grad():
        for parameter, drawn in zip(network.weights, initialise(plan, 1), strict=True):
            parameter.copy_(drawn)
    return network.eval()


def _line(networks: tuple[Network, Network], canvases: Fixed, batch: int, rounds: int) -> dict[str, Any]:
    looking, everywhere = networks
    at = looking.plan.saccade
    assert at is not None
    images = canvases.at(torch.arange(batch)).images
    times = interleaved({"looks": work_of(looking, images), "everywhere": work_of(everywhere, images)}, rounds=rounds)
    ms = {name: 1e3 * median(each) / batch for name, each in times.items()}
    macs = {"looks": looking.plan.costs.macs, "everywhere": everywhere.plan.costs.macs}
    speedup, ratio = ms["everywhere"] / ms["looks"], macs["everywhere"] / macs["looks"]
    return {
        "genome": GENOME.stem, "task": TASK, "cells": sum(eye.count for eye in at.eyes), "of": at.cells,
        "batch": batch, "threads": THREADS, "rounds": rounds, "macs": macs, "ms": ms,
        "speedup": speedup, "ratio": ratio, "efficiency": speedup / ratio,
    }  # fmt: skip


def conversion_table(out: Path) -> None:
    """A line a batch: what was saved in MACs, what in time, and how much of the one became the other."""
    found = lines(out / "conversion.jsonl")
    if not found:
        return
    print("## MACs to time: a genome's sheets where it looks, and everywhere\n")
    print("| genome | task | cells | batch, threads | MACs | MACs everywhere | ms | ms everywhere | ", end="")
    print("fewer MACs | faster | efficiency |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for n in found:
        macs, ms = n["macs"], n["ms"]
        print(
            f"| {n['genome']} | {n['task']} | {n['cells']} of {n['of']} | {n['batch']}, {n['threads']} | "
            f"{macs['looks']:,} | {macs['everywhere']:,} | {ms['looks']:.3f} | {ms['everywhere']:.3f} | "
            f"{n['ratio']:.2f}x | {n['speedup']:.2f}x | {n['efficiency']:.2f} |"
        )
    print()
