"""What a lowering costs: whole training steps of the same small network with other wiring, side by side.

    python benchmarks/lowerings.py [--rounds 15] [--steps 5] [--only 32x14]

Every network is an image, a strided sheet, two sheets of the wiring under test, and a linear readout. Goals (one
thread, medians of interleaved rounds, reference shape 32 channels, 14x14, batch 128, 9 taps): local against torch's own
modules <= 1.03; complete lattice rings against convolutions of as many taps <= 1.15; a quarter of the taps scattered
against all local <= 1.5; all scattered against all local <= 5.
"""

import argparse
from collections.abc import Callable
from statistics import median, quantiles
from typing import NamedTuple

import harness  # before torch: it sets the number of threads
import torch
import torch.nn.functional as F
from msgspec.structs import replace
from torch import nn

from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.network import build, initialise
from evonet.plan import Budget, Plan, expand
from evonet.plan.lowering import choose, predicted
from evonet.timing import CostTable
from evonet.training.images import Images
from evonet.training.settings import TrainingSettings
from evonet.training.trainer import Trainer

BATCH, IMAGES = 128, 1024
LOCAL = MotifGene()
LATTICE = MotifGene(radius=0, long_share=14, pattern="lattice", basis=(3, 0, 0, 3))
SKEWED = replace(LATTICE, basis=(3, 1, -1, 3))


def scattered(share: int, reach: int) -> MotifGene:
    """Nine taps, `share` sixteenths of them scattered."""
    return MotifGene(radius=1 if share < 16 else 0, long_share=share, pattern="scatter", reach=reach, seed=1)


class Wiring(NamedTuple):
    name: str
    motif: MotifGene
    against: str
    goal: float | None


def wirings(side: int) -> list[Wiring]:
    reach = min(6, side - 1)
    return [
        Wiring("local", LOCAL, "torch", 1.03),
        Wiring("lattice ring", LATTICE, "local", 1.15),
        Wiring("skewed lattice ring", SKEWED, "local", None),
        Wiring("25 % scattered", scattered(4, reach), "local", 1.5),
        Wiring("all scattered", scattered(16, reach), "local", 5.0),
        Wiring("depthwise", replace(LOCAL, mixing="depthwise"), "local", None),
        Wiring("depthwise, scattered", replace(scattered(16, reach), mixing="depthwise"), "depthwise", None),
        Wiring("separable", replace(LOCAL, mixing="separable"), "local", None),
        Wiring("two groups, scattered", replace(scattered(16, reach), mixing="grouped"), "local", None),
        Wiring("wrapped", replace(LOCAL, boundary="wrap"), "local", None),
        Wiring("2x2 tiles", replace(LOCAL, sharing="tile"), "local", None),
        Wiring("each position", replace(LOCAL, sharing="position"), "local", None),
    ]


def plan_of(motif: MotifGene, channels: int, side: int) -> Plan:
    wired = SheetGene(channels=channels, motifs=(motif,))
    genome = Genome(sheets=(SheetGene(channels=channels, reduction="stride"), wired, wired))
    return expand(genome, input=(1, 2 * side, 2 * side), classes=10, budget=Budget(macs=2**34, weights=2**26))


def ours(plan: Plan, steps: int) -> Callable[[], object]:
    pixels = torch.randint(0, 256, (IMAGES, *plan.input), dtype=torch.uint8)
    data = Images(pixels, torch.randint(0, 10, (IMAGES,)), scale=255)
    settings = TrainingSettings(batch=BATCH, optimizer="adam")
    trainer = Trainer(build(plan), initialise(plan, 0), data, settings, steps=10**6, seed=1)
    return lambda: trainer.run(steps, None)


def by_hand(channels: int, side: int, steps: int) -> Callable[[], object]:
    """torch's own modules, the same batches and the same optimiser."""
    pixels = torch.randint(0, 256, (IMAGES, 1, 2 * side, 2 * side), dtype=torch.uint8)
    labels = torch.randint(0, 10, (IMAGES,))
    convs = [nn.Conv2d(1, channels, 3, 2, 1), *(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))]
    layers = [layer for conv in convs for layer in (conv, nn.ReLU())]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2, fused=True)

    def step() -> None:
        index = torch.randperm(IMAGES)[:BATCH]
        loss = F.cross_entropy(module(pixels[index].float() / 255), labels[index])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    def run() -> None:
        for _ in range(steps):
            step()

    return run


def table(channels: int, side: int, rounds: int, steps: int) -> None:
    print(f"\n{channels} channels, {side}x{side}, batch {BATCH}, 9 taps: ms a step, ratio (quartiles), goal, lowering")
    found = wirings(side)
    plans = {w.name: plan_of(w.motif, channels, side) for w in found}
    work = {"torch": by_hand(channels, side, steps)} | {name: ours(plan, steps) for name, plan in plans.items()}
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):  # the first warms up
        for name, run in work.items():
            took = harness.seconds(run, 1) / steps
            if turn:
                times[name].append(took)
    print(f"{'torch':24}{1e3 * median(times['torch']):9.2f} ms")
    for wiring in found:
        mine, theirs = times[wiring.name], times[wiring.against]
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
        goal = f"<= {wiring.goal}" if wiring.goal else ""
        plan = plans[wiring.name]
        parts = " + ".join(type(part).__name__.removesuffix("Part").lower() for part in choose(plan.stages[-1]))
        guess = predicted(plan, CostTable(), batch=BATCH) / 1e6
        print(
            f"{wiring.name:24}{1e3 * median(mine):9.2f} ms  {median(ratios):5.2f} ({low:.2f}-{high:.2f}) of "
            f"{wiring.against:10}{goal:8}{parts} (predicted {guess:.1f} ms)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="training steps in a round")
    parser.add_argument("--only", default="", help="one shape, such as 32x14 (channels x side)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shapes = [(32, 14), (8, 14), (64, 14), (32, 28), (8, 28), (32, 7)]
    if options.only:
        channels, side = map(int, options.only.split("x"))
        shapes = [(channels, side)]
    for channels, side in shapes:
        table(channels, side, options.rounds, options.steps)


if __name__ == "__main__":
    main()
