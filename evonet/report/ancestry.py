"""Why an individual is what it is: the edits of its genes that lead from the first of its line to it.

The line is that of first parents. Of every field of every gene only the steps that were never undone count: a walk that
comes back to a value it had has its loop erased (as of Lawler 1980, "A self-avoiding random walk"). A change of score
is that between parent and child, and says something of an edit only where both had trained about as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from evonet.errors import GenomeError, StoreError
from evonet.evolution.score import score
from evonet.evolution.settings import ScoreSettings
from evonet.genome.edits import (
    REFERENCES,
    Edit,
    NamedGene,
    NamedGenes,
    added,
    apply,
    between,
    genome_of,
    named,
    removed,
)
from evonet.genome.genes import GeneId
from evonet.job import Scored
from evonet.report.edits import in_words
from evonet.report.tables import Row, config_of, row
from evonet.report.tables import genome_of as genome_of_individual
from evonet.store import Decision, Individual, Run

FACTOR = 2  # child and parent compare where neither has seen twice as much as the other, as in the bands of selection


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Child minus parent by the two of their evaluations that compare best."""

    score: float
    accuracy: float
    bytes: int
    seen: tuple[int, int]  # training examples of parent and child
    rungs: tuple[int, int]
    reason: str  # "" or why the two do not compare


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Edits of one birth that are one: of one gene, or of all that came and went together."""

    number: int  # from 1 along the line
    edits: tuple[Edit, ...]
    words: tuple[str, ...]


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    parents: tuple[int, ...]  # the first is the one of the line
    operator: str
    steps: tuple[Step, ...]
    undone: int  # edits of this birth that later ones undid
    change: Change | None  # None: one of the two was never scored


class Ancestry(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    founder: Row
    champion: Row
    births: tuple[Birth, ...]
    exact: bool  # whether the edits make the founder's genome into the champion's, ids and order of genes included

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for birth in self.births for step in birth.steps)


def ancestry(run: Run, id: int) -> Ancestry:
    """Raises StoreError if there is no such individual."""
    settings, line = config_of(run).score, _line(run, id)
    states = [named(genome_of_individual(individual)) for individual in line]
    kinds = _kinds(line, states)
    kept = _kept(states)
    made = apply(states[0], [edit for edits in kept for edit in edits], kinds)
    births, count = [], 0
    for place, edits in enumerate(kept, 1):
        steps = [(found, states[place - 1], states[place]) for found in _steps(edits, states[place])]
        births.append(
            Birth(
                id=line[place].id,
                parents=line[place].parents,
                operator=line[place].operator or line[place].kind,
                steps=tuple(_step(count + i, *step) for i, step in enumerate(steps, 1)),
                undone=max(0, _count(between(states[place - 1], states[place])) - _count(edits)),
                change=_change(line[place - 1], line[place], settings),
            )
        )
        count += len(steps)
    return Ancestry(
        run=str(run.path),
        founder=row(line[0], settings),
        champion=row(line[-1], settings),
        births=tuple(births),
        exact=_is(made, states[-1]),
    )


def kinds_of(run: Run, id: int) -> dict[GeneId, type[NamedGene]]:
    """What each gene is that anybody of the line had; raises StoreError where a gene id names two kinds of gene."""
    line = _line(run, id)
    return _kinds(line, [named(genome_of_individual(individual)) for individual in line])


def _kinds(line: Sequence[Individual], states: Sequence[NamedGenes]) -> dict[GeneId, type[NamedGene]]:
    found: dict[GeneId, type[NamedGene]] = {}
    for individual, state in zip(line, states, strict=True):
        for gene, kind in state.kinds.items():
            if found.setdefault(gene, kind) is not kind:
                raise StoreError(
                    f"individual {individual.id}: gene {gene[0]}:{gene[1]} is a {kind.__name__} and a "
                    f"{found[gene].__name__} in an ancestor, expected one gene under one id all along the line: "
                    "what was inherited cannot be told from this record. `evonet diff` compares two individuals."
                )
    return found


def _line(run: Run, id: int) -> list[Individual]:
    line = [run.individual(id)]
    while line[-1].parents:
        line.append(run.individual(line[-1].parents[0]))
    return line[::-1]


def _is(made: NamedGenes, wanted: NamedGenes) -> bool:
    made.genome = wanted.genome  # edits make all of it but what no gene says
    try:
        return made.fields == wanted.fields and genome_of(made) == genome_of(wanted)
    except GenomeError:  # in another order, a motif may read a sheet behind its own
        return False


# --- which edits count ------------------------------------------------------------------------------------------------


def _kept(states: Sequence[NamedGenes]) -> list[list[Edit]]:
    """The edits of each birth that are needed."""
    first, last = states[0], states[-1]
    found: list[list[Edit]] = [[] for _ in states[1:]]
    for gene in dict.fromkeys([*last.order, *first.order]):
        for birth, edit in _of_gene(gene, states):
            found[birth - 1].append(edit)
    return found


def _of_gene(gene: GeneId, states: Sequence[NamedGenes]) -> Iterator[tuple[int, Edit]]:
    there = [gene in state.fields for state in states]
    if not there[-1]:
        gone = max(i for i in range(1, len(states)) if there[i - 1])
        yield gone, removed(states[0], gene)
        return
    begin = 0
    if not there[0]:
        begin = max(i for i in range(1, len(states)) if not there[i - 1])
        yield begin, added(states[begin], gene)
    births = [i for i in range(begin, len(states)) if there[i]]
    edits: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    for name in states[-1].fields[gene]:
        for place, before, after in _erased([states[i].fields[gene].get(name) for i in births]):
            old, new = edits.setdefault(births[place], ({}, {}))
            old[name], new[name] = before, after
    for birth, (old, new) in sorted(edits.items()):
        yield birth, Edit(gene=gene, action="changed", before=old, after=new)


def _erased(values: Sequence[Any]) -> Iterator[tuple[int, Any, Any]]:
    """(place, value before, value there) of every step of the walk that no later one undoes."""
    way = [(0, values[0])]
    for place, value in enumerate(values[1:], 1):
        known = next((k for k, (_, v) in enumerate(way) if v == value), None)
        way = [*way, (place, value)] if known is None else way[: known + 1]
    for (_, before), (place, after) in pairwise(way):
        yield place, before, after


def _count(edits: Sequence[Edit]) -> int:
    """Of genes that come or go, and of fields that change."""
    return sum(len(edit.after) if edit.action == "changed" else 1 for edit in edits)


# --- which edits are one --------------------------------------------------------------------------------------------


def _steps(edits: Sequence[Edit], child: NamedGenes) -> list[list[Edit]]:
    """What comes and goes in one birth is one step, with who reads it and the sheets it lies in; else a gene is one."""
    moved = [edit for edit in edits if edit.action != "changed"]
    homes = {(edit.after or edit.before).get("sheet") for edit in moved}
    one = [e for e in edits if e in moved or (moved and (e.gene in homes or set(e.after) <= set(REFERENCES)))]
    return ([one] if one else []) + [[edit] for edit in edits if edit not in one]


def _step(number: int, edits: Sequence[Edit], parent: NamedGenes, child: NamedGenes) -> Step:
    words = [line for edit in edits for line in in_words(edit, parent, child)]
    return Step(number=number, edits=tuple(edits), words=tuple(words))


# --- what a birth changed ---------------------------------------------------------------------------------------------


def _change(parent: Individual, child: Individual, settings: ScoreSettings) -> Change | None:
    """Of all pairs of scored evaluations, one of the same rung where there is, and of these the nearest in `seen`."""
    pairs = [_compared(a, b, settings) for a in parent.evaluations for b in child.evaluations]
    known = [pair for pair in pairs if pair is not None]
    return min(known, key=_distance) if known else None


def _distance(change: Change) -> tuple[bool, float, int]:
    low, high = sorted(change.seen)
    return change.rungs[0] != change.rungs[1], high / max(low, 1), change.rungs[1]


def _compared(a: Decision, b: Decision, settings: ScoreSettings) -> Change | None:
    if not isinstance(a.outcome, Scored) or not isinstance(b.outcome, Scored):
        return None
    before, after = a.outcome.measures, b.outcome.measures
    return Change(
        score=score(after, settings) - score(before, settings),
        accuracy=after.accuracy - before.accuracy,
        bytes=after.bytes - before.bytes,
        seen=(before.seen, after.seen),
        rungs=(a.rung, b.rung),
        reason=_reason((a.rung, b.rung), (before.seen, after.seen)),
    )


def _reason(rungs: tuple[int, int], seen: tuple[int, int]) -> str:
    if rungs[0] != rungs[1]:
        told = ("finished" if rung == -1 else f"rung {rung}" for rung in rungs)
        return " against ".join(told)
    if max(seen) >= FACTOR * max(min(seen), 1):
        return f"has seen {seen[1] / max(seen[0], 1):.1f} times as much as its parent"
    return ""
