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
from evonet.network.stages import lowered, reference
from evonet.plan import Budget, Plan, Stage, expand
from evonet.plan.lowering import GatherPart, Lowering, options


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


def computed(function: torch.nn.Module, stage: Stage, shape: tuple[int, ...] | None) -> list[torch.Tensor]:
    """Output and gradients, by source, weight and bias."""
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    x, bias = draw(3, *stage.source), draw(stage.target[0])
    inputs = [x, bias] if shape is None else [x, bias, draw(*shape)]
    y = function(x, None if shape is None else inputs[2], bias)
    assert y.shape == (3, *stage.target)
    weighted = y * torch.arange(1.0, 1 + y.numel(), dtype=torch.float64).reshape(y.shape).cos()
    return [y.detach(), *torch.autograd.grad(weighted.sum(), inputs)]


def assert_same(stage: Stage, shape: tuple[int, ...] | None, parts: Lowering, expected: list[torch.Tensor]) -> None:
    for a, b in zip(computed(lowered(stage, parts), stage, shape), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9 * float(b.abs().max() + 1), msg=lambda m: f"{parts}: {m}")


def check_all(plan: Plan) -> set[type]:
    """Every way to compute every stage is the masked matrix; which kinds of part there were."""
    seen = set()
    for stage in plan.stages:
        shape = None if stage.weight is None else plan.tensors[stage.weight].shape
        expected = computed(reference(stage), stage, shape)
        for parts in options(stage):
            assert sorted(i for part in parts for i in part.index) == list(range(len(stage.taps)))
            assert_same(stage, shape, parts, expected)
            seen |= {type(part) for part in parts}
    return seen


@given(genomes(), st.tuples(st.integers(1, 3), st.integers(1, 11), st.integers(4, 11)))
@settings(max_examples=60, deadline=None)
def test_every_lowering_of_every_stage_is_the_masked_matrix(genome, shape):
    try:
        plan = expand(genome, input=shape, classes=10, budget=Budget(macs=10**6))
    except GenomeError:
        reject()
    check_all(plan)


FAR = MotifGene(radius=1, taps=9, long_share=8, pattern="scatter", reach=4, seed=2)


@pytest.mark.parametrize("reduction", ["none", "stride"])
@pytest.mark.parametrize(
    "fields",
    [
        {"boundary": "wrap"},
        {"boundary": "valid"},
        {"mixing": "grouped"},
        {"mixing": "grouped", "sharing": "tile"},
        {"mixing": "depthwise"},
        {"mixing": "depthwise", "boundary": "wrap"},
        {"mixing": "depthwise", "sharing": "tile", "tile": 3},
        {"mixing": "identity"},
        {"sharing": "tile", "tile": 3},
        {"sharing": "tile", "tile": 4, "boundary": "valid"},
        {"sharing": "position", "boundary": "wrap"},
        {"symmetry": "even"},
        {"symmetry": "odd", "mixing": "depthwise"},
        {"symmetry": "orbit4"},
        {"symmetry": "orbit8", "mixing": "grouped"},
        {"symmetry": "orbit8", "sharing": "tile"},
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [6, 8])
def test_lowerings_of_each_form(fields, reduction, channels):
    motif = msgspec.structs.replace(FAR, **fields)
    sheets = (SheetGene(channels=6), SheetGene(channels=channels, reduction=reduction, motifs=(motif,)))
    check_all(expand(Genome(sheets=sheets), input=(1, 11, 10), classes=4))


def test_gathers_go_through_many_images_in_pieces(monkeypatch):
    monkeypatch.setattr("evonet.network.gather.CACHE", 1)
    monkeypatch.setattr("evonet.network.gather.IMAGES", 1)
    plan = expand(Genome(sheets=(SheetGene(motifs=(FAR,)),)), input=(2, 9, 9), classes=4)
    assert GatherPart in check_all(plan)


WHOLE = {
    "a skip added": (SheetGene(channels=4), SheetGene(channels=4, motifs=(MotifGene(), MotifGene(source=2)))),
    "concat": (SheetGene(channels=4), SheetGene(channels=5, join="concat", motifs=(MotifGene(), MotifGene(source=2)))),
    "concat of self motifs": (
        SheetGene(
            channels=5,
            join="concat",
            repeats=2,
            motifs=(MotifGene(), MotifGene(source=0), MotifGene(source=0, radius=2)),
        ),
    ),
    "a larger source behind": (
        SheetGene(channels=3, reduction="max"),
        SheetGene(channels=4, reduction="mean", motifs=(MotifGene(),)),
        SheetGene(channels=4, motifs=(MotifGene(), MotifGene(source=3))),
    ),
    "a smaller source behind": (
        SheetGene(channels=3, reduction="max"),
        SheetGene(channels=4, motifs=(MotifGene(source=2), MotifGene(source=1))),
    ),
    "a residual over the images": (SheetGene(channels=1, residual=True), SheetGene(channels=4)),
    "borrowed weights": (
        SheetGene(channels=4),
        SheetGene(channels=4),
        SheetGene(channels=4, motifs=(MotifGene(weights_from=1, boundary="wrap"),)),
    ),
    "linear sheets": (SheetGene(channels=6, reduction="all"), SheetGene(channels=5, reduction="all")),
    "a bias for each repeat": (SheetGene(bias="repeat", repeats=3, motifs=(MotifGene(), MotifGene(source=0))),),
}


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 1, 12), (1, 7, 9)], ids=str)
@pytest.mark.parametrize("readout", ["linear", "hadamard"])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_networks(name, readout, shape):
    genome = Genome(sheets=WHOLE[name], readout=ReadoutGene(kind=readout, grid=2, pooling="both"))
    plan = expand(genome, input=shape, classes=4)
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for a, b in zip(run(plan, False, x, 1), run(plan, True, x, 1), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(b.abs().max() + 1))


