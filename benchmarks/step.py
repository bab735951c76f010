"""A convolutional genome's training step against the same network written by hand in torch: forward, backward, Adam.

    python benchmarks/step.py

Goal: ratio <= 1.05. Both train on the same batch; ours goes through the whole Trainer (batch gathering, schedule,
gradient clipping and all), the hand-written loop does the same work with torch's own modules.
"""

from collections.abc import Callable

import harness  # before torch: it sets the number of threads
import torch
import torch.nn.functional as F
from torch import nn

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand
from evonet.training.images import Images
from evonet.training.settings import TrainingSettings
from evonet.training.trainer import Trainer

INPUT, BATCH, STEPS = (1, 28, 28), 128, 20

PLAIN = Genome(
    sheets=(SheetGene(channels=8, reduction="stride"), SheetGene(channels=16, reduction="stride")),
    readout=ReadoutGene(grid=2),
)
SEPARABLE = Genome(
    sheets=(
        SheetGene(channels=8, reduction="max"),
        SheetGene(channels=16, reduction="max", motifs=(MotifGene(mixing="separable"),)),
        SheetGene(channels=16, motifs=(MotifGene(mixing="separable"),)),
    )
)
WIDE = Genome(sheets=(SheetGene(channels=32, reduction="max"), SheetGene(channels=32), SheetGene(channels=32)))


def separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False), nn.Conv2d(inputs, outputs, 1)
    )


def readout(channels: int, grid: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(channels * grid * grid, 10)]


BY_HAND = {
    "strided 8-16": (
        PLAIN,
        [nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), *readout(16, 2)],
    ),
    "max-pooled separable 8-16-16": (
        SEPARABLE,
        [
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(separable(8, 16), nn.ReLU(), nn.MaxPool2d(2), separable(16, 16), nn.ReLU()),
            *readout(16, 1),
        ],
    ),
    "wide 32-32-32": (
        WIDE,
        [
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()),
            *readout(32, 1),
        ],
    ),
}


def main() -> None:
    torch.set_num_threads(1)
    pixels = torch.randint(0, 256, (4096, *INPUT), dtype=torch.uint8)
    labels = torch.randint(0, 10, (4096,))
    print(f"{STEPS} training steps, batch {BATCH}, one thread: evonet, by hand, ratio (goal <= 1.05)")
    for name, (genome, layers) in BY_HAND.items():
        plan = expand(genome, input=INPUT, classes=10)
        data = Images(pixels, labels, scale=255)
        trainer = Trainer(
            build(plan), initialise(plan, 0), data, TrainingSettings(batch=BATCH, optimizer="adam"), steps=10**6, seed=1
        )
        module = nn.Sequential(*layers)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)

        def by_hand(module: nn.Module = module, optimizer: torch.optim.Adam = optimizer) -> None:
            index = torch.randperm(4096)[:BATCH]
            loss = F.cross_entropy(module(pixels[index].float() / 255), labels[index])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()

        def steps_by_hand(step: Callable[[], None] = by_hand) -> None:
            for _ in range(STEPS):
                step()

        def ours(trainer: Trainer = trainer) -> None:
            trainer.run(STEPS, None)

        print(f"{name:30}", harness.alternate(ours, steps_by_hand, rounds=15, repeat=1))


if __name__ == "__main__":
    main()
