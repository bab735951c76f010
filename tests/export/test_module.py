"""The generated code computes what evonet's network computes, on whatever genome."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.export.module import Module, write_module
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network import build
from evonet.plan import Plan, expand

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
                MotifGene(taps=9, long_share=10, reach=9, pattern="scatter", mixing="separable"),
                MotifGene(source=0, mixing="depthwise"),
            ),
        ),
        SheetGene(channels=8, norm="instance", activation="gelu", motifs=(MotifGene(mixing="identity", taps=5),)),
    ),
    readout=ReadoutGene(pooling="both", grid=2),
)


def written(plan: Plan, *, seed: int = 0) -> tuple[Module, torch.Tensor, torch.Tensor]:
    """The module of a network with random weights; float64 images, and the network's logits for them."""
    generator = torch.Generator().manual_seed(seed)
    network = build(plan)
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(torch.randn(weight.shape, generator=generator))
    module = write_module(plan, [w.detach().numpy() for w in network.weights], genome="# a genome")
    images = torch.rand((2, *plan.input), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return module, images, network.double()(images)


def computed(module: Module, images: torch.Tensor) -> torch.Tensor:
    names: dict = {}
    exec(compile(module.source, "model.py", "exec"), names)  # noqa: S102 - the code under test
    net = names["Net"]()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in module.tensors.items()})
    with torch.no_grad():
        return net.double()(images)


@given(genomes(), st.tuples(st.integers(1, 2), st.integers(4, 11), st.integers(4, 11)), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_module_equals_network(genome, shape, seed):
    try:
        plan = expand(genome, input=shape, classes=10)
    except GenomeError:
        assume(False)
    module, images, logits = written(plan, seed=seed)
    # The network adds a depthwise gather in another order; normalisation of a near-constant plane magnifies that.
    torch.testing.assert_close(computed(module, images), logits, rtol=1e-7, atol=1e-7)


def test_module_equals_network_when_taps_are_switched_off():
    plan = expand(RICH, input=(1, 12, 12), classes=10)
    live = tuple(tuple(i != 1 for i in range(len(bits))) for bits in plan.expression[:2]) + plan.expression[2:]
    module, images, logits = written(expand(RICH, input=(1, 12, 12), classes=10, expression=live))
    torch.testing.assert_close(computed(module, images), logits)


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