def test_a_sheet_that_covers_its_source_is_torchs_linear_layer():
    genome = Genome(sheets=(SheetGene(channels=12, reduction="all", activation="none"),))
    network = Network(expand(genome, input=(3, 5, 4), classes=12))
    layer = torch.nn.Linear(60, 12)
    x, weight = torch.rand(8, 3, 5, 4), layer.weight.detach().reshape(12, 3, 20)
    stage = network.stages[0]
    assert torch.equal(stage(x, weight, layer.bias)[:, :, 0, 0], layer(x.flatten(1)))


def test_a_hadamard_readout_is_sylvesters_matrix_scaled_to_unit_variance():
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    eight = torch.kron(two, torch.kron(two, two))
    genome = Genome(sheets=(SheetGene(channels=2),), readout=ReadoutGene(kind="hadamard", grid=2))
    readout = Network(expand(genome, input=(1, 2, 2), classes=5)).readout
    x = torch.rand(3, 2, 2, 2)
    torch.testing.assert_close(readout(x, []), x.flatten(1) @ eight[:5].T / 8**0.5)


def test_each_repeat_adds_its_own_bias():
    sheet = SheetGene(
        channels=3, bias="repeat", repeats=2, activation="none", motifs=(MotifGene(), MotifGene(source=0))
    )
    network = Network(expand(Genome(sheets=(sheet,), readout=ReadoutGene(kind="direct")), input=(1, 4, 4), classes=3))
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    with torch.no_grad():
        network.tensors["sheet0_bias"].copy_(rows)  # all other weights are zero
        assert torch.equal(network(torch.rand(1, 1, 4, 4))[0], rows[2])
        taps = network.tensors["sheet0_motif1_taps"]
        taps[torch.arange(3), torch.arange(3), 4] = 1.0  # the centre: every repeat adds to what was there
        assert torch.equal(network(torch.rand(1, 1, 4, 4))[0], rows.sum(0))


def test_only_weights_are_in_the_state_dict():
    genome = Genome(sheets=(SheetGene(motifs=(FAR,)),), readout=ReadoutGene(kind="hadamard", grid=2))
    network = Network(expand(genome, input=(1, 9, 9), classes=10))
    assert [k.removeprefix("tensors.") for k in network.state_dict()] == ["sheet0_motif0_taps", "sheet0_bias"]
    assert torch.equal(network.readout.code @ network.readout.code.T, 32 * torch.eye(10))


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
