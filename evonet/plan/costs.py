"""Costs of a stage in closed form: no loop over neurons or connections."""

from evonet.plan.types import Stage


def application_macs(stage: Stage) -> int:
    """Multiply-adds of one application to one image, zero padding included; 0 without weights."""
    if stage.mixing == "identity":
        return 0
    out, height, width = stage.target
    inputs = stage.source[0] if stage.mixing == "full" else 1
    return out * inputs * height * width * len(stage.taps)


def connections(stage: Stage) -> int:
    """Mask ones: joined pairs of neurons, without those that the boundary cuts off."""
    out = stage.target[0]
    inputs = stage.source[0] if stage.mixing == "full" else 1
    inside = sum(
        _inside(dy, stage.source[1], stage.target[1], stage.stride)
        * _inside(dx, stage.source[2], stage.target[2], stage.stride)
        for dy, dx in stage.taps
    )
    return out * inputs * inside


def _inside(offset: int, source: int, target: int, stride: int) -> int:
    """How many y in [0, target) have 0 <= stride * y + offset < source."""
    first = max(0, -(offset // stride))  # ceil(-offset / stride)
    last = min(target - 1, (source - 1 - offset) // stride)
    return max(0, last - first + 1)
