"""Pooling before a rising activation is the same network; before any other it would not be."""

import msgspec
import pytest
import torch

from evonet.genome.genes import Genome, SheetGene
from evonet.network.network import Network
from evonet.network.sheets import _pool_first, activate, reduce
from evonet.plan import expand


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu", "abs", "tanh", "gelu"])
def test_the_order_of_pooling_and_activation_changes_nothing(activation):
    genome = Genome(sheets=(SheetGene(channels=3, reduction="max", activation=activation),))
    (sheet,) = expand(genome, input=(1, 8, 8), classes=2).sheets
    h = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    defined = reduce(sheet, activate(sheet, h))
    if _pool_first(sheet):
        swapped = activate(sheet, reduce(sheet, h))
        assert torch.equal(swapped, defined)
        grads = [torch.autograd.grad(y.square().sum(), h, retain_graph=True)[0] for y in (swapped, defined)]
        torch.testing.assert_close(*grads)
    elif activation != "none":
        assert not torch.equal(activate(sheet, reduce(sheet, h)), defined)


def test_a_norm_comes_before_pooling():
    genome = Genome(sheets=(SheetGene(channels=3, reduction="max", norm="rms"),))
    plan = expand(genome, input=(1, 8, 8), classes=2)
    assert not _pool_first(plan.sheets[0])
    assert _pool_first(msgspec.structs.replace(plan.sheets[0], norm="none"))
    network = Network(plan)
    with torch.no_grad():
        network.weights[0].normal_(generator=torch.Generator().manual_seed(1))
        assert torch.isfinite(network(torch.rand(2, 1, 8, 8))).all()
