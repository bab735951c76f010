"""A trained saccade network as an `.evo` file, for `evonet attend` and `evonet eval`: its weights rounded, no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from arms import LEARNED, Saccade
from evaluating import trained
from jobs import finished
from ladder import CLASSES
from numpy.typing import NDArray

from evonet.compression.states import choose, off
from evonet.genome.text import load
from evonet.package import Coded, Half, Package, pack

ERROR = 0.01  # of every tensor, relative: the root of sum (w - packed)^2 / sum w^2


def packed(name: str, out: Path) -> bytes:
    """The package of the training `name` of OUT/models.jsonl.

    Raises ValueError: there is no such training, or its weights are not there, or float16 cannot hold them; or it is no
    network that chooses its cells itself, for a control would look elsewhere once it is packed.
    """
    record = finished(out).get(name)
    if record is None:
        raise ValueError(f"{out / 'models.jsonl'}: no training {name!r} in it, expected the name of a finished one")
    model = trained(record, out)
    if not isinstance(model, Saccade) or model.selector not in LEARNED:
        raise ValueError(f"{record['model']}: looks where a control says, or everywhere; expected saccade:...:learned")
    plan, genome = model.network.plan, load(Path(record["model"].split(":")[1]))
    tensors = tuple(_coded(weight.detach().numpy()) for weight in model.network.weights)
    return pack(Package(genome=genome, input=plan.input, classes=CLASSES, expression=plan.expression, tensors=tensors))


def _coded(weights: NDArray[np.float32]) -> Coded:
    choice = choose(weights, ERROR)
    if choice and not choice.scale:
        return choice.coded
    # A scale is for `.evw` files. Without one small weights need float16.
    with np.errstate(over="ignore"):
        half = Half(weights.astype(np.float16))
    if not off(weights, half, 0) <= ERROR * float(np.linalg.norm(weights)):
        largest = float(np.abs(weights).max())
        raise ValueError(f"weights of at most {largest:.2g}: float16 is off by more than {ERROR:g} of them")
    return half
