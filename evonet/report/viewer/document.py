"""What the page knows of a run before it asks for anything: one plain document."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from evonet.config import RunConfig
from evonet.errors import DataError, StoreError
from evonet.evolution.settings import ScoreSettings
from evonet.report.viewer import answers
from evonet.report.viewer.columns import KINDS, STATES, Columns, best
from evonet.report.viewer.genes import FEATURES
from evonet.report.viewer.queries import Reader

BEST = 12  # individuals in the overview
RECENT = 30  # events and tries
FAILURES = 500
_FAILED = ("diverged", "rejected", "lost")


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A network from elsewhere to compare with: one of a ladder of CNNs, a random twin."""

    name: str
    kind: str = ""
    bytes: float | None = None
    accuracy: float | None = None
    loss: float | None = None
    macs: float | None = None
    weights: float | None = None
    long_share: float | None = None


def read_anchors(path: Path) -> tuple[Anchor, ...]:
    """From a JSON file, a list of records with a name and measures. Raises DataError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Anchor, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            f'{path}: expected anchors as JSON, [{{"name": "CNN, 8 channels", "kind": "cnn", "bytes": 900, '
            f'"accuracy": 0.95}}, ...]: {error}'
        ) from error


def document(run: Reader, columns: Columns, config: RunConfig, *, path: str) -> dict[str, Any]:
    """`path`: how a person would name the run in a command."""
    state = run.state
    live = run.live
    return {
        "name": run.path.absolute().name,
        "path": path,
        "created": run.created,
        "seed": run.seed,
        "population": run.population,
        "wanted": config.search.individuals,
        "data": config.data.spec,
        "score": score_words(config.score),
        "config": run.config,
        "provenance": {k: run.provenance[k] for k in ("evonet", "commit", "command") if k in run.provenance},
        "state": "dead" if state == "running" and not live else state,
        "live": live,
        "count": columns.count,
        "version": columns.version,
        "outcomes": columns.outcomes,
        "words": columns.words,
        "kinds": KINDS,
        "states": STATES,
        "numbers": columns.numbers,
        "features": FEATURES,
        "best": answers.rows(columns, best(columns, BEST)),
        "progress": answers.progress(columns),
        "events": run.newest_events(RECENT),
        "retried": run.retried(RECENT),
        "actions_help": steps(path),
        "anchors": (),
        "mode": "columns",
        "left_s": None,
        "actions": False,
        "key": "",
        "notice": "",
        "reading": "",
    }


def failures(run: Reader, columns: Columns) -> dict[str, Any]:
    return {
        "failed": [one._asdict() for one in run.failed(2**62, FAILURES)],
        "retried": run.retried(FAILURES),
        "total": sum(columns.outcomes[kind] for kind in _FAILED),
    }


def score_words(settings: ScoreSettings) -> str:
    """What a score is, for people."""
    match settings.kind:
        case "length":
            return f"−(8 × bytes{f' × {settings.size_weight:g}' if settings.size_weight != 1 else ''} + N × loss), bits"
        case "weighted":
            return f"accuracy in points − {settings.size_price:g} × bytes / 100"
        case "bound":
            return f"−loss among files of at most {settings.bound:,} bytes"
        case "pareto":
            return f"−loss; selection by {', '.join(settings.objectives)}"


def steps(path: str) -> list[tuple[str, str]]:
    """What a person may do to a run, with the command that does it."""
    run = shlex.quote(path)
    return [
        ("Give it a genome or a package", f"evonet inject {run} GENOME.toml"),
        ("Take individuals out of the population", f"evonet cull {run} ID..."),
        ("Stop at a generation; evonet resume goes on", f"evonet pause {run} --generation G"),
        ("Write something down about an individual", f"evonet note {run} ID 'TEXT'"),
        ("Go on from a generation with other settings", f"evonet fork {run} --generation G --set KEY=VALUE"),
    ]


def load(run: Reader, config: RunConfig) -> tuple[Columns, str]:
    """All columns of a run, and what is wrong with it: a damaged run is read as far as it can be."""
    columns = Columns(config.score, run.population)
    try:
        columns.load(run)
    except StoreError as error:
        return columns, f"This run is damaged and shown as far as it could be read: {error}"
    notices = []
    if run.newer:
        notices.append(
            f"This run was written with schema version {run.version}, by a newer evonet: what this one does not know "
            "is not shown."
        )
    if not columns.count:
        notices.append("This run has no individual yet.")
    return columns, " ".join(notices)


def shown(anchors: Sequence[Anchor]) -> list[Any]:
    return [msgspec.to_builtins(anchor) for anchor in anchors]
