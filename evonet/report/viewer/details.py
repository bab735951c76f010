"""One individual in full, as plain data: genes, plan with weights, evaluations with rounds, bytes by role.

The page draws masks, motifs and histograms from this; nothing is sent that follows from it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evonet.errors import EvonetError, GenomeError
from evonet.evolution.settings import ScoreSettings
from evonet.genome import Genome
from evonet.genome.code import decode, encode
from evonet.genome.ids import with_ids
from evonet.genome.text import to_toml
from evonet.job import Scored
from evonet.package import Package, unpack
from evonet.package.cost import each_bits
from evonet.package.models import kind_of
from evonet.package.tensors import version_of
from evonet.plan import Plan, Shape, Stage, expand
from evonet.plan.costs import application_macs, connections
from evonet.report.drawing import describe_readout, describe_sheet
from evonet.report.expansion import by_distance, covers
from evonet.report.packages import code_name
from evonet.report.tables import evaluation_rows
from evonet.report.viewer import genes
from evonet.report.viewer.queries import Reader
from evonet.store import Individual

#: A genome and an input shape with classes -> its random twin; GenomeError where it has none.
Twin = Callable[[Genome, Shape, int], Genome]
_ROLES = {"tap": "taps", "mix": "mixing", "bias": "biases", "readout": "readout", "readout_bias": "readout"}


def details(run: Reader, id: int, settings: ScoreSettings, twin: Twin | None = None) -> dict[str, Any]:
    """Raises StoreError if there is no such individual; a genome that cannot be expanded is a `problem` in words."""
    individual = run.individual(id)
    found: dict[str, Any] = {
        "id": id,
        "digest": individual.digest,
        "parents": individual.parents,
        "operator": individual.operator,
        "evaluations": _evaluations(run, individual, settings),
        "measures": individual.latest,
        "genes": [],
        "problem": "",
    }
    try:
        genome = decode(individual.genome)
        found["toml"] = to_toml(genome)
        found["genes"] = genes.gene_rows(with_ids(genome, individual.ids))
        found.update(_meaning(run, id, genome, twin))
    except EvonetError as error:
        found["problem"] = str(error)
    return found


def _evaluations(run: Reader, individual: Individual, settings: ScoreSettings) -> list[dict[str, Any]]:
    found = []
    for row, evaluation in zip(evaluation_rows(individual, settings), individual.evaluations, strict=True):
        outcome = evaluation.outcome
        scored = outcome if isinstance(outcome, Scored) else None
        found.append({**row, "rounds": scored.rounds if scored else (), "seconds": scored.seconds if scored else None})
    return found


def _meaning(run: Reader, id: int, genome: Genome, twin: Twin | None) -> dict[str, Any]:
    """The plan with what compression left, and its weights; without a package the plan of the whole genome."""
    data = run.package(id)
    if data is not None:
        package = unpack(data)
        plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
        return {
            "plan": plan_data(package.genome, plan, package, twin),
            "package": {"base64": base64.b64encode(data).decode(), "parts": parts(package, plan, data)},
        }
    some = run.any_package()
    if some is None:
        return {}
    like = unpack(some)
    plan = expand(genome, input=like.input, classes=like.classes)
    return {"plan": plan_data(genome, plan, None, twin)}


def plan_data(genome: Genome, plan: Plan, package: Package | None, twin: Twin | None) -> dict[str, Any]:
    numbers = iter(range(len(plan.stages)))  # of the stages, which are those of the sheets in order
    sheets = []
    for gene, sheet in zip(genome.sheets, plan.sheets[: len(genome.sheets)], strict=True):
        branches = [
            {"source": branch.source, "self": own, "stages": [next(numbers) for _ in branch.stages]}
            for own, many in ((False, sheet.incoming), (True, sheet.recurrent))
            for branch in many
        ]
        sheets.append(
            {
                "name": sheet.name,
                "shape": sheet.shape,
                "text": describe_sheet(gene),
                "branches": branches,
                "repeats": sheet.repeats if sheet.recurrent else 0,
                "residual": sheet.add_source,
            }
        )
    return {
        "input": plan.input,
        "classes": plan.classes,
        "sheets": sheets,
        "readout": {"text": describe_readout(genome.readout), "features": plan.readout.features},
        "stages": [_stage(stage) for stage in plan.stages],
        "tensors": list(_tensors(plan, package)),
        "costs": plan.costs,
        "twin": _twin(genome, plan, twin),
    }


def _stage(stage: Stage) -> dict[str, Any]:
    wanted = ("name", "mixing", "groups", "source", "target", "span", "shift", "wrap", "tiles", "taps", "local",
              "reads", "tying", "weight", "lender")  # fmt: skip
    return {
        **{name: getattr(stage, name) for name in wanted},
        "own": stage.own_taps,
        "dead": sorted(set(stage.all_taps) - set(stage.own_taps)) if stage.tying is None else (),
        "covers": covers(stage),
        "connections": connections(stage),
        "macs": application_macs(stage),
        "distances": list(by_distance(stage).items()),
    }


def _tensors(plan: Plan, package: Package | None) -> Iterator[dict[str, Any]]:
    for index, tensor in enumerate(plan.tensors):
        row: dict[str, Any] = {"name": tensor.name, "role": tensor.role, "shape": tensor.shape}
        if package is not None:
            coded = package.tensors[index]
            weights = coded.weights.astype("<f4")
            row |= {"code": code_name(coded), "nonzero": int(np.count_nonzero(weights))}
            row["weights"] = base64.b64encode(weights.tobytes()).decode()
        yield row


def _twin(genome: Genome, plan: Plan, twin: Twin | None) -> list[list[tuple[int, int]]] | None:
    """Connections by distance of every stage of the random twin; None where there is none."""
    if twin is None:
        return None
    try:
        other = expand(twin(genome, plan.input, plan.classes), input=plan.input, classes=plan.classes)
    except GenomeError:
        return None
    return [list(by_distance(stage).items()) for stage in other.stages]


def parts(package: Package, plan: Plan, data: bytes) -> list[tuple[str, float]]:
    """(role, bytes) of a package: its genome, its tensors by role, and the rest: head, expression, check."""
    version = version_of(package.tensors)
    bits = each_bits([kind_of(tensor) for tensor in plan.tensors], package.tensors, version)
    found = {"genome": float(len(encode(package.genome)))}
    for tensor, cost in zip(plan.tensors, bits, strict=True):
        role = _ROLES[tensor.role]
        found[role] = found.get(role, 0.0) + cost / 8
    found["head, expression, check"] = max(0.0, len(data) - sum(found.values()))
    return list(found.items())
