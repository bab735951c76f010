"""Kernels and readouts as a picture: the cosine transform, then a grid on which small, fine waves become zero.

As JPEG drops small vectors; for weights, Koutnik et al. 2010, "Evolving neural networks in compressed weight space".
"""

from evonet.compression.codes.base import Block, Rounding, Weights
from evonet.compression.codes.grid import rounded
from evonet.package import STEPS, Transformed
from evonet.package.transform import forward


def encode(weights: Weights, step: int, rounding: Rounding, block: Block | None = None) -> Transformed | None:
    """None where the tensor's last axis goes through no rectangle of places."""
    if block is None:
        return None
    return Transformed(step=step, codes=rounded(forward(weights, block) / STEPS[step], rounding), block=block)
