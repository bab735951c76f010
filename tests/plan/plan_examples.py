"""What the plan tests share: small genomes, and plans where they expand."""

from hypothesis import strategies as st
from strategies import genomes

from evonet.errors import GenomeError
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.plan import Plan, Shape, Stage, expand

INPUTS = st.one_of(
    st.tuples(st.integers(1, 3), st.integers(6, 11), st.integers(6, 11)), st.sampled_from([(1, 1, 24), (2, 8, 8)])
)


def plan_or_none(genome: Genome, shape: Shape) -> Plan | None:
    try:
        return expand(genome, input=shape, classes=10)
    except GenomeError:
        return None


def plans(**limits: int) -> st.SearchStrategy[Plan]:
    """Plans of random genomes, small enough to be looked at neuron by neuron."""
    drawn = st.tuples(genomes(**{"channels": 4, "sheets_max": 2, **limits}), INPUTS)
    return drawn.map(lambda pair: plan_or_none(*pair)).filter(lambda plan: plan is not None)


def one_stage(motif: MotifGene, input: Shape = (2, 7, 6), **sheet: object) -> Stage:
    """The stage of a genome of one sheet with one motif."""
    return expand(one_motif(motif, **sheet), input=input, classes=3).stages[0]


def one_motif(motif: MotifGene, **sheet: object) -> Genome:
    return Genome(sheets=(SheetGene(**{"channels": 4, "motifs": (motif,), **sheet}),))
