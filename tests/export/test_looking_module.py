"""The generated code of networks that look computes what evonet's reference computes, and reads well."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import saccade_genomes
from test_bundle import packed
from test_module import computed, loaded, random_weights, written

from evonet.errors import ExportError, GenomeError
from evonet.export import export
from evonet.export.looking_text import CHOOSE
from evonet.export.module import write_dense, write_module
from evonet.genome import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.network import build
from evonet.network.choosing import choose
from evonet.network.choosing import weights as weights_of
from evonet.plan import expand
from evonet.plan.masks import mask

ONE = MotifGene(radius=0, taps=1)
EYE = (
    SheetGene(channels=4, reduction="max", motifs=(MotifGene(), MotifGene(radius=2, taps=25))),
    SheetGene(channels=6, motifs=(MotifGene(),)),
)
MEMORY = (
    SheetGene(channels=8, motifs=(ONE,)),
    SheetGene(channels=8, activation="tanh", motifs=(ONE, MotifGene(radius=0, taps=1, source=0))),
)
SET = Genome(
    sheets=(*EYE, MEMORY[0]),
    readout=ReadoutGene(pooling="both"),
    saccade=SaccadeGene(depth=2, budgets=(2, 1, 0, 0), coordinates="fourier"),
)
PATH = Genome(
    sheets=(*EYE, *MEMORY),
    saccade=SaccadeGene(depth=2, budgets=(1, 1, 0, 0), fixations=3, halting=1, coordinates="relative"),
)
CONV = Genome(
    sheets=(*EYE, SheetGene(channels=6)),
    saccade=SaccadeGene(depth=2, budgets=(3, 1, 0, 0), form="conv", route="threshold", fill="cheap"),
)


@pytest.mark.parametrize("form", [write_module, write_dense])
@given(genome=saccade_genomes(), sides=st.tuples(st.integers(9, 19), st.integers(9, 19)), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_module_equals_reference(form, genome, sides, seed):
    try:
        plan = expand(genome, input=(2, *sides), classes=4)
    except GenomeError:
        assume(False)
    module, images, logits = written(plan, seed=seed, form=form)
    # float32 means and shares, as in `test_module`; deep recurrent states magnify them
    torch.testing.assert_close(computed(module, images), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("genome", [SET, PATH, CONV], ids=["set", "path", "conv"])
def test_a_cut_network_is_exported_as_it_is(genome):
    whole = expand(genome, input=(1, 24, 20), classes=10)
    taps = tuple((False, *bits[1:]) if len(bits) > 1 else bits for bits in whole.expression.taps)
    channels = tuple((False, *s.alive[1:]) if s.cuttable else s.alive for s in whole.sheets)
    plan = expand(
        genome, input=(1, 24, 20), classes=10, expression=type(whole.expression)(taps=taps, channels=channels)
    )
    assert plan.costs.weights < whole.costs.weights
    module, images, logits = written(plan)
    torch.testing.assert_close(computed(module, images), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "both"])
@pytest.mark.parametrize("later", [(), MEMORY[:1]], ids=["the set", "a sheet"])
def test_without_a_self_motif_the_mean_and_the_greatest_of_all_fixations_are_read(later, pooling):
    saccade = replace(PATH.saccade, halting=0)
    genome = Genome(sheets=(*EYE, *later), readout=ReadoutGene(pooling=pooling), saccade=saccade)
    module, images, logits = written(expand(genome, input=(1, 24, 20), classes=10))
    torch.testing.assert_close(computed(module, images), logits, rtol=1e-5, atol=1e-5)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_written_choice_is_that_of_the_network(data):
    """Of logits with many equal ones."""
    images, classes, cells = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(6, 9)))
    some = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0])
    size = images * classes * cells
    scores = torch.tensor(data.draw(st.lists(some, min_size=size, max_size=size))).view(images, classes, cells)
    budgets = tuple(data.draw(st.lists(st.integers(0, 1), min_size=classes - 1, max_size=classes - 1)))
    budgets = (*budgets, data.draw(st.integers(1, 2)))
    taken = torch.zeros(images, cells, dtype=torch.bool)
    taken[:, data.draw(st.lists(st.integers(0, cells - 1), max_size=2))] = True
    threshold = data.draw(st.booleans())
    names: dict = {"torch": torch, "Tensor": torch.Tensor}
    exec(CHOOSE, names)  # noqa: S102 - the code under test
    image, cell, kind = names["choose"](scores, budgets, threshold, taken)
    choice = choose(scores, budgets, threshold=threshold, taken=taken)
    assert (image.tolist(), cell.tolist()) == (choice.image.tolist(), choice.cell.tolist())
    assert (kind + 1).tolist() == choice.kind.tolist()
    torch.testing.assert_close(names["shares"](scores, image, cell, kind), weights_of(choice, scores))


def test_images_halt_one_by_one():
    """Some stop at once and others go on: what the others answer must not depend on it."""
    plan = expand(PATH, input=(1, 24, 24), classes=10)
    weights, *_ = random_weights(plan)
    network = build(plan)
    weights = [weight / 1.8 for weight in weights]  # as they are, everybody is sure at once
    with torch.no_grad():
        for own, weight in zip(network.weights, weights, strict=True):
            own.copy_(torch.from_numpy(weight))
        images = torch.rand(16, 1, 24, 24, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        images[::3] *= 1e-3
        logits, looked = network.double().look(images)
    assert len(looked.fixations.unique()) > 1
    torch.testing.assert_close(computed(write_module(plan, weights, genome=""), images), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("genome", [SET, PATH, CONV], ids=["set", "path", "conv"])
def test_module_reads_well(genome):
    source = written(expand(genome, input=(1, 24, 24), classes=10))[0].source
    lines = source.splitlines()
    assert len(lines) <= 275
    assert max(map(len, lines)) <= 130
    assert "import evonet" not in source
    helpers = [line for line in lines if line.startswith("def ")]
    assert len(set(helpers)) == len(helpers) <= 12
    for line in (
        '        """Cells of 8x8 pixels as class 1, from blocks of 14x14: (looks, 6, 4, 4)."""',
        "        x = cut(images, image, row * 8 - 3, column * 8 - 3, (14, 14))",
        "        x = x * within(row * 4 - 1, column * 4 - 1, (6, 6), (12, 12))  # beyond the sheet zero, as if padded",
        "        x = view(images, 4, (6, 6))",
    ):
        assert line in lines, source


def test_every_cell_of_a_grid_is_written_as_the_plain_network_that_it_is():
    sheets = tuple(SheetGene(channels=4, motifs=(MotifGene(),)) for _ in range(2))
    gene = SaccadeGene(depth=2, form="conv", route="every", budgets=(0, 0, 0, 0))
    looking, plain = (
        expand(Genome(sheets=sheets, saccade=saccade), input=(1, 12, 12), classes=10) for saccade in (gene, None)
    )
    weights, images, logits = random_weights(looking)
    module = write_module(looking, weights, genome="")
    assert module.source == write_module(plain, weights, genome="").source
    torch.testing.assert_close(computed(module, images), logits)


def test_a_motif_of_several_classes_is_one_parameter():
    module, *_ = written(expand(SET, input=(1, 24, 24), classes=10))
    names = [name for name in module.tensors if name.startswith("sheet1")]
    assert names == ["sheet1_bias", "sheet1_motif0_taps"]
    assert all(module.source.count(f"self.{name} = ") == 1 for name in names)
    assert "  # 9 taps; used 2 times" in module.source


@pytest.mark.parametrize("genome", [SET, PATH, CONV], ids=["set", "path", "conv"])
def test_the_exported_module_can_be_trained(genome):
    """It is a module like any other: no operation in place breaks a gradient."""
    module, images, _ = written(expand(genome, input=(1, 24, 24), classes=10))
    net = loaded(module).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 0.2  # no tanh is full
    net(images).square().sum().backward()
    eye = {name: p.grad for name, p in net.named_parameters() if name.startswith("sheet0_motif")}
    assert all(grad is not None and grad.isfinite().all() for grad in eye.values())
    assert any(grad.any() for grad in eye.values())


def test_the_folder_is_checked_and_its_masks_are_of_the_eye_everywhere(tmp_path):
    genome = replace(PATH, saccade=replace(PATH.saccade, fixations=2))
    package = packed(genome, (1, 16, 16))
    done = export(package, tmp_path / "out", formats=["safetensors"], masks=True)
    assert done.difference < 1e-6
    plan = expand(genome, input=(1, 16, 16), classes=10)
    card = (done.folder / "card.md").read_text()
    assert "| looked at, at most | 1 of class 1, 1 of class 2, at each of 2 fixations: 4 of 4 |" in card
    assert f"| multiply-adds of a cell of class 1 | {plan.saccade.eyes[0].costs.macs:,} |" in card
    with np.load(done.folder / "masks.npz") as arrays:
        assert sorted(arrays.files) == sorted(f"{s.name}.{kind}" for s in plan.stages for kind in ("mask", "slots"))
        assert arrays["sheet0.motif0.taps.mask"].shape == (4 * 16 * 16, 16 * 16)
        np.testing.assert_array_equal(arrays["sheet0.motif0.taps.mask"], mask(plan.stages[0]))


def test_matrices_of_large_images_are_refused_with_the_sheet_of_the_eye():
    plan = expand(SET, input=(1, 256, 256), classes=10)
    weights = [w.detach().numpy() for w in build(plan).weights]
    with pytest.raises(ExportError, match=r"format 'dense': the matrices would take .* for sheet0\.motif0\.taps\)"):
        write_dense(plan, weights, genome="")
