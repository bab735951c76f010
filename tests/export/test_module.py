"""The generated code computes what evonet's network computes, on whatever genome."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import ExportError, GenomeError
from evonet.export.module import Module, write_dense, write_module
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network import build
from evonet.plan import Expression, Plan, expand

RICH = Genome(
    sheets=(
        SheetGene(
            channels=6, reduction="stride", norm="rms", motifs=(MotifGene(taps=12, long_share=6, pattern="lattice"),)
        ),
        SheetGene(
            channels=8,
            reduction="max",
            activation="leaky_relu",
            bias="repeat",
            residual=True,
            repeats=3,
            motifs=(
                MotifGene(taps=9, long_share=10, reach=5, pattern="scatter", mixing="separable"),
                MotifGene(source=0, mixing="depthwise"),
            ),
        ),
        SheetGene(channels=8, norm="instance", activation="gelu", motifs=(MotifGene(mixing="identity", taps=5),)),
    ),
    readout=ReadoutGene(pooling="both", grid=2),
)


def random_weights(plan: Plan, *, seed: int = 0) -> tuple[list[np.ndarray], torch.Tensor, torch.Tensor]:
    """Weights for a plan, float64 images, and the logits of evonet's network."""
    generator = torch.Generator().manual_seed(seed)
    network = build(plan, masked=True)  # the definition itself
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(torch.randn(weight.shape, generator=generator))
    weights = [w.detach().numpy().copy() for w in network.weights]
    images = torch.rand((2, *plan.input), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return weights, images, network.double()(images)


def written(plan: Plan, *, seed: int = 0, form=write_module) -> tuple[Module, torch.Tensor, torch.Tensor]:
    """The module of a network with random weights; float64 images, and the network's logits for them."""
    weights, images, logits = random_weights(plan, seed=seed)
    return form(plan, weights, genome="# a genome"), images, logits


def loaded(module: Module) -> torch.nn.Module:
    names: dict = {}
    exec(compile(module.source, "model.py", "exec"), names)  # noqa: S102 - the code under test
    net = names["Net"]()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in module.tensors.items()})
    return net


