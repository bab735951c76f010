"""Answers rest on what was read and on nothing else; orders, curves and moved clutter keep their laws."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from looking_networks import CHEAP, GENOMES, GRID, ONE, PATH, canvases, make_network

from evonet.evaluation import faithfulness, looks
from evonet.evaluation.attention import Chunk, measure


def some(network, count=6):
    channels, side, _ = network.plan.input
    x, labels, boxes = canvases(count, side=side)
    return x.repeat(1, channels, 1, 1), labels, boxes


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


NETWORKS = {
    **{name: lambda genome=genome: make_network(genome) for name, genome in GENOMES.items()},
    "colours": lambda: make_network(channels=3),
    "border": lambda: make_network(GENOMES["deep"], side=21),
    "blind grid": lambda: make_network(GRID, blind=True),  # its glance sees the noise beside a chosen cell
    "blind path": lambda: make_network(PATH, blind=True),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


def test_what_no_look_could_read_changes_no_bit_of_a_logit(network):
    x, _, _ = some(network)
    logits, looked = network.look(x)
    assert torch.equal(network.answer(x, looked), logits)
    for seed in range(3):
        noise = faithfulness.noise_like(x, seed)
        assert faithfulness.counterfactual(network, x, looked, noise).tolist() == [0.0] * len(x)


def test_a_network_that_peeks_is_found_out():
    network = make_network(CHEAP)
    x, labels, boxes = some(network)
    _, looked = network.look(x)
    change = faithfulness.counterfactual(network, x, looked, faithfulness.noise_like(x, "noise", 0, 0))
    assert (change > 0).all()
    found = measure(network, [Chunk(x, labels, boxes)])
    assert not found.alone
    assert found.changed == 1
    assert found.counterfactual == float(change.max()) > float(change.min())


def test_a_logit_that_is_not_finite_counts_as_changed():
    network = make_network()
    x, _, _ = some(network)
    _, looked = network.look(x)
    network.weights[network.plan.readout.weight].mul_(torch.inf)
    assert faithfulness.counterfactual(network, x, looked, faithfulness.noise_like(x)).isinf().all()


@pytest.mark.parametrize("name", GENOMES)
def test_cells_may_be_held_and_weighed_anew(name):
    """Through its weights the rest of the image reaches the answer, where a set weighs several looks at a time."""
    network = make_network(GENOMES[name], blind=True)  # its glance sees beyond a cell
    x, _, _ = some(network)
    logits, looked = network.look(x)
    assert torch.equal(network.look(x, pick=looked.held(weights=False))[0], logits)
    noise = faithfulness.noise_like(x)
    found = faithfulness.changes(faithfulness.reweighed(network, x, looked, noise), logits)
    assert bool((found > 0).any()) == (name in ("set", "threshold", "deep", "two a fixation"))
    read = looks.read_pixels(network, looked, (len(x), *x.shape[2:]))[:, None]
    _, other = network.look(torch.where(read, x, noise), pick=looked.held(weights=False))
    assert torch.equal(other.cell, looked.cell)
    assert torch.equal(other.kind, looked.kind)
    sums = torch.zeros(len(x), 3).index_put((looked.image, looked.time), other.weight, accumulate=True)
    if network.plan.saccade.form == "set":
        torch.testing.assert_close(sums[sums > 0], torch.ones_like(sums[sums > 0]))


def test_what_weights_let_through_is_measured_beside_what_looks_do():
    network = make_network(blind=True)
    x, labels, _ = some(network, 20)
    parts = [Chunk(x[at], labels[at]) for at in (slice(9), slice(9, None))]
    found = measure(network, parts)
    logits, looked = network.look(x)
    noise = torch.cat([faithfulness.noise_like(part.images, "noise", 0, k) for k, part in enumerate(parts)])
    again = faithfulness.reweighed(network, x, looked, noise)
    assert found.alone
    assert found.changed == found.counterfactual == 0
    assert found.reweighed == pytest.approx(float((again - logits).abs().max()))
    assert found.reweighed > 1e-4
    assert found.reweighed_changed == pytest.approx(float((again.argmax(1) != logits.argmax(1)).double().mean()))


def test_noise_in_what_was_read_is_all_that_necessity_adds(network):
    x, _, _ = some(network)
    logits, looked = network.look(x)
    noise = faithfulness.noise_like(x)
    blind = faithfulness.necessity(network, x, looked, noise)
    assert (blind != logits).any(1).all()
    # Every pixel outside is unread, so an image of noise alone gives the same answer.
    assert torch.equal(blind, network.answer(noise, looked))


def test_noise_is_the_same_for_the_same_key_and_lies_in_the_range_of_images():
    x = torch.zeros(3, 1, 5, 5)
    assert torch.equal(faithfulness.noise_like(x, 1, 2), faithfulness.noise_like(x, 1, 2))
    assert not torch.equal(faithfulness.noise_like(x, 1, 2), faithfulness.noise_like(x, 12))
    noise = faithfulness.noise_like(x)
    assert 0 <= float(noise.min()) < float(noise.max()) < 1


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.2, 0.2, 0.5])), min_size=1, max_size=12))
def test_ranks_number_the_looks_of_each_image_by_falling_weight(many):
    image, weight = (torch.tensor(part) for part in zip(*many, strict=True))
    ranks = faithfulness._ranks(image, weight).tolist()
    for one in range(4):
        own = [at for at in range(len(many)) if many[at][0] == one]
        assert sorted(ranks[at] for at in own) == list(range(len(own)))
        expected = sorted(own, key=lambda at: (-many[at][1], at))
        assert sorted(own, key=lambda at: ranks[at]) == expected


def test_equal_weights_go_by_time_then_by_the_glance():
    network = make_network()
    _, looked = network.look(some(network)[0])
    row, column = looked.cell.unbind(1)
    level = replace(looked, weight=torch.ones_like(looked.weight))
    expected = faithfulness._ranks(looked.image, looked.scores[looked.image, looked.kind - 1, row, column])
    assert torch.equal(faithfulness.by_weight(level), expected)
    assert torch.equal(faithfulness.by_weight(looked), expected)  # this network's weights are such a softmax
    path = make_network(PATH)
    _, looked = path.look(some(path)[0])
    assert torch.equal(faithfulness.by_weight(looked), looked.time)
    backwards = replace(looked, time=2 - looked.time)  # against what the glance says
    assert torch.equal(faithfulness.by_weight(backwards), backwards.time)


def test_occlusion_ranks_first_the_look_whose_loss_costs_most():
    network = make_network()
    x, _, _ = some(network)
    _, looked = network.look(x)
    ranks = faithfulness.by_occlusion(network, x, looked)
    whole = network.answer(x, looked).softmax(1)
    for image in range(len(x)):
        own = (looked.image == image).nonzero()[:, 0].tolist()
        left = {}
        for look in own:
            y0, x0, y1, x1 = network.windows(looked)[look].clamp(min=0).tolist()
            hidden = x.clone()
            hidden[image, :, y0:y1, x0:x1] = 0
            left[look] = float(network.answer(hidden, looked).softmax(1)[image, whole[image].argmax()])
        assert sorted(own, key=lambda look: int(ranks[look])) == sorted(own, key=left.__getitem__)


def test_curves_meet_the_whole_answer_and_the_blank_one(network):
    x, _, _ = some(network)
    logits, looked = network.look(x)
    deletion, insertion = faithfulness.curves(network, x, looked, faithfulness.by_weight(looked), steps=6)
    assert deletion.shape == insertion.shape == (len(x), 7)
    whole = logits.softmax(1).amax(1)
    assert torch.equal(deletion[:, 0], whole)
    assert torch.equal(insertion[:, -1], whole)
    assert torch.equal(deletion[:, -1], insertion[:, 0])
    blank = network.answer(torch.zeros_like(x), looked).softmax(1).gather(1, logits.argmax(1)[:, None])[:, 0]
    assert torch.equal(insertion[:, 0], blank)


def test_the_order_matters_to_a_curve_and_its_area_is_that_of_trapezoids():
    network = make_network()
    x, _, _ = some(network, 32)
    _, looked = network.look(x)
    best = faithfulness.by_occlusion(network, x, looked)
    count = torch.bincount(looked.image)[looked.image]
    first = faithfulness.curves(network, x, looked, best)[0].mean(0)
    last = faithfulness.curves(network, x, looked, count - 1 - best)[0].mean(0)
    assert faithfulness.area(first) < faithfulness.area(last)
    assert float(faithfulness.area(torch.tensor([1.0, 0.0, 0.0]))) == pytest.approx(0.25)
    assert float(faithfulness.area(torch.ones(11))) == pytest.approx(1)


def test_measures_are_means_over_all_images_whatever_their_chunks():
    network = make_network()
    x, labels, boxes = some(network, 20)
    parts = [Chunk(x[at], labels[at], boxes[at]) for at in (slice(9), slice(9, None))]
    found = measure(network, parts)
    logits, looked = network.look(x)
    assert found.images == 20
    assert found.accuracy == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    assert found.cells == 3
    assert found.fixations == 0
    assert found.counterfactual == found.changed == 0
    assert found.hit == 1.0
    assert found.hit_chance == pytest.approx(float(looks.chance(looked, looks.box_cells(boxes, 8, (3, 3))).mean()))
    assert found.pixels == pytest.approx(float(looks.read_pixels(network, looked, (20, 24, 24)).double().mean()))
    assert found.ink is not None
    assert 0.9 < found.ink <= 1
    assert [curve.order for curve in found.curves] == ["weight", "occlusion", "random"]
    assert found == measure(network, parts)
    # three of nine cells
    assert found.centre_chance == pytest.approx(3 / 9)


def test_looks_that_follow_the_ink_stay_with_the_object_among_other_clutter_and_stay_away_without_it():
    network = make_network(ONE)
    x, labels, boxes = some(network, 20)
    inside = looks.covered(boxes, torch.arange(20), (20, 24, 24))[:, None]
    other = torch.where(inside, x, x.flip(2) * (x.flip(2) < 0.4))
    found = measure(network, [Chunk(x, labels, boxes, other)])
    assert found.swap_hit == found.hit == 1
    assert found.hit_chance < 0.6
    assert found.swap_same is not None
    logits, _ = network.look(other)
    same = (logits.argmax(1) == network(x).argmax(1)).double().mean()
    assert found.swap_same == pytest.approx(float(same))
    specks = x.masked_fill(inside, 0)
    specks[:, :, 0, 0] = specks[:, :, -1, -1] = 1e-3  # ink somewhere, if faint
    gone = measure(network, [Chunk(x, labels, boxes, specks)])
    assert gone.swap_hit is not None
    assert gone.swap_hit < 1


def test_without_boxes_only_what_needs_them_is_missing():
    network = make_network()
    x, labels, boxes = some(network)
    without = measure(network, [Chunk(x, labels)])
    missing = {name for name in without.__struct_fields__ if getattr(without, name) is None}
    assert missing == {"hit", "hit_chance", "centre", "centre_chance", "ink", "swap_hit", "swap_same"}
    whole = measure(network, [Chunk(x, labels, boxes)])
    assert without.curves == whole.curves


def test_no_images_are_refused():
    network = make_network()
    with pytest.raises(ValueError, match="no images, expected at least one"):
        measure(network, [])
