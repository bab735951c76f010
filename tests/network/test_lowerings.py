"""Every lowering equals the masked matrix: forward, input gradient and weight gradients, in float64."""

import msgspec
import pytest
import torch
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network.network import Network
from evonet.plan import Plan, expand


def run(plan: Plan, masked: bool, x: torch.Tensor, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    network = Network(plan, dtype=torch.float64, masked=masked)
    with torch.no_grad():
        for p in network.weights:
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    x = x.clone().requires_grad_()
    logits = network(x)
    (logits * torch.arange(1.0, 1 + logits.numel(), dtype=torch.float64).reshape(logits.shape)).sum().backward()
    return [logits.detach(), x.grad, *[p.grad for p in network.weights if p.grad is not None]]


@given(genomes(), st.tuples(st.integers(1, 2), st.integers(4, 11), st.integers(4, 11)), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_lowered_equals_masked(genome, shape, seed):
    try:
        plan = expand(genome, input=shape, classes=10)
    except GenomeError:
        reject()
    assume(plan.costs.macs <= 2e6)  # Hypothesis fails the test if too few examples are left
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for a, b in zip(run(plan, False, x, seed), run(plan, True, x, seed), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8 * float(b.abs().max() + 1))


MOTIFS = {
    "window": MotifGene(),
    "part of a window": MotifGene(taps=5, seed=3),
    "large window": MotifGene(radius=2, taps=25),
    "dilated": MotifGene(radius=0, long_share=14, pattern="lattice", basis=(3, 0, 0, 3)),
    "skewed lattice": MotifGene(radius=1, taps=15, long_share=8, pattern="lattice", basis=(3, 1, -1, 3)),
    "scatter": MotifGene(radius=1, taps=15, long_share=8, pattern="scatter", reach=9, seed=9),
    "far scatter": MotifGene(radius=0, taps=7, long_share=16, pattern="scatter", reach=9, seed=1),
}


@pytest.mark.parametrize("reduction", ["none", "stride"])
@pytest.mark.parametrize("mixing", ["full", "depthwise", "separable", "identity"])
@pytest.mark.parametrize("name", MOTIFS)
@pytest.mark.parametrize("channels", [2, 5])
def test_each_pattern_mixing_and_stride(name, mixing, reduction, channels):
    motif = msgspec.structs.replace(MOTIFS[name], mixing=mixing)
    genome = Genome(sheets=(SheetGene(channels=3), SheetGene(channels=channels, reduction=reduction, motifs=(motif,))))
    plan = expand(genome, input=(1, 11, 10), classes=4)
    x = torch.randn(2, 1, 11, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for a, b in zip(run(plan, False, x, 1), run(plan, True, x, 1), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(b.abs().max() + 1))


def test_a_convolutional_genome_is_torchs_own_network():
    genome = Genome(
        sheets=(SheetGene(channels=8, reduction="max"), SheetGene(channels=16, reduction="max")),
        readout=ReadoutGene(pooling="mean"),
    )
    network = Network(expand(genome, input=(1, 28, 28), classes=10))
    torch.manual_seed(3)
    twin = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 10),
    )
    values = dict(zip([t.name for t in network.plan.tensors], network.weights, strict=True))
    with torch.no_grad():
        for layer, sheet in ((twin[0], "sheet0"), (twin[3], "sheet1")):
            values[f"{sheet}.motif0.taps"].copy_(layer.weight.reshape(values[f"{sheet}.motif0.taps"].shape))
            values[f"{sheet}.bias"].copy_(layer.bias[None])
        values["readout.weight"].copy_(twin[8].weight)
        values["readout.bias"].copy_(twin[8].bias)
        x = torch.rand(4, 1, 28, 28)
        torch.testing.assert_close(network(x), twin(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 9, 9), (1, 8, 8), (2, 2, 8, 8)])
def test_images_of_another_shape_are_refused(shape):
    network = Network(expand(Genome(sheets=(SheetGene(),)), input=(1, 8, 8), classes=3))
    with pytest.raises(ValueError, match="expected 1x8x8"):
        network(torch.zeros(shape))
