"""The plan of a trained genome for images of another size: as long as every weight keeps its meaning."""

from evonet.errors import GenomeError
from evonet.genome.genes import Genome
from evonet.plan.expand import expand
from evonet.plan.types import Expression, Plan, Shape


def resized(genome: Genome, expression: Expression | None, *, input: Shape, to: Shape, classes: int) -> Plan:
    """The plan for images of shape `to`, with the tensors and the taps that the plan for `input` has.

    So it is for convolutions, saccades, and readouts of as many cells on both sizes; not for a sheet that reads all of
    its source at once, or has weights of its own at every position.

    Raises GenomeError: a tensor or a tap would be another, and whatever `expand` refuses, such as budgets of more
    cells than a smaller image has.
    """
    before, after = (expand(genome, input=shape, classes=classes) for shape in (input, to))
    for old, new in zip(before.stages, after.stages, strict=True):
        if old.all_taps != new.all_taps:
            was, now = len(old.all_taps), len(new.all_taps)
            raise _other(old.name, f"{was} taps", input, f"{now} others" if was == now else str(now), to)
    for mine, other in zip(before.tensors, after.tensors, strict=True):
        if mine.shape != other.shape:
            raise _other(mine.name, f"shape {mine.shape}", input, str(other.shape), to)
    return expand(genome, input=to, classes=classes, expression=expression)


def _other(name: str, was: str, input: Shape, now: str, to: Shape) -> GenomeError:
    sizes = ["x".join(map(str, shape)) for shape in (input, to)]
    return GenomeError(
        f"{name} has {was} on images of {sizes[0]} and {now} on {sizes[1]}, expected the same on both, because "
        "the weights are of the first: use images of that size, or train a network for the other"
    )
