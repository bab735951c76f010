"""Trained networks of the benchmark as `.evo` files."""

import pytest
import torch
from canvas import Fixed, task_of
from jobs import append
from models import model_of
from packages import ERROR, packed
from safetensors.torch import save_file

from evonet.genome.genes import Genome, MotifGene, SaccadeGene, SheetGene
from evonet.genome.text import to_toml
from evonet.network.build import decoded
from evonet.package import unpack

GENOME = Genome(
    sheets=(SheetGene(channels=4), SheetGene(channels=6, motifs=(MotifGene(radius=0, taps=1),))),
    saccade=SaccadeGene(cell=8, downsampling=4, budgets=(1, 0, 0, 0), fixations=3),
)


@pytest.fixture
def trained(tmp_path):
    """Puts a training of SELECTOR into a record, its weights `scale` times as large as drawn."""
    path = tmp_path / "g.toml"
    path.write_text(to_toml(GENOME))
    (tmp_path / "weights").mkdir()

    def put(selector, *, scale=1.0):
        model = f"saccade:{path}:{selector}" if selector else "stride2"
        network = model_of(model, task_of("clutter:60"), 1)
        state = {name: scale * tensor + 0.001 * scale for name, tensor in network.state_dict().items()}
        network.load_state_dict(state)
        name = selector or "stride2"
        save_file(state, tmp_path / "weights" / f"{name}.safetensors")
        append(tmp_path / "models.jsonl", {"name": name, "task": "clutter:60", "model": model, "seed": 1})
        return network.eval()

    return put


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_a_package_holds_the_network_with_its_weights_rounded(trained, tmp_path, digits, scale):
    model = trained("learned-scored", scale=scale)
    package = unpack(packed("learned-scored", tmp_path))
    assert package.genome == GENOME
    network = decoded(package)
    for rounded, weight in zip(network.weights, model.network.weights, strict=True):
        assert (rounded - weight).norm() <= 1.01 * ERROR * weight.norm()
    images = Fixed("clutter:60", digits["test"], "test").at(torch.arange(8)).images
    assert network.look(images)[0].shape == (8, 10)


@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_weights_that_float16_cannot_hold_are_told(trained, tmp_path, scale):
    trained("learned", scale=scale)
    with pytest.raises(ValueError, match="float16 is off by more than"):
        packed("learned", tmp_path)


@pytest.mark.parametrize("selector", ["oracle", ""])
def test_what_does_not_look_by_itself_is_refused(trained, tmp_path, selector):
    trained(selector)
    with pytest.raises(ValueError, match="looks where a control says, or everywhere"):
        packed(selector or "stride2", tmp_path)


def test_an_unknown_training_and_lost_weights_are_told(trained, tmp_path):
    with pytest.raises(ValueError, match="no training 'learned' in it"):
        packed("learned", tmp_path)
    trained("learned")
    (tmp_path / "weights" / "learned.safetensors").unlink()
    with pytest.raises(ValueError, match="not there, expected the weights"):
        packed("learned", tmp_path)
