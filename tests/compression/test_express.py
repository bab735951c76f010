"""Switching off what is zero changes no logit, and the live network costs less."""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from package.package_examples import sparse_codes
from strategies import genomes, saccade_genomes

from evonet.compression.express import cut, express
from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.network import build
from evonet.package import Quantised
from evonet.plan import Plan, expand


def logits(plan: Plan, tensors: list[Quantised], x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return build(plan, dtype=torch.float64)(x, [torch.from_numpy(q.weights).double() for q in tensors])


@given(genomes() | saccade_genomes(), st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_what_is_switched_off_was_not_computing(genome: Genome, seed: int) -> None:
    try:
        plan = expand(genome, input=(2, 8, 9), classes=10)
    except GenomeError:
        assume(False)
    assume(plan.costs.macs <= 1e6)
    tensors = sparse_codes(plan, np.random.default_rng(seed))
    expression = express(plan, tensors)
    live = expand(genome, input=(2, 8, 9), classes=10, expression=expression)
    assert live.expression == expression
    kept = cut(live, tensors)
    assert [q.codes.shape for q in kept] == [t.shape for t in live.tensors]
    x = torch.rand(3, 2, 8, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    whole = logits(plan, tensors, x)
    torch.testing.assert_close(logits(live, kept, x), whole, rtol=1e-9, atol=1e-9 * float(whole.abs().max() + 1))
    assert live.costs.macs <= plan.costs.macs
    assert live.costs.weights <= plan.costs.weights


def test_a_channel_that_nothing_reads_goes_with_all_that_it_reads() -> None:
    """Sheet 1's channel 2 is not read; so sheet 0's channel 3, which only that one reads, is not read either."""
    wide = MotifGene(radius=0, taps=1)
    genome = Genome(sheets=(SheetGene(channels=4), SheetGene(channels=3, motifs=(wide,)), SheetGene(channels=2)))
    plan = expand(genome, input=(1, 8, 8), classes=10)
    tensors = [Quantised(step=40, codes=np.ones(t.shape, dtype=np.int16)) for t in plan.tensors]
    first, second = (sheet.incoming[0].stages[0].weight for sheet in plan.sheets[1:])
    assert first is not None
    assert second is not None
    tensors[first].codes[:2, 3] = 0
    tensors[second].codes[:, 2] = 0
    expression = express(plan, tensors)
    assert expression.channels == ((True, True, True, False), (True, True, False), (True, True))
    live = expand(genome, input=(1, 8, 8), classes=10, expression=expression)
    assert [sheet.shape[0] for sheet in live.sheets] == [3, 2, 2]


def test_within_a_sheet_it_goes_on_until_nothing_more_goes() -> None:
    """Nothing reads channel 2 but channel 1, nothing channel 1 but channel 0, and nothing channel 0."""
    own = MotifGene(source=0, radius=0, taps=1)
    genome = Genome(sheets=(SheetGene(channels=4, motifs=(MotifGene(), own)), SheetGene(channels=2)))
    plan = expand(genome, input=(1, 8, 8), classes=10)
    tensors = [Quantised(step=40, codes=np.ones(t.shape, dtype=np.int16)) for t in plan.tensors]
    recurrent, after = plan.sheets[0].recurrent[0].stages[0].weight, plan.sheets[1].incoming[0].stages[0].weight
    assert recurrent is not None
    assert after is not None
    tensors[after].codes[:, :3] = 0
    tensors[recurrent].codes[...] = 0
    tensors[recurrent].codes[[0, 1, 3], [1, 2, 3]] = 1
    assert express(plan, tensors).channels[0] == (False, False, False, True)


def test_where_all_is_zero_one_of_each_stays() -> None:
    plan = expand(Genome(sheets=(SheetGene(channels=4), SheetGene(channels=3))), input=(1, 8, 8), classes=10)
    tensors = [Quantised(step=0, codes=np.zeros(t.shape, dtype=np.int16)) for t in plan.tensors]
    expression = express(plan, tensors)
    assert [sum(bits) for bits in expression.channels] == [1, 1]
    assert [sum(bits) for bits in expression.taps] == [1, 1]
