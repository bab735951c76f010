"""Saccade networks and their controls: same weights, same budget, other cells."""

import pytest
import torch
from arms import SELECTORS, saccade
from canvas import Fixed, task_of
from controls import SCORES
from ladder import location_loss
from models import counts_of
from training import Moment

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.text import to_toml

ONE = MotifGene(radius=0, taps=1)


def genome(budgets=(3, 0, 0, 0), classes=1, **fields):
    windows = (MotifGene(), MotifGene(radius=2, taps=25))[:classes]
    return Genome(
        sheets=(SheetGene(channels=4, reduction="max", motifs=windows), SheetGene(channels=6, motifs=(ONE,))),
        readout=ReadoutGene(pooling="both"),
        saccade=SaccadeGene(cell=8, downsampling=4, budgets=budgets, **fields),
    )


@pytest.fixture
def batch(digits):
    return Fixed("clutter:60", digits["test"], "test").at(torch.arange(12))


@pytest.mark.parametrize("selector", SELECTORS)
def test_every_selector_looks_at_its_budget_and_learns(batch, selector):
    model = saccade(genome(), selector, side=60, seed=1)
    model.loss(batch, Moment(3, 10)).backward()
    gradient = model.network.weights[0].grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    assert model(batch.images, batch.boxes).shape == (12, 10)
    logits, looked = model.network.look(batch.images, pick=model._control(batch.images, batch.boxes))
    assert torch.equal(logits, model(batch.images, batch.boxes))
    assert looked.image.bincount().tolist() == [3] * 12


def test_oracle_cells_touch_the_box_and_weigh_the_same(batch):
    model = saccade(genome(), "oracle", side=60, seed=1)
    _, looked = model.network.look(batch.images, pick=model._control(batch.images, batch.boxes))
    low = looked.cell * 8
    y0, x0, y1, x1 = batch.boxes[looked.image].unbind(1)
    assert bool(((low[:, 0] < y1) & (low[:, 0] + 8 > y0) & (low[:, 1] < x1) & (low[:, 1] + 8 > x0)).all())
    torch.testing.assert_close(looked.weight, torch.full((36,), 1 / 3))


@pytest.mark.parametrize("fields", [{"budgets": (2, 3, 0, 0), "classes": 2}, {"budgets": (1, 0, 0, 0), "fixations": 3}])
def test_controls_keep_the_budget_of_each_class_and_never_look_twice(batch, fields):
    model = saccade(genome(**fields), "ink", side=60, seed=1)
    _, looked = model.network.look(batch.images, pick=model._control(batch.images, batch.boxes), halt=False)
    for image in range(12):
        cells = looked.cell[looked.image == image].tolist()
        assert len(cells) == len(set(map(tuple, cells))) == sum(fields["budgets"]) * fields.get("fixations", 1)
    assert not model.capturable


def test_the_boxes_teach_the_glance_where_the_digit_is(batch):
    torch.manual_seed(0)
    model = saccade(genome(), "learned@box", side=60, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def hits():
        _, looked = model.network.look(batch.images)
        y0, x0, y1, x1 = batch.boxes[looked.image].unbind(1)
        middle = looked.cell * 8 + 4
        inside = (middle[:, 0] >= y0) & (middle[:, 0] < y1) & (middle[:, 1] >= x0) & (middle[:, 1] < x1)
        return float(inside.float().mean())

    before = hits()
    for _ in range(40):
        optimizer.zero_grad()
        model.loss(batch, Moment(0, 10)).backward()
        optimizer.step()
    assert hits() > before + 0.2


@pytest.mark.parametrize("selector", ["learned", "learned-scored"])
def test_the_loss_of_the_boxes_is_the_rungs_and_fades(batch, selector):
    fields = {"budgets": (1, 0, 0, 0), "fixations": 3} if selector == "learned-scored" else {}
    plain, located = (saccade(genome(**fields), name, side=60, seed=1) for name in (selector, f"{selector}@box"))
    scores = located.network.look(batch.images)[1].scores
    expected = location_loss(scores.logsumexp(1), batch.boxes, 8)
    for step, weight in ((0, 1.0), (40, 0.5), (80, 0.0), (99, 0.0)):
        at = Moment(step, 100)
        torch.testing.assert_close(
            located.loss(batch, at) - plain.loss(batch, at), weight * expected, rtol=1e-3, atol=1e-5
        )


def test_what_fades_or_varies_in_number_is_not_captured():
    plain = {name: saccade(genome(), name, side=64, seed=1).capturable for name in SELECTORS}
    assert {name for name in plain if plain[name]} == {"learned", *SCORES}
    assert not saccade(genome(), "learned", side=60, seed=1).capturable, "some cells reach beyond the last sheet"


def test_arms_are_named_in_plans_and_counted_by_their_plan(tmp_path):
    path = tmp_path / "g.toml"
    path.write_text(to_toml(genome()))
    small, large = (counts_of(f"saccade:{path}:random", task_of(f"clutter:{side}")) for side in (60, 100))
    assert small.parameters == large.parameters
    assert 0 < large.macs - small.macs < 100_000  # the glance alone grows


def test_what_is_no_saccade_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no saccade"):
        saccade(Genome(sheets=(SheetGene(),)), "learned", side=60, seed=1)
    with pytest.raises(ValueError, match="selector 'best', expected one of learned"):
        saccade(genome(), "best", side=60, seed=1)
    with pytest.raises(ValueError, match="expected saccade:GENOME"):
        counts_of("saccade:g.toml", task_of("clutter:60"))