def computed(module: Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return loaded(module).double()(images)


def switched_off(draw: st.DrawFn, plan: Plan) -> Expression:
    """Some taps of the plan's motifs, and some channels where channels may go."""
    taps = [
        bits if stage.weight is None or stage.lender is not None else draw(some(bits))
        for stage, bits in zip(plan.stages, plan.expression.taps, strict=True)
    ]
    for at, stage in enumerate(plan.stages):
        if stage.lender is not None:
            taps[at] = taps[stage.lender]
    channels = tuple(draw(some(sheet.alive)) if sheet.cuttable else sheet.alive for sheet in plan.sheets)
    return Expression(taps=tuple(taps), channels=channels)


def some(bits: tuple[bool, ...]) -> st.SearchStrategy[tuple[bool, ...]]:
    """As many bits, at least one of them on."""
    return st.tuples(*[st.sampled_from([True, True, False])] * len(bits)).map(lambda b: b if any(b) else bits)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    genome = draw(genomes())
    shape = draw(st.tuples(st.integers(1, 2), st.integers(4, 11), st.integers(4, 11)))
    try:
        plan = expand(genome, input=shape, classes=10)
        if draw(st.booleans()):
            plan = expand(genome, input=shape, classes=10, expression=switched_off(draw, plan))
    except GenomeError:
        assume(False)
    return plan


@pytest.mark.parametrize("form", [write_module, write_dense])
@given(plan=plans(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_module_equals_network(form, plan, seed):
    assume(plan.costs.neurons <= 3000)  # full matrices grow with its square
    module, images, logits = written(plan, seed=seed, form=form)
    # Means of taps are float32 numbers in the file, and normalisation of a near-constant plane magnifies that.
    torch.testing.assert_close(computed(module, images), logits, rtol=1e-5, atol=1e-5)


def test_module_reads_well():
    module, *_ = written(expand(RICH, input=(1, 28, 28), classes=10))
    lines = module.source.splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 140
    assert "evonet." not in module.source
    assert "import evonet" not in module.source
    assert "#     # a genome" in lines
    assert '    """Images (batch, 1, 28, 28), values in [0, 1], to logits (batch, 10)."""' in lines
    assert "        for step in range(1, 4):" in lines


def test_genome_text_stays_a_comment():
    plan = expand(Genome(sheets=(SheetGene(),)), input=(1, 8, 8), classes=10)
    weights = [w.detach().numpy() for w in build(plan).weights]
    module = write_module(plan, weights, genome='"""\rraise SystemExit\x0craise SystemExit\n\n{x}')
    names: dict = {}
    exec(compile(module.source, "model.py", "exec"), names)  # noqa: S102 - the code under test
    assert "Net" in names


def test_masked_taps_are_zeros_of_the_kernel():
    genome = Genome(sheets=(SheetGene(channels=2, motifs=(MotifGene(taps=5),)),))
    module, *_ = written(expand(genome, input=(1, 8, 8), classes=10))
    kernel = module.tensors["sheet0_motif0_taps"]
    assert kernel.shape == (2, 1, 3, 3)
    assert (kernel != 0).sum() == 10


def motif(**fields) -> Genome:
    return Genome(sheets=(SheetGene(channels=4, motifs=(MotifGene(**fields),)),))


@pytest.mark.parametrize(
    "genome, line",
    [
        (motif(), "x = F.conv2d(x, self.sheet0_motif0_taps, padding=1)"),
        (motif(boundary="valid"), "x = F.conv2d(x, self.sheet0_motif0_taps)"),
        (motif(boundary="wrap"), "x = F.conv2d(wrapped(x, (1, 1, 1, 1)), self.sheet0_motif0_taps)"),
        (motif(mixing="grouped"), "x = F.conv2d(x, self.sheet0_motif0_taps, padding=1, groups=2)"),
        (motif(symmetry="orbit4"), "x = F.conv2d(x, self.sheet0_motif0_taps, padding=1)"),
        (
            motif(radius=0, long_share=14, pattern="lattice", reach=4),
            "x = F.conv2d(x, self.sheet0_motif0_taps, padding=2, dilation=2)",
        ),
        (
            Genome(sheets=(SheetGene(channels=4, reduction="all"),)),
            "x = F.linear(x.flatten(1), self.sheet0_motif0_taps)[:, :, None, None]",
        ),
    ],
)
def test_common_forms_are_one_plain_line(genome, line):
    module, images, logits = written(expand(genome, input=(2, 8, 8), classes=10))
    assert f"        {line}" in module.source.splitlines()
    torch.testing.assert_close(computed(module, images), logits)


@pytest.mark.parametrize(
    "second", [{}, {"radius": 0, "long_share": 14, "pattern": "lattice", "reach": 4}, {"edits": ((0, 3), (2, 3))}]
)
def test_borrowed_weights_are_one_parameter(second):
    first = {"taps": 9} if "edits" not in second else {"taps": 9, "edits": ((0, 5), (3, 0))}
    lend = (MotifGene(**first), MotifGene(**second, weights_from=1))
    plan = expand(Genome(sheets=(SheetGene(channels=4, bias="none", motifs=lend),)), input=(1, 9, 9), classes=10)
    module, images, logits = written(plan)
    assert sorted(module.tensors) == ["readout_bias", "readout_weight", "sheet0_motif0_taps"]
    torch.testing.assert_close(computed(module, images), logits)


def test_masked_weights_of_the_dense_form_stay_zero_under_training():
    module, images, _ = written(expand(RICH, input=(1, 12, 12), classes=10), form=write_dense)
    net = loaded(module).double()
    layer = net.sheet0_motif0_taps
    before = layer.weight.detach().clone()
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        net(images).square().sum().backward()
        optimiser.step()
    assert not layer.weight[~layer.mask].any()
    assert (layer.weight[layer.mask] != before[layer.mask]).any()


def test_dense_is_refused_before_allocation():
    plan = expand(motif(), input=(1, 256, 256), classes=10)
    weights = [w.detach().numpy() for w in build(plan).weights]
    with pytest.raises(ExportError, match=r"format 'dense': the matrices would take 85,899,345,920 bytes"):
        write_dense(plan, weights, genome="")
