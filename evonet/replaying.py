"""The proof that a stored result can be had again: an individual's evaluations, done once more from the store alone.

Which weights an evaluation started from is not stored; it is one of its parents' scored evaluations (of its own for
further training, a package for an injected genome). The right ones are those that give the recorded evaluation key,
which is a hash over them and everything else that the outcome depends on: so a match proves the whole job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from evonet.app import FACTORY, override_data
from evonet.changes import check_trust_run, configs
from evonet.composition import context_of, evaluation_settings, load
from evonet.config import RunConfig, parse_config
from evonet.errors import DataError
from evonet.evaluation.settings import VERSION
from evonet.evolution.interventions import Inject, scheduled
from evonet.evolution.keys import keyed
from evonet.job import Job, Lost, Outcome, Scored, Start
from evonet.provenance import machine, package_versions
from evonet.store import Decision, Run, open_run

if TYPE_CHECKING:
    from evonet.training.data import DataSet


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of doing one evaluation again."""

    decision: int
    kind: str
    verdict: Literal["same", "differs", "not compared"]
    text: str  # what was the same, what differs, or why nothing was compared


class Replay:
    """Iterate over it for the results, in order of decision. `warnings`: why bits may differ, known beforehand.

    Raises:
        StoreError: no such individual.
        ConfigError: the run's configuration names code that nobody trusts.
        DataError: the data are missing, or not those that the run was made with.
    """

    def __init__(self, path: Path, individual: int, *, data_dir: Path | None, trust_code: bool = False) -> None:
        with open_run(path) as run:
            check_trust_run(run, str(path), trusted=trust_code)
            self._past = run.history_of(individual)
            parents = {parent for decision in self._past for parent in decision.parents}
            self._scored = {i: _scored(run.history_of(i)) for i in (individual, *parents)}
            self._eras = [(n, parse_config(text, f"{path}: stored configuration")) for n, text in configs(run)]
            self._injections = _injections(run)
            self._data = self._load(run, data_dir)
            self.warnings = _warnings(run, self._eras[-1][1])

    def __iter__(self) -> Iterator[Replayed]:
        for was in self._past:
            yield self._again(was)

    def _load(self, run: Run, data_dir: Path | None) -> DataSet:
        data = load(override_data(self._eras[-1][1], data_dir))
        recorded = run.provenance.get("data", data.fingerprint)
        if recorded != data.fingerprint:
            raise DataError(
                f"{run.path}: made with data of fingerprint {recorded}, came {data.fingerprint}: other images or "
                "labels, so nothing can be compared. Give the folder of those data with --data-dir."
            )
        return data

    def _again(self, was: Decision) -> Replayed:
        if was.outcome is None:
            return _line(was, "not compared", "in flight: it has no outcome yet")
        if isinstance(was.outcome, Lost):
            return _line(was, "not compared", f"lost ({was.outcome.reason}): there is nothing to compare")
        config = [config for n, config in self._eras if n <= was.decision][-1]
        job = self._job(was, config)
        if job is None:
            return _line(
                was, "not compared", "no starting weights in the store give its key: other data, another version of "
                f"what an evaluation computes (this one: {VERSION}), or a damaged record"
            )  # fmt: skip
        found = self._evaluate(config, job)
        faults = list(_faults(was.outcome, found))
        if faults:
            return _line(was, "differs", "; ".join(faults))
        return _line(was, "same", _words(found))

    def _job(self, was: Decision, config: RunConfig) -> Job | None:
        """The job of a decision, by its key."""
        context = context_of(config, self._data)
        for starts in self._candidates(was):
            job = Job(
                decision=was.decision,
                individual=was.individual,
                rung=was.rung,
                genome=was.genome,
                ids=was.ids,
                starts=starts,
                steps=was.steps,
                seen=was.seen,
                seed=0,
                key="",
            )
            job = keyed(job, config.run.seed, context)
            if job.key == was.key:
                return job
        return None

    def _candidates(self, was: Decision) -> Iterator[tuple[Start, ...]]:
        """All starting weights that it may have had, the newest first, none at last."""
        heirs = was.parents if was.kind in ("found", "seed", "breed") else (was.individual,)
        earlier = [[s for n, s in reversed(self._scored[i]) if n < was.decision] for i in heirs]
        yield from (starts for starts in product(*earlier) if starts)
        for change in self._injections:
            if change.genome == was.genome and change.package:
                yield (Start(genome=change.genome, ids=was.ids, package=change.package, shadow=b""),)
        yield ()

    def _evaluate(self, config: RunConfig, job: Job) -> Outcome:
        from evonet.workers import make_workers

        settings = replace(evaluation_settings(config), device="cpu")
        args = (msgspec.msgpack.encode(settings), *self._data.arrays())
        with make_workers(replace(config.workers, kind="serial"), FACTORY, args) as workers:
            workers.submit(job)
            outcome = workers.collect(60.0)
        assert outcome is not None  # noqa: S101 - serial workers answer what they were given
        return outcome


def _scored(past: Sequence[Decision]) -> list[tuple[int, Start]]:
    return [
        (d.decision, Start(genome=d.genome, ids=d.ids, package=d.outcome.package, shadow=d.outcome.shadow))
        for d in past
        if isinstance(d.outcome, Scored)
    ]


def _injections(run: Run) -> list[Inject]:
    found = [scheduled(event.kind, event.decision, event.data) for event in run.events()]
    return [s.change for s in found if s is not None and isinstance(s.change, Inject)]


def _warnings(run: Run, config: RunConfig) -> list[str]:
    """Where this process is other than what the record says the run was made on."""
    packages, about = run.provenance.get("packages"), run.provenance.get("machine")
    there = {
        "torch": packages.get("torch") if isinstance(packages, dict) else None,
        "processor": about.get("processor") if isinstance(about, dict) else None,
    }
    here = {"torch": package_versions()["torch"], "processor": machine()["processor"]}
    found = [
        f"the run was begun with {name} {there[name]}, here is {here[name]}: bits may differ"
        for name in here
        if there[name] is not None and there[name] != here[name]
    ]
    if any(event.kind == "resumed" for event in run.events()):
        found.append("the run was resumed elsewhere; `evonet show` does not say which evaluation was made where")
    if config.workers.device != "cpu":
        found.append(f'the run was evaluated on "{config.workers.device}", here it is on the CPU: bits may differ')
    return found


def _faults(was: Outcome, found: Outcome) -> Iterator[str]:
    if not (isinstance(was, Scored) and isinstance(found, Scored)):
        if was != found:
            yield f"recorded {_words(was)}, came {_words(found)}"
        return
    for name in was.measures.__struct_fields__:
        a, b = getattr(was.measures, name), getattr(found.measures, name)
        if a != b:
            yield f"{name} {a!r} became {b!r}"
    for name in ("package", "shadow"):
        a, b = getattr(was, name), getattr(found, name)
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            yield f"{name} of {len(a)} bytes became one of {len(b)}, from byte {at} on"


def _words(outcome: Outcome) -> str:
    if isinstance(outcome, Scored):
        m = outcome.measures
        return f"{len(outcome.package)} bytes, loss {m.loss!r}, accuracy {m.accuracy!r}"
    return f"{type(outcome).__name__.lower()}: {outcome.reason}"


def _line(was: Decision, verdict: Literal["same", "differs", "not compared"], text: str) -> Replayed:
    return Replayed(decision=was.decision, kind=was.kind, verdict=verdict, text=text)
