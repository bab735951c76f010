"""The same weights with more cells: networks trained at 256 pixels with a few, tested at 1024 with up to 32."""

from __future__ import annotations

from pathlib import Path

import torch
from arms import Saccade
from canvas import Digits, Fixed, Split
from evaluating import classifiers, trained
from jobs import append, lines
from msgspec.structs import replace
from results import is_learned
from training import chunk_of, measure

from evonet.genome.text import load
from evonet.network import build
from evonet.plan import expand

SIDE, BUDGETS, TESTED = 1024, (2, 4, 8, 16, 32), 500


def budgets(out: Path, digits: dict[Split, Digits], device: str, *, tested: int = TESTED) -> None:
    """One line for each network of one class without fixations, and each budget, in OUT/budgets.jsonl."""
    done = {(line["name"], line["cells"]) for line in lines(out / "budgets.jsonl")}
    canvases = Fixed(f"clutter:{SIDE}", digits["test"], "test")
    for row, record in classifiers(out):
        if row.task != "clutter:256" or not is_learned(row.model):
            continue
        for cells in BUDGETS:
            if (record["name"], cells) in done:
                continue
            model = widened(record["model"], trained(record, out), cells, record["seed"])
            chunk = chunk_of(SIDE, device)
            found = measure(model.to(device), canvases, tested, chunk=chunk, device=device)
            macs = model.counts().macs
            append(
                out / "budgets.jsonl", {"name": record["name"], "cells": cells, "count": tested, "macs": macs, **found}
            )
            print(record["name"], cells, f"{macs / 1e6:.1f} M MACs", found, flush=True)


def widened(name: str, model: torch.nn.Module, cells: int, seed: int) -> Saccade:
    """The network of a record for larger images, with another number of cells; its weights know of neither."""
    _, genome_path, selector = name.split(":")
    genome = load(Path(genome_path))
    assert genome.saccade is not None
    wide = replace(genome, saccade=replace(genome.saccade, budgets=(cells, 0, 0, 0)))
    network = build(expand(wide, input=(1, SIDE, SIDE), classes=10))
    found = Saccade(network, selector, seed)
    found.load_state_dict(model.state_dict())
    return found.eval()
