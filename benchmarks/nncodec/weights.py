"""README: the four small MNIST networks whose weights both codecs store, as float16 in weights/NAME.safetensors.

    python benchmarks/nncodec/weights.py --data-dir ../shared/data      # trains those that are missing; a few minutes

Plain torch modules with ordinary tensor names, because the comparison is of files that hold any network's weights.
Trained on the train split, seeds fixed, no rate term and no rounding: neither codec has a hand in them. The float16
values are the weights; all losses are against them. The test split is not read.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evonet.training.data import DataSet, Indices, load_data

FOLDER = Path(__file__).parent / "weights"
BATCH = 64
EPOCHS = {"separable": 4, "cnn": 4, "lenet": 3, "mlp": 3}
RATES = {"separable": 1e-2, "cnn": 1e-2, "lenet": 4e-3, "mlp": 4e-3}


class Separable(nn.Module):
    """709 weights: a convolution and a separable one, means of the four quarters, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 11, 1)
        self.fc = nn.Linear(44, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.pointwise(self.depthwise(F.relu(self.conv(x)))))
        return self.fc(F.adaptive_avg_pool2d(x, 2).flatten(1))


class Cnn(nn.Module):
    """1,898 weights: two convolutions, means of the four quarters, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 2).flatten(1))


class LeNet(nn.Module):
    """19,334 weights: like LeNet-5, strides instead of pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(8, 16, 5, stride=2, padding=2)
        self.fc1 = nn.Linear(784, 20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Mlp(nn.Module):
    """102,070 weights: three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 120)
        self.fc2 = nn.Linear(120, 60)
        self.fc3 = nn.Linear(60, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"separable": Separable, "cnn": Cnn, "lenet": LeNet, "mlp": Mlp}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    data = load_data("mnist", parser.parse_args().data_dir)
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in NETWORKS:
        if not path_of(name).exists():
            save_file({key: value.half() for key, value in trained(name, data).items()}, path_of(name))
        loss, accuracy = measure(name, load(name), *batch(data, data.splits.validation))
        print(f"{name}: validation accuracy {100 * accuracy:.2f} %, loss {loss:.4f} nats a label")


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.safetensors"


def load(name: str) -> dict[str, Tensor]:
    """The stored weights of the network, as float32."""
    return {key: value.float() for key, value in load_file(path_of(name)).items()}


def trained(name: str, data: DataSet) -> dict[str, Tensor]:
    """Adam on the train split, the learning rate falling to zero by a cosine."""
    torch.manual_seed(sum(name.encode()))
    network, split = NETWORKS[name](), torch.from_numpy(data.splits.train.copy())
    rounds = len(split) // BATCH
    batches = [part for _ in range(EPOCHS[name]) for part in torch.randperm(len(split))[: rounds * BATCH].split(BATCH)]
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATES[name], weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(batches))
    for part in batches:
        images, labels = batch(data, split[part].numpy())
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
        schedule.step()
    return network.state_dict()


def batch(data: DataSet, indices: Indices) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and labels."""
    return torch.from_numpy(data.images[indices]).float() / data.scale, torch.from_numpy(data.labels[indices]).long()


@torch.no_grad()
def measure(name: str, weights: dict[str, Tensor], images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Loss in nats a label and accuracy in [0, 1] of the network with these weights."""
    network = NETWORKS[name]()
    network.load_state_dict(weights)
    logits = torch.cat([network(part) for part in images.split(500)])  # parts stay in the allocator's reach
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main()
