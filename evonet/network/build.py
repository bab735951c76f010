"""Networks from plans and from packages; random weights."""

from pathlib import Path

import torch
from torch import Tensor

from evonet.errors import PackageError
from evonet.network.network import Network
from evonet.package import Package, unpack
from evonet.plan import Plan, Shape, expand, resized
from evonet.plan.types import Tensor as Slots
from evonet.timing import CostTable


def build(
    plan: Plan, *, dtype: torch.dtype = torch.float32, masked: bool = False, costs: CostTable | None = None
) -> Network:
    """A network of `plan` with zero weights; `masked` computes by the reference, the masked matrices.

    `costs`: what the lowerings are chosen by; None is the default table.
    """
    return Network(plan, dtype=dtype, masked=masked, costs=costs)


def initialise(plan: Plan, seed: int) -> list[Tensor]:
    """Random float32 weights in the order of `plan.tensors`: He et al. 2015 by fan-in, readouts at unit gain, no bias.

    Bit-equal for the same torch on the same kind of processor.
    """
    generator = torch.Generator().manual_seed(seed)
    return [_draw(t, generator) for t in plan.tensors]


def _draw(tensor: Slots, generator: torch.Generator) -> Tensor:
    if tensor.role in ("bias", "readout_bias"):
        return torch.zeros(tensor.shape)
    gain = 1.0 if tensor.role == "readout" else 2.0
    scale: float = (gain / tensor.fan_in) ** 0.5
    return scale * torch.randn(tensor.shape, generator=generator)


def decoded(package: Package, *, input: Shape | None = None, costs: CostTable | None = None) -> Network:
    """The network that a package holds, in evaluation mode; `costs` as in `build`.

    `input`: for images of another shape (channels, height, width), with the same weights; None: as it was packed.

    Raises GenomeError: with images of that shape a tensor would be another (`evonet.plan.resized`).
    """
    genome, classes, expression = package.genome, package.classes, package.expression
    if input is None or input == package.input:
        plan = expand(genome, input=package.input, classes=classes, expression=expression)
    else:
        plan = resized(genome, expression, input=package.input, to=input, classes=classes)
    network = build(plan, costs=costs)
    with torch.no_grad():
        for parameter, quantised in zip(network.weights, package.tensors, strict=True):
            parameter.copy_(torch.from_numpy(quantised.weights))
    return network.eval()


def load(path: str | Path, *, input: Shape | None = None) -> Network:
    """The network in an `.evo` file, ready to be called on images (batch, channels, height, width) in [0, 1].

    `input`: for images of another shape than it was trained on, as in `decoded`.

    Raises PackageError with the file's name if its bytes are damaged, OSError if it cannot be read, and GenomeError if
    its weights are not for images of shape `input`.

    >>> load("runs/records/mnist-808.evo")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    try:
        package = unpack(Path(path).read_bytes())
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from None
    return decoded(package, input=input)
