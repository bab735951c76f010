"""What a captured training step (`evonet.training.captured`) takes on a GPU, and whether it is the same step.

    python benchmarks/captured.py genomes/records/h-512.toml --data-dir ~/data

Prints milliseconds per step, launched one by one and as one graph, and how far the weights of both are apart after the
same steps, as a share of how far they went; beside it how far two launched trainings are apart, which is what the
order of a GPU's sums alone makes.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from evonet import seeds
from evonet.config import load_config
from evonet.evaluation.inherit import inherit
from evonet.genome.text import load
from evonet.network import build
from evonet.plan import expand
from evonet.training.batches import images_of
from evonet.training.captured import FEWEST
from evonet.training.data import load_data
from evonet.training.trainer import Trainer, flatten

STEPS = 10 * (FEWEST - 1)  # in pieces of FEWEST - 1 nothing is captured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genome", type=Path)
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--config", type=Path, default=Path("configs/records/small.toml"))
    args = parser.parse_args()
    data = load_data("mnist", args.data_dir or None)
    plan = expand(load(args.genome), input=data.input, classes=data.classes)
    start = inherit(plan, [], seeds.key(1, "init")).weights
    images, settings = images_of(data, "train", args.device), load_config(args.config).training
    found, ends = {}, []
    for name, piece in (("launched", FEWEST - 1), ("again", FEWEST - 1), ("captured", STEPS)):
        trainer = Trainer(build(plan).to(args.device), start, images, settings, steps=20 * STEPS, seed=1)
        _run(trainer, piece)
        ends.append(flatten(trainer.weights).cpu())
        began = time.perf_counter()
        _run(trainer, piece)
        found[f"{name}_ms"] = 1000 * (time.perf_counter() - began) / STEPS
    went = (ends[0] - flatten(start)).norm()
    again, captured = (float((end - ends[0]).norm() / went) for end in ends[1:])
    print(json.dumps(found | {"apart": captured, "launched_apart": again, "torch": torch.__version__}))


def _run(trainer: Trainer, piece: int) -> None:
    for _ in range(STEPS // piece):
        trainer.run(piece, None)


if __name__ == "__main__":
    main()
