"""A channel of a cuttable sheet without outgoing weights can be switched off, and no logit changes."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from plan_examples import INPUTS, plan_or_none
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.network.network import Network
from evonet.plan import Expression, expand
from evonet.plan.cutting import cuttable

CHAIN = Genome(sheets=(SheetGene(channels=3), SheetGene(channels=4), SheetGene(channels=4)))


def random_network(plan, seed=0):
    draw = np.random.default_rng(seed)
    network = Network(plan, dtype=torch.float64, masked=True)
    for weight in network.weights:
        weight.data = torch.from_numpy(draw.normal(size=tuple(weight.shape)))
    return network


def silence(network, sheet, channel):
    """Sets to zero all weights that read `channel` of `sheet`."""
    plan = network.plan
    for index, reader in enumerate(plan.sheets):
        for branch in (*reader.incoming, *reader.recurrent):
            if branch.source != sheet:
                continue
            for stage in branch.stages:
                if stage.mixing == "full":
                    weight = network.weights[stage.weight].data
                    weight.select(weight.ndim - 2, channel).zero_()
                else:  # a self motif, by which a channel reads itself, or the first stage of a separable one
                    assert index == sheet or len(branch.stages) == 2
    if sheet == len(plan.sheets) - 1:
        features = network.weights[plan.readout.weight].data.view(
            plan.classes, -1, plan.sheets[-1].shape[0], cells(plan)
        )
        features[:, :, channel] = 0


def cells(plan):
    return plan.readout.grid[0] * plan.readout.grid[1]


def without(plan, sheet, channel):
    bits = list(plan.expression.channels)
    bits[sheet] = tuple(c != channel for c in range(len(bits[sheet])))
    return Expression(taps=plan.expression.taps, channels=tuple(bits))


def loosened(genome):
    """With most of what keeps a sheet from losing channels taken out."""

    def motif(gene):
        mixing = gene.mixing if gene.source == 0 and gene.mixing != "grouped" else "full"
        mixing = "separable" if gene.mixing == "separable" else mixing
        symmetry = "even" if gene.symmetry.startswith("orbit") else gene.symmetry
        return replace(gene, mixing=mixing, symmetry=symmetry, weights_from=0)

    def sheet(gene):
        norm = "instance" if gene.norm == "rms" else gene.norm
        return replace(gene, norm=norm, join="add", residual=False, motifs=tuple(map(motif, gene.motifs)))

    sheets = tuple(map(sheet, genome.sheets))
    return replace(genome, sheets=sheets, readout=replace(genome.readout, kind="linear"))


@given(genomes(channels=6) | genomes(channels=6).map(loosened), INPUTS, st.data())
@settings(max_examples=80, deadline=None)
def test_a_silent_channel_can_go(genome, shape, data):
    plan = plan_or_none(genome, shape)
    assume(plan is not None)
    free = [k for k, sheet in enumerate(plan.sheets) if sheet.cuttable and sheet.shape[0] > 1]
    assume(free)
    sheet = data.draw(st.sampled_from(free))
    channel = data.draw(st.integers(0, plan.sheets[sheet].shape[0] - 1))
    network = random_network(plan)
    silence(network, sheet, channel)
    live = expand(genome, input=shape, classes=10, expression=without(plan, sheet, channel))
    cut = Network(live, dtype=torch.float64, masked=True)
    for small, weight, tensor in zip(cut.weights, network.weights, live.tensors, strict=True):
        small.data = torch.from_numpy(weight.detach().numpy()[np.ix_(*tensor.kept)])
    images = torch.from_numpy(np.random.default_rng(1).normal(size=(2, *shape)))
    with torch.no_grad():
        torch.testing.assert_close(cut(images), network(images), rtol=1e-9, atol=1e-9)


def changed(sheet, **fields):
    sheets = list(CHAIN.sheets)
    sheets[sheet] = replace(sheets[sheet], **fields)
    return replace(CHAIN, sheets=tuple(sheets))


@pytest.mark.parametrize(
    "genome, free",
    [
        (CHAIN, (True, True, True)),
        (changed(1, norm="instance", bias="repeat"), (True, True, True)),
        (changed(1, motifs=(MotifGene(mixing="separable"),)), (True, True, True)),
        (changed(1, motifs=(MotifGene(), MotifGene(source=0, mixing="depthwise"))), (True, True, True)),
        (changed(1, norm="rms"), (True, False, True)),
        (changed(1, motifs=(MotifGene(mixing="identity"),)), (False, True, True)),
        (changed(2, motifs=(MotifGene(mixing="grouped"),)), (True, False, False)),
        (changed(1, motifs=(MotifGene(symmetry="orbit4"),)), (False, False, True)),
        (changed(1, motifs=(MotifGene(), MotifGene()), join="concat"), (True, False, True)),
        (changed(2, residual=True), (True, False, False)),
        (changed(2, residual=True, reduction="all"), (True, False, False)),  # of a 1x1 source it keeps the shape
        (changed(2, residual=True, reduction="max"), (True, True, True)),
        (changed(2, motifs=(MotifGene(weights_from=1),)), (False, False, False)),
        (replace(CHAIN, readout=ReadoutGene(kind="direct")), (True, True, False)),
    ],
)
def test_which_sheets_may_lose_channels(genome, free):
    assert cuttable(genome) == free


def test_a_live_tensor_says_what_of_the_whole_it_holds():
    whole = expand(CHAIN, input=(2, 5, 5), classes=3)
    live = expand(CHAIN, input=(2, 5, 5), classes=3, expression=without(whole, 1, 2))
    tensors = {tensor.name: tensor for tensor in live.tensors}
    assert all(tensor.kept is None for tensor in whole.tensors)
    assert tensors["sheet1.motif0.taps"].kept == ((0, 1, 3), (0, 1, 2), tuple(range(9)))
    assert tensors["sheet2.motif0.taps"].kept == ((0, 1, 2, 3), (0, 1, 3), tuple(range(9)))
    assert tensors["sheet1.bias"].kept == ((0,), (0, 1, 3))
    assert live.sheets[1].shape == (3, 5, 5)
    assert live.expression == without(whole, 1, 2)


ON = (True,) * 4


@pytest.mark.parametrize(
    "genome, channels, message",
    [
        (changed(1, norm="rms"), (ON[:3], (True, True, False, True), ON), r"sheets\[1\]: .* other genes depend on"),
        (CHAIN, (ON[:3], ON[:3], ON), r"sheets\[1\]: expression has 3 channel bits with 3 on, expected 4"),
        (CHAIN, (ON[:3], (False,) * 4, ON), r"4 channel bits with 0 on, expected 4 bits with at least one on"),
        (CHAIN, (ON[:3], ON, ON, ON), r"expression is of 3 stages and 4 sheets, expected 3 and 3"),
    ],
)
def test_channel_bits_that_do_not_fit_are_refused(genome, channels, message):
    taps = expand(genome, input=(1, 5, 5), classes=3).expression.taps
    with pytest.raises(GenomeError, match=message):
        expand(genome, input=(1, 5, 5), classes=3, expression=Expression(taps=taps, channels=channels))
