"""A run as a notebook wants it: what the store reads, and its columns and figures besides.

with evonet.open_run("runs/0001-digits") as run:
    frame = run.table().to_pandas()
    run.plot("front")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evonet import store
from evonet.report import columns
from evonet.report.tables import config_of
from evonet.store.schema import find_database

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evonet.report.columns import Columns

Kind = Literal["front", "lineage", "masks", "generations"]


def open_run(path: Path | str) -> Run:
    """Open a run folder, or its `run.db`, for reading; the run may be alive, dead or a copy.

    Raises StoreError if it is no run, or damaged.
    """
    return Run(find_database(path))


class Run(store.Run):
    """All that `evonet.store.Run` answers, and columns and figures."""

    def __enter__(self) -> Run:
        return self

    def table(self, *, evaluations: bool = False) -> Columns:
        """Columns with a row for each individual, by its newest scored evaluation; or for each evaluation.

        A mapping of names to numpy arrays (missing numbers are NaN), with `to_pandas()` and `to_polars()` where those
        are installed.
        """
        settings = config_of(self).score
        return columns.evaluations(self, settings) if evaluations else columns.individuals(self, settings)

    def plot(self, kind: Kind, *, id: int | None = None, x: str = "bytes", y: str = "accuracy") -> Figure:
        """The figure that `evonet plot` writes, which a notebook shows by itself.

        Args:
            id: whose "lineage" or "masks", None for the best; in "front" it is marked.
            x, y: the measures of "front".

        Raises:
            ConfigError: there is no such kind or measure.
            StoreError: there is no such individual, or nothing that could be drawn.
        """
        from evonet.report import figures

        return figures.draw(self, kind, id=id, x=x, y=y)
