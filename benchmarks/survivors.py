"""Is what compression left a wiring, or only weights? The taps that live in a package, trained from scratch.

    python benchmarks/survivors.py runs/records/lag13-53.evo --data lag:13 --seeds 5

The package's first sheet becomes a genome whose motif has the live taps, of tied pairs the stored one (and the position
itself, since a motif keeps its centre), untied; beside it, random twins with as many taps within the same reach. All
are trained for the same steps from random weights, another twin for every seed. Validation accuracy, mean and 95 %
interval.
"""

import argparse
from pathlib import Path

import harness  # noqa: F401 - sets the number of threads
import torch
from msgspec.structs import replace

from evonet.compression.settings import CompressionSettings
from evonet.controls import random_twin
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome import Genome, MotifGene
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.genome.table import EDITS_MAX
from evonet.job import Job, Measures, Scored
from evonet.package import Package, unpack
from evonet.plan import expand
from evonet.training.data import load_data
from evonet.training.settings import TrainingSettings
from evonet.twins import estimate

STEPS = 1200


def survivors(package: Package) -> Genome:
    """A genome of one sheet with the live taps of the package's first stage, as edits of a single centre."""
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    stage, sheet = plan.stages[0], package.genome.sheets[0]
    taps = tuple(sorted(set(stage.own_taps) - {(0, 0)}))  # of tied pairs the one that is stored
    if len(taps) > EDITS_MAX:
        raise SystemExit(f"{len(taps)} live taps, expected at most {EDITS_MAX}: as many as a motif has edits")
    motif = MotifGene(radius=0, taps=1, edits=taps, boundary=sheet.motifs[0].boundary)
    return replace(package.genome, sheets=(replace(sheet, motifs=(motif,)),))


def trained(evaluator: Evaluator, genome: Genome, seed: int) -> Measures:
    named = stamp(genome, 0)
    job = Job(
        decision=0,
        individual=0,
        rung=0,
        genome=encode(named),
        ids=ids_of(named),
        starts=(),
        steps=STEPS,
        seed=seed,
        key="",
    )
    outcome = evaluator(job)
    if not isinstance(outcome, Scored):
        raise SystemExit(f"seed {seed}: {outcome}")
    return outcome.measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    package = unpack(chosen.package.read_bytes())
    settings = EvaluationSettings(
        training=TrainingSettings(lr=0.05, batch=32),
        compression=CompressionSettings(rounds=8, ramp=2.0, size_weight=0.1, bound=128, over=64.0),
    )
    evaluator, found = Evaluator(settings, load_data(chosen.data)), survivors(package)
    reach = max(max(abs(dy), abs(dx)) for dy, dx in found.sheets[0].motifs[0].edits)
    print(f"{chosen.package}: {found.sheets[0].motifs[0].edits}, {STEPS} steps\n")
    print("| wiring | seeds | accuracy, % ± 95 % | each | bytes |\n|---|---:|---:|---|---:|")
    for name in ("what compression left", "random twins"):
        rows = []
        for seed in range(1, chosen.seeds + 1):
            twin = random_twin(found, input=package.input, classes=package.classes, reach=reach, draw=seed)
            rows.append(trained(evaluator, found if name != "random twins" else twin, seed))
        points = estimate([100 * m.accuracy for m in rows])
        each = ", ".join(f"{100 * m.accuracy:.1f}" for m in rows)
        size = sum(m.bytes for m in rows) / len(rows)
        print(
            f"| {name} | {len(rows)} | {points.mean:.1f} ± {points.half or 0:.1f} | {each} | {size:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
