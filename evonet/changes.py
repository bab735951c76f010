"""What differs between two configurations, and which differences a run can bear: on resume, in a fork, or never."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import tomli_w

from evonet.config import RunConfig
from evonet.errors import ConfigError
from evonet.evolution.interventions import Configure, scheduled
from evonet.records import parse_toml
from evonet.store import Run

_RESULTS = ("workers.device", "workers.threads")  # of [workers] only these change bits

# What even a fork keeps, by the beginning of the key. The words end a sentence.
_KEPT = {
    "search.population": "blocks and generations are counted by it",
    "search.islands": "which pool a decision belongs to is counted by it",
    "search.window": "it says which outcomes a decision has seen",
    "search.genomes": "the first decisions have founded them; add one with `evonet inject`",
    "search.drift": "scores that were shuffled cannot be told from others",
    "data.spec": "what was measured on other data cannot be compared",
}


class Difference(NamedTuple):
    """`None` stands for a key that is not there."""

    key: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.key}: {_show(self.before)} -> {_show(self.after)}"


def differences(before: RunConfig, after: RunConfig) -> list[Difference]:
    """Key by key, in order of keys."""
    old, new = (dict(_flat(msgspec.to_builtins(config))) for config in (before, after))
    keys = sorted(old.keys() | new.keys())
    return [Difference(k, old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)]


def listed(found: Sequence[Difference], most: int = 6) -> str:
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more


def is_free(key: str) -> bool:
    """Whether the key changes no result: a run may go on with any value."""
    return key == "data.dir" or (key.startswith("workers.") and key not in _RESULTS)


def check_fork(before: RunConfig, after: RunConfig, *, births: int) -> None:
    """Raises ConfigError where a fork, of which `births` individuals are born, cannot go on exactly with `after`."""
    for key, old, new in differences(before, after):
        reason = next((why for kept, why in _KEPT.items() if key.startswith(kept)), "")
        if key == "search.rungs" and len(before.search.rungs) != len(after.search.rungs):
            reason = "individuals stand on them; their steps may change, their number not"
        if key.startswith("score.") and before.search.drift:
            reason = "the scores of this run are shuffled"
        lacking = sorted(set(after.score.extras) - set(before.score.extras))
        if key.startswith("score.") and births and lacking:
            reason = (
                f"what it copies was not measured as to {' and '.join(lacking)}; a fork of generation 0 copies nothing"
            )
        if reason:
            raise ConfigError(f"--set {key}: {_show(old)} -> {_show(new)} is not possible in a fork: {reason}.")
    if after.search.individuals < births:
        raise ConfigError(
            f"--set search.individuals = {after.search.individuals}, expected at least {births}: so many are born "
            "where the fork begins. Fork an earlier generation."
        )


def check_resume(before: RunConfig, after: RunConfig, run: object) -> bool:
    """Whether the changes have to be written down as a `Configure`; no if none of them changes a result.

    Raises ConfigError for one that a run under way cannot bear.
    """
    found = [d for d in differences(before, after) if not is_free(d.key)]
    wrong = [d for d in found if d.key != "search.individuals"]
    if wrong:
        raise ConfigError(
            f"{run}: resume keeps what changes results: {listed(wrong)}. A changed run is a fork: "
            f"`evonet fork {run} --generation G --set ...`; only search.individuals, data.dir and how workers run may "
            "change here."
        )
    return bool(found)


_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NO_CODE = ("search.genomes", "workers.address", "run.", "costs.")
_DATA = ("idx:", "npz:", "folder:", "scramble:", "lag:")


def named_code(text: str, where: str) -> list[str]:
    """The Python functions, "module:function", that the configuration `text` would have this process import."""
    return sorted(set(_code_in(parse_toml(text, where), "")))


def _code_in(value: object, key: str) -> Iterator[str]:
    """Every word of a table that looks like a function, keys included, but where such words mean something else."""
    if key.startswith(_NO_CODE) or (key == "data.spec" and str(value).startswith(_DATA)):
        return
    if isinstance(value, Mapping):
        yield from (name for name in value if _CODE.fullmatch(name))
        for name, inner in value.items():
            yield from _code_in(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _code_in(inner, key)
    elif isinstance(value, str) and _CODE.fullmatch(value):
        yield value


def check_trust(texts: Iterable[str], where: str, *, trusted: bool) -> None:
    """Raises ConfigError if a stored configuration names code and nobody said that it may be run."""
    names = sorted({name for text in texts for name in named_code(text, where)})
    if names and not trusted:
        raise ConfigError(
            f"{where}: its stored configuration names code that would be imported and run: {', '.join(names)}. "
            "A run may come from anywhere: look at that code first, then say --trust-code."
        )


def configs(record: Run) -> list[tuple[int, str]]:
    """(first decision, configuration) in order."""
    found = [(-1, record.first_config)]
    for event in record.events():
        change = scheduled(event.kind, event.decision, event.data)
        if change is not None and isinstance(change.change, Configure):
            found.append((change.decision, change.change.config))
    return found


def check_trust_run(record: Run, where: str, *, trusted: bool) -> None:
    """As `check_trust`, of all configurations that a run has had: going on with it goes through each."""
    check_trust([text for _, text in configs(record)], where, trusted=trusted)


def check_trust_data(config: RunConfig, where: str, *, trusted: bool) -> None:
    """As `check_trust`, where of a stored configuration only the data are loaded."""
    check_trust([tomli_w.dumps({"data": {"spec": config.data.spec}})], where, trusted=trusted)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _show(value: object) -> str:
    text = "nothing" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
