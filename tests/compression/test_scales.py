"""Scales between sheets are free: equalised networks compute the same, and one step suits them better."""

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from strategies import genomes, saccade_genomes

from evonet.compression.scales import equalised, free
from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.network import build, initialise
from evonet.plan import expand


def uneven(plan, seed: int) -> list[torch.Tensor]:
    """Random weights, every channel of another size, biases among them."""
    generator = torch.Generator().manual_seed(seed)
    weights = initialise(plan, seed)
    return [
        (w + 0.1 * torch.randn(w.shape, generator=generator)) * 4 ** torch.randn(w.shape, generator=generator)
        for w in weights
    ]


@given(genomes(channels=6) | saccade_genomes(), st.integers(0, 2**16))
@settings(deadline=None, max_examples=60)
def test_no_logit_changes(genome, seed):
    try:
        plan = expand(genome, input=(1, 9, 9), classes=10)
    except GenomeError:
        reject()
    weights = uneven(plan, seed)
    before = [w.clone() for w in weights]
    network = build(plan, dtype=torch.float64)
    x = torch.rand(2, *plan.input, dtype=torch.float64)
    with torch.no_grad():
        a, b = (network(x, [w.double() for w in version]) for version in (weights, equalised(plan, weights)))
    assert all(torch.equal(w, old) for w, old in zip(weights, before, strict=True))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(a.abs().max())))


@pytest.mark.parametrize(("activation", "is_free"), [("relu", True), ("abs", True), ("none", True), ("gelu", False)])
def test_channels_become_about_as_large_going_in_as_coming_out(activation, is_free):
    genome = Genome(sheets=(SheetGene(channels=6, activation=activation), SheetGene(channels=4, norm="rms")))
    plan = expand(genome, input=(1, 8, 8), classes=3)
    assert [free(sheet) for sheet in plan.sheets] == [is_free, False]
    weights = initialise(plan, 1)
    weights[0][2] *= 5
    found = equalised(plan, weights)
    assert torch.equal(found[0], weights[0]) != is_free

    def spread(version):
        sizes = version[0].square().sum((1, 2)).sqrt()
        return float(sizes.max() / sizes.min())

    assert (spread(found) < 0.6 * spread(weights)) == is_free


def test_a_dead_channel_stays_as_it_is():
    genome = Genome(sheets=(SheetGene(channels=4), SheetGene(channels=4, norm="rms")))
    plan = expand(genome, input=(1, 8, 8), classes=3)
    weights = initialise(plan, 1)
    weights[0][1] = 0
    found = equalised(plan, weights)
    assert all(torch.isfinite(w).all() for w in found)
    assert torch.equal(found[2][:, 1], weights[2][:, 1])


def test_a_motif_at_the_side_keeps_its_share():
    genome = Genome(sheets=(SheetGene(channels=4), SheetGene(motifs=(MotifGene(), MotifGene(source=2)))))
    plan = expand(genome, input=(1, 8, 8), classes=3)
    weights = uneven(plan, 3)
    network, x = build(plan), torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(x, weights), network(x, equalised(plan, weights)), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("others", [(), (MotifGene(source=2),)])
def test_channels_that_come_in_without_weights_cannot_be_scaled(others):
    mean = SheetGene(channels=4, motifs=(MotifGene(mixing="identity"), *others))
    plan = expand(Genome(sheets=(SheetGene(), SheetGene(channels=4), mean)), input=(1, 8, 8), classes=3)
    weights = uneven(plan, 3)
    network, x = build(plan), torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(x, weights), network(x, equalised(plan, weights)), rtol=1e-3, atol=1e-3)
