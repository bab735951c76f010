"""torch.compile, optional while finishing, computes the same logits."""

import shutil

import pytest
import torch

from evonet.genome.genes import Genome, SheetGene
from evonet.network import Network, build, initialise
from evonet.plan import expand


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("c++") is None, reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_a_compiled_network_gives_the_same_logits_and_gradients(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plan = expand(Genome(sheets=(SheetGene(channels=4, reduction="stride"),)), input=(1, 8, 8), classes=3)
    x, found = torch.rand(4, 1, 8, 8), []

    def computed(network: Network) -> list[torch.Tensor]:
        weights = [w.requires_grad_() for w in initialise(plan, 1)]
        logits = network(x, weights)
        return [logits, *torch.autograd.grad(logits.square().sum(), weights)]

    network = build(plan)
    found.append(computed(network))
    network.compile()
    found.append(computed(network))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
