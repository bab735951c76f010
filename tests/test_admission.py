"""What a run lets into its population."""

import pytest
from msgspec.structs import replace

from evonet.composition import admission
from evonet.config import parse_config
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.sampling import sample
from evonet.plan import expand, fit
from evonet.seeds import Stream
from evonet.training.data import load_data


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", None)


def test_genomes_are_admitted_as_fitted_to_the_data(digits):
    admit = admission(parse_config("", "test"), digits)
    far = Genome(sheets=(SheetGene(motifs=(MotifGene(long_share=8, reach=31, id=(3, 1)),)),))
    assert admit(far) == fit(far, input=digits.input) != far
    assert admit(far).sheets[0].motifs[0].id == (3, 1)
    near = Genome(sheets=(SheetGene(),))
    assert admit(near) == near
    nothing = replace(far, sheets=(SheetGene(reduction="max"),) * 5)
    assert admit(nothing) is None


def test_no_founder_is_lost_to_reach(digits):
    config = parse_config("", "test")
    admit = admission(config, digits)
    drawn = [sample(Stream(0, "sample", n), config.genes) for n in range(200)]
    admitted = [genome for genome in map(admit, drawn) if genome is not None]
    for genome in admitted:
        expand(genome, input=digits.input, classes=digits.classes)
    assert len(admitted) >= 0.9 * len(drawn)
