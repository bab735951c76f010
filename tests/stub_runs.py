"""Runs of any size without training: real genomes and packages of random weights, measures that improve with time.

Written through SQL in large transactions: a million individuals in under a minute.
"""

from __future__ import annotations

import json
import random
import sqlite3
from functools import cache
from pathlib import Path

import numpy as np

from evonet.config import RunConfig, to_toml
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome.code import encode
from evonet.genome.genes import Genome
from evonet.genome.ids import ids_of, stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.package import Package, Quantised, pack
from evonet.plan import expand
from evonet.plan.fit import fit
from evonet.seeds import Stream
from evonet.store import RunWriter

INPUT, CLASSES = (1, 8, 8), 10
OPERATORS = ("taps", "shift_tap", "long_share", "channels", "insert_sheet+taps", "cross+toggle_tap", "reseed", "mixing")
_ROUNDS = json.dumps(
    [{"steps": 50, "train_loss": 1.5, "float_loss": 1.2, "loss": 1.3, "bytes": 400}] * 3,
    separators=(",", ":"),
)
_EVALUATION = (
    "decision, individual, kind, operator, rung, steps, seen_before, seed, key, outcome, seconds, reason, step, bytes, "
    "loss, accuracy, choice_loss, choice_accuracy, weights, nonzero, macs, connections, sheets, taps, "
    "long_share, seen, train_images, rounds"
)


@cache
def pool(count: int) -> list[tuple[bytes, str, bytes]]:
    """(canonical code, gene ids as JSON, package) of sampled genomes."""
    found: list[tuple[bytes, str, bytes]] = []
    for n in range(10 * count):
        genome = fit(stamp(sample(Stream("stub", n), Limits()), n), input=INPUT)
        try:
            found.append((encode(genome), json.dumps(ids_of(genome)), package(genome, n)))
        except Exception:  # noqa: S112 - too large, or does not fit 8x8: another will do
            continue
        if len(found) == count:
            break
    return found


def package(genome: Genome, seed: int) -> bytes:
    plan = expand(genome, input=INPUT, classes=CLASSES)
    if plan.costs.weights > 4000:
        raise ValueError("large")
    draw = np.random.default_rng(seed)
    tensors = tuple(Quantised(36, draw.integers(-3, 4, t.shape).astype(np.int16)) for t in plan.tensors)
    return pack(Package(genome=genome, input=INPUT, classes=CLASSES, expression=plan.expression, tensors=tensors))


def stub_run(path: Path, individuals: int, *, population: int = 100, genomes: int = 60, weights: int = 200) -> Path:
    """A run folder; the first, the last and about `weights` in all have packages. The last individual is in flight."""
    config = RunConfig(
        score=ScoreSettings(kind="length"), search=SearchSettings(population=population, individuals=individuals)
    )
    with RunWriter.create(path, config=to_toml(config), seed=1, population=population, provenance={"evonet": "stub"}):
        pass
    db = sqlite3.connect(path / "run.db", isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    choices, draw = pool(genomes), random.Random(1)  # noqa: S311 - a stub
    best: list[tuple[float, int]] = []
    for first in range(0, individuals, 50_000):
        db.execute("BEGIN")
        born, told, parents, kept = [], [], [], []
        for i in range(first, min(first + 50_000, individuals)):
            which = draw.randrange(len(choices))
            code, ids, data = choices[which]
            born.append((i, i, code, ids))
            row, score = _evaluation(i, individuals, population, draw)
            told.append(row)
            if i >= population:
                mother = draw.choice(best)[1] if best and draw.random() < 0.5 else draw.randrange(max(0, i - 400), i)
                parents.append((i, 0, mother))
                if draw.random() < 0.2:
                    parents.append((i, 1, draw.randrange(max(0, i - 400), i)))
            if score is not None and (len(best) < 20 or score > best[0][0]):
                best = sorted([*best, (score, i)])[-20:]
                kept.append((i, data, b""))
            elif score is not None and i % max(1, individuals // weights) == 0:
                kept.append((i, data, b""))
        db.executemany("INSERT INTO individual (id, decision, genome, ids) VALUES (?, ?, ?, ?)", born)
        marks = ", ".join("?" * (_EVALUATION.count(",") + 1))
        db.executemany(f"INSERT INTO evaluation ({_EVALUATION}) VALUES ({marks})", told)  # noqa: S608
        db.executemany("INSERT INTO parent (decision, position, parent) VALUES (?, ?, ?)", parents)
        db.executemany("INSERT INTO weights (decision, package, shadow) VALUES (?, ?, ?)", kept)
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


def _evaluation(
    i: int, individuals: int, population: int, draw: random.Random
) -> tuple[tuple[object, ...], float | None]:
    age = i / individuals
    kind, operator = ("found", "sample") if i < population else ("breed", draw.choice(OPERATORS))
    head = (i, i, kind, operator, 0, 150, 9600 * (i // population), i, f"k{i}")
    if i == individuals - 1:
        return (*head, *(None,) * 19), None
    if draw.random() < 0.02:
        outcome = draw.choice(("diverged", "rejected", "lost"))
        reason = {"diverged": "the loss is not finite", "rejected": f"{3 * i:,} multiply-adds", "lost": "worker died"}
        return (*head, outcome, 0.5, reason[outcome], 7 if outcome == "diverged" else None, *(None,) * 15), None
    size = int(120 + 900 * draw.random() ** 2 * (1.4 - age))
    loss = max(0.02, (0.25 + 1.5 * (1 - age) * draw.random() + 60 / size) * draw.lognormvariate(0, 0.2))
    accuracy, share = max(0.1, 1 - loss / 3), min(1.0, draw.random() ** 2 * (0.3 + 0.6 * age))
    images = 990
    measures = (size, loss, accuracy, None, None, 4 * size, 2 * size, 40 * size, 30 * size, 1 + i % 3, 9 + i % 30)
    row = (*head, "scored", 1.5, None, None, *measures, share, 9600 * (1 + i // population), images, _ROUNDS)
    return row, -(8 * size + images * loss)
