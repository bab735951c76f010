"""Measures of a package: all quality from the network decoded from its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from evonet.compression.choice import Codes
from evonet.evaluation.kernels import kernel_of
from evonet.job import EXTRAS, Extra, Job, Measures
from evonet.network import Network, decoded
from evonet.package import unpack
from evonet.plan import Plan, Stage
from evonet.plan.lowering import forward_milliseconds
from evonet.training.quality import quality, robustness

if TYPE_CHECKING:
    from evonet.evaluation.evaluate import Evaluator

CORRUPTED = 1000  # validation images at most that are measured under each training corruption, evenly spaced
FAR = 3  # Chebyshev distance beyond which a weight counts as long-range


def measure(evaluator: Evaluator, job: Job, package: bytes, plan: Plan, codes: Codes) -> Measures:
    """What is known of `package`; `plan` and `codes` are of the genome with all taps on."""
    network = decoded(unpack(package), costs=evaluator.settings.costs).to(evaluator.settings.device)
    loss, accuracy = quality(network, evaluator.validation)
    choice_loss = choice_accuracy = None
    if job.rung < 0 or job.rung >= evaluator.settings.top_rung:
        choice_loss, choice_accuracy = quality(network, evaluator.choice)
    live = network.plan
    return Measures(
        bytes=len(package),
        loss=loss,
        accuracy=accuracy,
        choice_loss=choice_loss,
        choice_accuracy=choice_accuracy,
        weights=plan.costs.weights,
        nonzero=sum(int((q.weights != 0).sum()) for q in codes.tensors),
        macs=live.costs.macs,
        connections=live.costs.connections,
        sheets=len(plan.sheets),
        taps=sum(len(s.taps) for s in live.stages),
        long_share=long_share(network),
        seen=job.seen + job.steps * evaluator.settings.training.batch,
        train_images=len(evaluator.train),
        **{name: value for extra in evaluator.settings.extras for name, value in _asked(extra, evaluator, network)},
    )


def _asked(extra: Extra, evaluator: Evaluator, network: Network) -> Iterator[tuple[str, float]]:
    """The fields of `Measures` that are filled on request."""
    if extra == "corrupted":
        yield from zip(EXTRAS[extra], robustness(network, evaluator.validation.sample(CORRUPTED)), strict=True)
    else:
        yield "milliseconds", forward_milliseconds(network.plan, evaluator.settings.costs)


def long_share(network: Network) -> float:
    """The share of summed absolute weight at offsets beyond Chebyshev distance 3, over all motifs; 0 without weights.

    Offsets count in positions of the motif's source sheet, weights of a symmetry once for every tap that has them.
    Stages of one tap (channel mixing) and motifs that cover their source (reduction `all`) have no distance.
    """
    far = total = 0.0
    weights = network.weights
    for stage in _reaching(network.plan):
        if stage.weight is None or len(stage.all_taps) == 1:
            continue
        per_tap = kernel_of(stage, weights[stage.weight].detach().cpu()).weight.abs().double().sum((0, 1, 2))
        is_far = torch.tensor([max(abs(dy), abs(dx)) > FAR for dy, dx in stage.taps])
        far += float(per_tap[is_far].sum())
        total += float(per_tap.sum())
    return far / total if total else 0.0


def _reaching(plan: Plan) -> Iterator[Stage]:
    """The stages whose taps are offsets from a position."""
    for sheet in plan.sheets:
        for branch in (*(sheet.incoming if sheet.reduction != "all" else ()), *sheet.recurrent):
            yield from branch.stages
