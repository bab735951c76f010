"""A run as columns for a notebook: one row an individual, or one an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evonet.errors import EvonetError
from evonet.evolution.score import choice_score, score
from evonet.evolution.settings import ScoreSettings
from evonet.job import Scored
from evonet.report.tables import Row, row
from evonet.store import Run
from evonet.store.rows import KIND_OF, MEASURES, TIMES

INDIVIDUAL = tuple(dict.fromkeys((*Row.__struct_fields__, *MEASURES)))
EVALUATION = (
    *("decision", "individual", "generation", "kind", "operator", "rung", "steps", "outcome", "reason"),
    *("score", "choice_score", *MEASURES, *TIMES, "cached_from"),
)


class Columns(Mapping[str, NDArray[Any]]):
    """Name -> a value per row. A mapping of numpy arrays, so pandas and polars take it as it is.

    Numbers are int64, or float64 where a value may be missing, which is NaN; words and tuples are objects.
    `lists` has the same as Python values, with None for what is missing.
    """

    def __init__(self, lists: Mapping[str, list[Any]]) -> None:
        self.lists = dict(lists)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.lists:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.lists)}")
        return _array(name, self.lists[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.lists)

    def __len__(self) -> int:
        """Columns, as of any mapping; `rows` are counted by themselves."""
        return len(self.lists)

    def __repr__(self) -> str:
        return f"Columns({self.rows} rows: {', '.join(self.lists)})"

    @property
    def rows(self) -> int:
        return len(next(iter(self.lists.values()), []))

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Raises EvonetError where pandas is not installed."""
        return _library("pandas").DataFrame({name: _of_object(self[name]) for name in self})

    def to_polars(self) -> Any:
        """A polars.DataFrame; missing values are null. Raises EvonetError where polars is not installed."""
        lists = {name: [list(v) if isinstance(v, tuple) else v for v in values] for name, values in self.lists.items()}
        return _library("polars").DataFrame(lists, strict=False)


def individuals(run: Run, settings: ScoreSettings) -> Columns:
    """One row an individual by its newest scored evaluation, in order of numbers."""
    return _columns(INDIVIDUAL, _individuals(run, settings))


def evaluations(run: Run, settings: ScoreSettings) -> Columns:
    """One row an evaluation, in order of decisions."""
    return _columns(EVALUATION, _evaluations(run, settings))


def _individuals(run: Run, settings: ScoreSettings) -> Iterator[dict[str, Any]]:
    for individual in run.individuals():
        measures = individual.latest
        yield (msgspec.structs.asdict(measures) if measures else {}) | msgspec.structs.asdict(row(individual, settings))


def _evaluations(run: Run, settings: ScoreSettings) -> Iterator[dict[str, Any]]:
    for d in run.decisions():
        found: dict[str, Any] = {name: getattr(d, name, None) for name in EVALUATION}
        found["generation"] = d.individual // run.population
        found["outcome"] = "pending" if d.outcome is None else KIND_OF[type(d.outcome)]
        found["reason"] = getattr(d.outcome, "reason", "")
        if isinstance(d.outcome, Scored):
            measures = d.outcome.measures
            found |= msgspec.structs.asdict(measures) | {name: getattr(d.outcome, name) for name in TIMES}
            found |= {"score": score(measures, settings), "choice_score": choice_score(measures, settings)}
        else:
            found["seen"] = None  # a Job's is what came before
        yield found


def _columns(names: Iterable[str], rows: Iterable[dict[str, Any]]) -> Columns:
    lists: dict[str, list[Any]] = {name: [] for name in names}
    for one in rows:
        for name, values in lists.items():
            values.append(one.get(name))
    return Columns(lists)


_WORDS = ("kind", "operator", "parents", "state", "genome", "outcome", "reason")
_WHOLE = ("id", "generation", "rung", "decision", "individual", "steps")  # never missing


def _array(name: str, values: list[Any]) -> NDArray[Any]:
    if name in _WORDS:
        found = np.empty(len(values), object)
        found[:] = values
        return found
    return np.array(values, np.int64 if name in _WHOLE else np.float64)  # None becomes NaN


def _of_object(values: NDArray[Any]) -> Any:
    return list(values) if values.dtype == object else values


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise EvonetError(
            f"to_{name}: {name} is not installed here ({error}). Install it (pip install {name}), or take the columns "
            "as they are: a mapping of numpy arrays."
        ) from error
