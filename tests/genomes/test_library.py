"""Known architectures are single genomes: each file of genomes/ against torch's own modules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from twins import TWINS, lenet5

from evonet.config import load_config
from evonet.genome import Genome, ReadoutGene
from evonet.genome.code import decode, encode
from evonet.genome.text import from_toml, load, to_toml
from evonet.network import build
from evonet.plan import Budget, Shape, expand

FOLDER = Path(__file__).parents[2] / "genomes"
FILES = sorted(FOLDER.glob("*.toml"))
EVOLVED = {"mnist-champion"}  # nobody's architecture; tests/test_record.py computes it
# The same kernels of torch run in the same order on the same layouts: not one bit differs.
SAME_KERNELS = ["depthwise-separable", "dilated", "mlp", "torus"]
# Elsewhere the order of sums differs: a bias added before or after, a linear layer in two parts, channels last in
# memory. A float64 sum of some hundred terms then agrees to some 1e-15 of its largest term; a wrong tap would be 1e-2.
TOLERANCE = 1e-12


def stated_input(path: Path) -> Shape:
    match = re.match(r"# Input (\d+)x(\d+)x(\d+)\. ", path.read_text())
    assert match, f"{path}: its comment states no input"
    channels, height, width = map(int, match.groups())
    return channels, height, width


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def images(*shape: int) -> torch.Tensor:
    return torch.rand(3, *shape, generator=torch.Generator().manual_seed(1))


def assert_same(came: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(came, expected, rtol=0, atol=TOLERANCE * float(expected.detach().abs().max()))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_expands_on_its_input_and_round_trips(path):
    genome = load(path)
    assert decode(encode(genome)) == genome
    assert from_toml(to_toml(genome)) == genome
    assert expand(genome, input=stated_input(path), classes=10).costs.connections > 0


def test_every_file_is_proven():
    assert {path.stem for path in FILES} == set(TWINS) | EVOLVED


@pytest.mark.parametrize("name", TWINS)
def test_logits_and_gradients_are_those_of_torchs_modules(name, double):
    path = FOLDER / f"{name}.toml"
    plan = expand(load(path), input=stated_input(path), classes=10)
    torch.manual_seed(0)
    twin = TWINS[name]()
    parameters = [p for module in twin.modules for p in module.parameters()]
    assert [tuple(w.shape) for w in twin.weights] == [t.shape for t in plan.tensors]
    assert plan.costs.weights == sum(p.numel() for p in parameters)
    x = images(*plan.input).requires_grad_()
    ours, theirs = build(plan, dtype=torch.float64)(x, twin.weights), twin.forward(x)
    assert_same(ours, theirs)
    each = torch.arange(1.0, 1 + ours.numel()).reshape(ours.shape)
    sums = [(logits * each).sum() for logits in (ours, theirs)]
    # A path of one cell at a time has weights of one: nothing that the label says reaches its glance.
    came, expected = (torch.autograd.grad(s, [x, *parameters], retain_graph=True, materialize_grads=True) for s in sums)
    for a, b in zip(came, expected, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("name", SAME_KERNELS)
def test_not_one_bit_differs_where_the_same_kernels_run(name):
    path = FOLDER / f"{name}.toml"
    plan = expand(load(path), input=stated_input(path), classes=10)
    torch.manual_seed(0)
    twin = TWINS[name]()
    x = images(*plan.input)
    assert torch.equal(build(plan)(x, twin.weights), twin.forward(x))


def test_lenet5_has_its_61706_weights_and_a_variant_for_28x28(double):
    genome = load(FOLDER / "lenet5.toml")
    first = genome.sheets[0]
    padded = replace(first, motifs=(replace(first.motifs[0], boundary="zero"),))
    plan = expand(replace(genome, sheets=(padded, *genome.sheets[1:])), input=(1, 28, 28), classes=10)
    assert plan.costs.weights == 61_706
    torch.manual_seed(0)
    twin, x = lenet5(padding=2), images(1, 28, 28)
    assert_same(build(plan, dtype=torch.float64)(x, twin.weights), twin.forward(x))


def test_turning_the_image_passes_the_channels_on(double):
    """conv(turned x, kernel turned r times) is conv(x, kernel turned r - 1 times), turned; its mean is not."""
    first = load(FOLDER / "rotations.toml").sheets[0]
    genome = Genome(sheets=(first,), readout=ReadoutGene(kind="direct"))
    plan = expand(genome, input=(1, 28, 28), classes=8)
    torch.manual_seed(0)
    weights, x = [torch.randn(2, 1, 25), torch.zeros(1, 8)], images(1, 28, 28)
    network = build(plan, dtype=torch.float64)
    upright, turned = (network(im, weights).unflatten(1, (2, 4)) for im in (x, torch.rot90(x, 1, (2, 3))))
    assert_same(turned, upright.roll(1, 2))
    assert not torch.allclose(turned, upright)


def test_moving_the_image_around_a_torus_changes_no_logit(double):
    plan = expand(load(FOLDER / "torus.toml"), input=(1, 32, 32), classes=10)
    torch.manual_seed(0)
    weights, x = TWINS["torus"]().weights, images(1, 32, 32)
    network = build(plan, dtype=torch.float64)
    assert_same(network(x.roll((5, -9), (2, 3)), weights), network(x, weights))


def test_the_docs_show_every_genome_and_its_compactness():
    program = FOLDER.parent / "benchmarks" / "compactness.py"
    table = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout
    page = (FOLDER.parent / "docs" / "genomes.md").read_text()
    assert table in page, "print the table again: python benchmarks/compactness.py"
    for path in FILES:
        assert f"(../genomes/{path.name})" in page
        assert f"(genomes/{path.stem}.png)" in page
        assert (FOLDER.parent / "docs" / "genomes" / f"{path.stem}.png").stat().st_size < 150_000


@pytest.mark.parametrize("path", sorted((FOLDER / "records").glob("*.toml")), ids=lambda path: path.stem)
def test_candidates_leave_two_bits_a_weight_of_the_bytes_in_their_name(path: Path):
    config = load_config(FOLDER.parent / "configs/records/small.toml")
    limits = config.budget
    budget = Budget(macs=limits.macs, weights=limits.weights, neurons=limits.neurons)
    plan = expand(load(path), input=(1, 28, 28), classes=10, budget=budget)
    assert 2 * plan.costs.weights < 8 * (int(path.stem.rpartition("-")[2]) - len(encode(load(path))))
