"""A new run that shares the beginning of another and goes on otherwise.

The cut of generation G is the decision that gave birth to its first individual, number G x population (where that is
not born and all individuals of the run are: the decision after the last birth). Everything decided before the cut is
copied with what came of it, weights and interventions included; everything from there on is decided anew. A decision
is a function of what is copied, so without changes the fork decides and finds what its origin did. Changes are one
`Configure` at the cut, and what the copied part holds is found by its key: nothing is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from evonet.app import in_next_folder
from evonet.changes import check_fork, check_trust_run, configs, differences, is_free, listed
from evonet.config import RunConfig, overridden, parse_config, to_toml
from evonet.errors import StoreError
from evonet.evolution.checks import import_plugins
from evonet.evolution.interventions import Configure, Written, describe
from evonet.provenance import provenance
from evonet.store import Run, RunWriter, open_run
from evonet.store.copying import Event, copy_history


def fork(
    origin: Path, *, generation: int, path: Path | None, changes: Sequence[str] = (), trust_code: bool = False
) -> Path:
    """Make the fork, ready to be resumed; None: the next numbered folder beside its origin. Returns its folder.

    Raises:
        ConfigError: changes that a fork cannot go on with exactly, or code that nobody trusts.
        StoreError: the generation is not there, or decisions before it are not done.
        RunExists: there is something at `path`.
    """
    with open_run(origin) as record:
        if record.newer:
            raise StoreError(
                f"{record.path}: written with schema version {record.version}, which this evonet can look at and not "
                "go on with; fork it with the evonet that made it, or a newer one"
            )
        check_trust_run(record, str(origin), trusted=trust_code)
        cut = cut_of(record, generation)
        before = config_at(record, cut)
        after = overridden(before, changes)
        check_fork(before, after, births=min(generation * record.population, record.counts().individuals))
        import_plugins(after.search)
        events = _events(record, generation, cut, before, after)
        text, at = record.first_config, datetime.now(UTC).isoformat(timespec="seconds")
        inherited = {name: record.provenance[name] for name in ("data", "evaluation") if name in record.provenance}

        def create(folder: Path) -> RunWriter:
            return RunWriter.create(
                folder,
                config=text,
                seed=record.seed,
                population=record.population,
                provenance=provenance() | inherited,
                fill=lambda db: copy_history(record, db, before=cut, at=at, events=events),
            )

        number, _, rest = record.path.name.partition("-")
        name = f"{rest if number.isdecimal() and rest else record.path.name}-fork"
        with create(path) if path else in_next_folder(record.path.absolute().parent, name, create) as writer:
            writer.set_state("stopped")
            return writer.path


def cut_of(record: Run, generation: int) -> int:
    """The first decision of `generation` (see the module)."""
    first = generation * record.population
    births = record.births(max(0, first - 1), 2)
    if len(births) == 2 or (first == 0 and births):
        return births[-1] if first else births[0]
    count = record.counts().individuals
    if births and count == first:
        return births[0] + 1
    last = count // record.population
    further = f"Go on first: `evonet resume {record.path}`."
    if record.state == "finished":
        further = f"The run is finished: --generation {last} goes on where its births ended."
    raise StoreError(f"{record.path}: generation {generation} is not reached, expected one in 0..{last}. {further}")


def config_at(record: Run, decision: int) -> RunConfig:
    """The configuration that decisions right before `decision` were taken by."""
    text = next((text for n, text in reversed(configs(record)) if n < decision), record.first_config)
    return parse_config(text, f"{record.path}: stored configuration")


def _events(record: Run, generation: int, cut: int, before: RunConfig, after: RunConfig) -> list[Event]:
    where = {"origin": str(record.path.absolute()), "generation": generation, "decision": cut}
    events: list[Event] = [("fork", f"of {record.path.name} at generation {generation}", cut, where)]
    if found := differences(before, after):
        change = Written(change=Configure(config=to_toml(after)))
        free = " (none changes a result)" if all(is_free(d.key) for d in found) else ""
        events.append(("configure", f"{describe(change.change)}: {listed(found)}{free}", cut, change))
    return events
