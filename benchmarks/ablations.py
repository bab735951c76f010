"""What each setting of compression is worth: the runs behind the defaults, resumable, paired by seed.

    python benchmarks/ablations.py rounds --data-dir DIR --out runs/ablations.jsonl     # a quarter of an hour
    python benchmarks/ablations.py gate --data-dir DIR --out runs/ablations.jsonl       # twenty generations of nothing
    python benchmarks/ablations.py guard --data-dir DIR --out runs/ablations.jsonl      # 1,000 training images

rounds  one brief evaluation of a small network on MNIST (600 steps of 64 images), every arm another setting
gate    twenty generations that change nothing, each inheriting from the one before, against one training of as many
        steps: what inheritance loses by itself, from the shadow and from the decoded weights
guard   1,000 training images: is the test error lower with lossy rounds than without? The test split is read once

The ruler of `rounds` is the description length of the validation labels, `8 x bytes + N x loss` in kilobits, N = the
training images: what the default score of a search rewards. Less is better.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import harness  # noqa: F401 - sets the number of threads
import msgspec
import torch
from msgspec.structs import replace

from evonet import seeds
from evonet.compression.settings import CompressionSettings
from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.job import Job, Scored, Start
from evonet.network import decoded
from evonet.package import unpack
from evonet.training.batches import images_of
from evonet.training.data import DataSet, load_data
from evonet.training.quality import quality
from evonet.training.settings import TrainingSettings
from evonet.twins import estimate

GENOME = stamp(
    Genome(
        sheets=(
            SheetGene(channels=8, reduction="stride", activation="abs", motifs=(MotifGene(radius=2, taps=25),)),
            SheetGene(channels=16, reduction="stride", norm="rms", motifs=(MotifGene(mixing="separable"),)),
        ),
        readout=ReadoutGene(grid=3),
    ),
    0,
)
STEPS, GENERATIONS = 600, 20
BASE = CompressionSettings(rounds=4)  # more than the default, so that rounds have something to do
TRAINING = TrainingSettings()

ROUNDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # arm -> changes of compression, of training
    "default": ({}, {}),
    "float16, no lossy code": ({"codes": ("half",), "rate_term": 0.0}, {}),
    "1 round": ({"rounds": 1}, {}),
    "2 rounds": ({"rounds": 2}, {}),
    "8 rounds": ({"rounds": 8}, {}),
    "from the decoded weights": ({"from_shadow": False}, {}),
    "no straight-through": ({"straight_through": False}, {}),
    "no rate term": ({"rate_term": 0.0}, {}),
    "rate term x 3": ({"rate_term": 3.0}, {}),
    "rounding by price 0.05": ({"rounding": 0.05}, {}),
    "rounding by price 0.1": ({"rounding": 0.1}, {}),
    "no dead zone": ({"dead_zone": 0.0}, {}),
    "dead zone 0.2": ({"dead_zone": 0.2}, {}),
    "ramp 1": ({"ramp": 1.0}, {}),
    "ramp 2": ({"ramp": 2.0}, {}),
    "grid alone": ({"codes": ("grid",)}, {}),
    "every code": ({"codes": ("grid", "ternary", "sign", "book", "dct")}, {}),
    "effort 0.05": ({"effort": 0.05}, {}),
    "effort 0.4": ({"effort": 0.4}, {}),
    "equalised channels": ({"equalise": True}, {}),
    "average 0.99": ({}, {"average": 0.99}),
}

GATE: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {  # arm -> generations, changes as above
    "one training": (1, {}, {}),
    "from the shadow": (GENERATIONS, {}, {}),
    "from the decoded weights": (GENERATIONS, {"from_shadow": False}, {}),
    "half the rate": (GENERATIONS, {}, {"inherited_rate": 0.5}),
    "one training, decay 0.15": (1, {}, {"decay": 0.15}),
    "from the shadow, decay 0.15": (GENERATIONS, {}, {"decay": 0.15}),
}

GUARD: dict[str, dict[str, Any]] = {
    "without lossy rounds": {"rounds": 1, "codes": ("half",), "rate_term": 0.0},
    **{
        f"lossy rounds, size weight {weight}": {"rounds": 20, "ramp": 1.0, "size_weight": weight}
        for weight in (0.3, 0.03, 0.003)
    },
}


class Lab:
    """Evaluations of one genome on one data set."""

    def __init__(self, data: DataSet) -> None:
        self.data = data

    def evaluate(
        self,
        seed: int,
        compression: CompressionSettings,
        training: TrainingSettings = TRAINING,
        *,
        steps: int = STEPS,
        start: Scored | None = None,
        rung: int = 0,
    ) -> Scored:
        settings = EvaluationSettings(training=training, compression=compression)
        starts = ()
        if start is not None:
            starts = (Start(genome=encode(GENOME), ids=ids_of(GENOME), package=start.package, shadow=start.shadow),)
        job = Job(
            decision=0,
            individual=0,
            rung=rung,
            genome=encode(GENOME),
            ids=ids_of(GENOME),
            starts=starts,
            steps=steps,
            seed=seed,
            key="",
        )
        outcome = Evaluator(settings, self.data)(job)
        if not isinstance(outcome, Scored):
            raise SystemExit(f"seed {seed}: {outcome}")
        return outcome


def rounds_arm(lab: Lab, seed: int, arm: str) -> dict[str, float]:
    compression, training = ROUNDS[arm]
    m = lab.evaluate(seed, replace(BASE, **compression), replace(TRAINING, **training)).measures
    return {
        "kilobits": (8 * m.bytes + m.train_images * m.loss) / 1000,
        "bytes": m.bytes,
        "loss": m.loss,
        "accuracy": m.accuracy,
    }


def gate_arm(lab: Lab, seed: int, arm: str) -> dict[str, float]:
    generations, compression, training = GATE[arm]
    settings, steps = replace(BASE, rounds=2 * GENERATIONS // generations, **compression), STEPS // 4 * GENERATIONS
    parent: Scored | None = None
    for generation in range(generations):
        key = seed if generations == 1 else seeds.key(seed, generation)
        parent = lab.evaluate(key, settings, replace(TRAINING, **training), steps=steps // generations, start=parent)
    assert parent is not None
    m = parent.measures
    return {"bytes": m.bytes, "loss": m.loss, "accuracy": m.accuracy}


def guard_arm(lab: Lab, seed: int, arm: str) -> dict[str, float]:
    """Twenty rounds of fifty epochs in all; the seed also draws which 1,000 images there are."""
    order = torch.randperm(len(lab.data.splits.train), generator=torch.Generator().manual_seed(seed))[:1000]
    few = lab.data.splits.train[order.sort().values.numpy()]
    data = DataSet(
        lab.data.name,
        lab.data.images,
        lab.data.labels,
        lab.data.classes,
        lab.data.scale,
        replace_splits(lab.data, few),
        f"{lab.data.fingerprint}-{seed}",
    )
    scored = Lab(data).evaluate(seed, replace(BASE, **GUARD[arm]), steps=50 * 1000 // TRAINING.batch)
    loss, accuracy = quality(decoded(unpack(scored.package)), images_of(data, "test"))
    return {"bytes": len(scored.package), "loss": loss, "accuracy": accuracy}


def replace_splits(data: DataSet, train: Any) -> Any:
    splits = data.splits
    return type(splits)(train, train, splits.validation, splits.choice, splits.test)


PARTS: dict[str, tuple[Iterable[str], Callable[[Lab, int, str], dict[str, float]]]] = {
    "rounds": (ROUNDS, rounds_arm),
    "gate": (GATE, gate_arm),
    "guard": (GUARD, guard_arm),
}


def table(lines: list[dict[str, Any]], part: str) -> Iterator[str]:
    """Every arm beside the first one, differences paired by seed, with 95 % intervals."""
    ours = [found for found in lines if found["part"] == part]
    arms = list(dict.fromkeys(found["arm"] for found in ours))
    by = {arm: {f["seed"]: f for f in ours if f["arm"] == arm} for arm in arms}
    ruler = "kilobits" if part == "rounds" else "loss"
    yield f"| arm | seeds | {ruler} | to the first ± 95 % | bytes | accuracy, % | to the first, points ± 95 % |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for arm in arms:
        both = sorted(by[arm].keys() & by[arms[0]].keys())

        def change(name: str, scale: float, arm: str = arm, both: list[int] = both) -> str:
            if arm == arms[0] or len(both) < 2:
                return ""
            found = estimate([scale * (by[arm][s][name] - by[arms[0]][s][name]) for s in both])
            return f"{found.mean:+.3f} ± {found.half or 0:.3f}"

        def average(name: str, arm: str = arm) -> float:
            return mean(f[name] for f in by[arm].values())

        yield (
            f"| {arm} | {len(by[arm])} | {average(ruler):.3f} | {change(ruler, 1)} | {average('bytes'):.0f} | "
            f"{100 * average('accuracy'):.2f} | {change('accuracy', 100)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--arms", nargs="+", help="these alone")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="one line of JSON per evaluation; what is there is not done again")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lines = (
        [json.loads(text) for text in chosen.out.read_text().splitlines()] if chosen.out and chosen.out.exists() else []
    )
    lab = Lab(load_data("mnist", chosen.data_dir))
    done = {(found["part"], found["arm"], found["seed"]) for found in lines}
    for part in chosen.parts:
        arms, measure = PARTS[part]
        for seed in [chosen.seed] if chosen.seed is not None else range(1, chosen.seeds + 1):
            for arm in arms:
                if (part, arm, seed) not in done and arm in (chosen.arms or arms):
                    lines.append({"part": part, "arm": arm, "seed": seed, **measure(lab, seed, arm)})
                    if chosen.out:
                        with chosen.out.open("a") as file:
                            file.write(json.dumps(lines[-1]) + "\n")
        print(f"\n{part}: {STEPS} steps, compression {json.dumps(msgspec.to_builtins(BASE))}\n")
        print("\n".join(table(lines, part)), flush=True)


if __name__ == "__main__":
    main()
